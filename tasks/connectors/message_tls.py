"""TLS of brokers: what a connection says in PEM texts, as their client libraries want it, in files of this process."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import ssl
import tempfile
from typing import Any

from tasks.connectors.inputs import invalid
from tasks.connectors.message_address import Broker


def amqp_tls(broker: Broker) -> dict[str, Any] | bool:
    """py-amqp's `ssl`: the certificate is verified, host name included, unless the connection says otherwise."""
    if not broker.is_encrypted:
        return False
    given = _given(broker)
    if given.get("verify") is False:
        return {"cert_reqs": ssl.CERT_NONE, **_client(given)}
    ca = {"ca_certs": _file(given["ca"], os.getpid())} if given.get("ca") else {}
    return {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": broker.host, **ca, **_client(given)}


def redis_tls(broker: Broker) -> dict[str, Any]:
    """Arguments of redis-py."""
    if not broker.is_encrypted:
        return {}
    given = _given(broker)
    client = {f"ssl_{name}": path for name, path in _client(given).items()}
    if given.get("verify") is False:
        return {"ssl": True, "ssl_cert_reqs": "none", "ssl_check_hostname": False, **client}
    ca = {"ssl_ca_data": given["ca"]} if given.get("ca") else {}
    return {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True, **ca, **client}


def _given(broker: Broker) -> dict[str, Any]:
    given = dict(broker.tls)
    if stray := sorted(given.keys() - {"verify", "ca", "certificate", "key"}):
        raise invalid(f"The TLS setting `{stray[0]}` of a connection is not supported for brokers")
    return given


def _client(given: dict[str, Any]) -> dict[str, str]:
    found = {"certfile": given.get("certificate"), "keyfile": given.get("key")}
    return {name: _file(text, os.getpid()) for name, text in found.items() if text}


@functools.cache
def _file(text: str, pid: int) -> str:
    handle, path = tempfile.mkstemp(suffix=".pem", dir=_folder(pid))  # for its owner only
    with os.fdopen(handle, "w") as file:
        file.write(text)
    return path


@functools.cache
def _folder(pid: int) -> str:
    folder = tempfile.mkdtemp(prefix="broker-tls-")

    def remove() -> None:
        if os.getpid() == pid:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder
