"""Reads the inputs of an S3 job into an `Ask`: what to do with which object, where, and as whom. Nothing is called.

The inputs have names of our own; those of Camunda's S3 connector (`actionDiscriminator`, `action`, `authentication`,
`configuration`) are turned into them first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tasks.connectors import content
from tasks.connectors.base import Connection, Job
from tasks.connectors.content import read_content, refuse_content
from tasks.connectors.declared import Input, read
from tasks.connectors.documents import Document
from tasks.connectors.inputs import context, encodable, flag, invalid, scalar

OPERATIONS = ("upload", "download", "list", "delete", "head")
AWS = "https://s3.amazonaws.com"
DEFAULT_REGION = "us-east-1"
DEFAULT_BYTES = 1_500_000
MOST_BYTES = 64_000_000
MOST_KEYS = 10_000
UNKNOWN_TYPE = "application/octet-stream"

INPUTS = (
    Input("operation", required=True, choices=OPERATIONS, help="What to do."),
    Input("bucket", help="Name of the bucket; that of the connection unless given."),
    Input("key", help="Of the object; an upload may take the name of its document."),
    Input("prefix", help="What the listed keys begin with."),
    *content.INPUTS,
    Input("contentType", help="Of an upload; that of its document unless given."),
    Input("metadata", "context", help="ASCII text by its names, kept with an upload."),
    Input("endpoint", help="http or https URL of the service; that of the connection, else AWS."),
    Input("region", help="us-east-1 unless given."),
    Input("accessKey", secret=True, help="Who we are."),
    Input("secretKey", secret=True, help="Proves it."),
    Input("sessionToken", secret=True, help="Of temporary credentials."),
    Input("deadlineInSeconds", "seconds", default=60.0, help="For everything."),
    Input("maxBytes", "integer", help="Largest object to download; 1500000, or what a document may have."),
    Input("maxKeys", "integer", default=1000, help="Most keys to list."),
)

CAMUNDA = ("actionDiscriminator", "action", "authentication", "configuration")
_ACTIONS = {"uploadObject": "upload", "downloadObject": "download", "deleteObject": "delete"}
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_NAME = re.compile(r"[A-Za-z0-9-]{1,100}")
_CONTENT_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(\s*;[\x20-\x7e]*)?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the service is, and who we are there; without keys, nobody."""

    host: str
    """With its port, unless that of the scheme."""
    secure: bool
    region: str
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    operation: str
    access: Access
    bucket: str
    key: str
    prefix: str
    content: Document | None = field(default=None, repr=False)
    content_type: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"
    camunda: bool = False
    """Whether the response is to be what Camunda's connector gives."""
    most_bytes: int = DEFAULT_BYTES
    most_keys: int = 1000
    patience: float = 60.0


def read_ask(job: Job) -> Ask:
    """What a job asks for. Raises `JobError`, code ``INVALID_INPUT``, which names the input."""
    variables, camunda = job.variables, "actionDiscriminator" in job.variables
    given = read(_from_camunda(variables) if camunda else variables, INPUTS)
    operation = given["operation"]
    sent = None
    if operation == "upload":
        sent = read_content(given, job.documents)
    else:
        refuse_content(given, operation)
    # What is told as a document is read as one; only its store says how large it may be.
    limit = job.documents.limit if operation == "download" and given["encoding"] == "document" else None
    options = job.connection.options if job.connection is not None else {}
    return Ask(
        operation=operation,
        access=_access(given, job.connection),
        bucket=_bucket(given["bucket"] or str(options.get("bucket") or "")),
        key=_key(given["key"] or (sent.file_name if sent is not None else ""), operation),
        prefix=encodable(given["prefix"] or "", "prefix"),
        content=sent,
        content_type=_content_type(given["contentType"] or (sent.content_type if sent is not None else "")),
        metadata=_metadata(given["metadata"]),
        encoding=given["encoding"],
        camunda=camunda,
        most_bytes=_most_bytes(given["maxBytes"], limit),
        most_keys=_within(given["maxKeys"], MOST_KEYS, "maxKeys"),
        patience=_patience(given["deadlineInSeconds"], job.connection),
    )


def _from_camunda(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Camunda's inputs under our names; ours may stand beside them."""
    kind = variables["actionDiscriminator"]
    if not isinstance(kind, str) or kind not in _ACTIONS:
        raise invalid(f"Expected `actionDiscriminator` to be one of {', '.join(_ACTIONS)}, but found {kind!r:.60}")
    action = _members(variables, "action", "bucket", "key", "document", "asFile")
    who = _members(variables, "authentication", "type", "accessKey", "secretKey")
    where = _members(variables, "configuration", "region", "endpoint")
    if who.get("type") not in (None, "", "credentials", "defaultCredentialsChain"):
        wanted = "credentials or defaultCredentialsChain, which here are those of the connection"
        raise invalid(f"Expected `authentication.type` to be {wanted}, but found {who['type']!r:.60}")
    as_file = flag(action, "asFile")
    found: dict[str, Any] = {name: value for name, value in variables.items() if name not in CAMUNDA}
    found |= {"operation": _ACTIONS[kind], **{name: action.get(name) for name in ("bucket", "key", "document")}}
    found |= {name: who.get(name) for name in ("accessKey", "secretKey")}
    found |= {name: where.get(name) for name in ("region", "endpoint")}
    if kind == "downloadObject":
        found["encoding"] = "document" if as_file is not False else "utf-8"
    return found


def _members(variables: Mapping[str, Any], name: str, *known: str) -> Mapping[str, Any]:
    found = context(variables.get(name), name)
    for member, value in found.items():
        if member not in known and value not in (None, ""):
            raise invalid(f"Expected `{name}` to have {', '.join(known)}, but found {member:.60}")
    return found


def _access(given: Mapping[str, Any], connection: Connection | None) -> Access:
    """Of the inputs, else of the connection, whose secrets go to no other service than its own."""
    own = connection if connection is not None and not given["endpoint"] else None
    secrets = own.authentication if own is not None else {}
    region = given["region"] or str((own.options.get("region") if own is not None else "") or DEFAULT_REGION)
    host, secure = _endpoint(given["endpoint"] or (own.url if own is not None else "") or AWS)
    access, secret, token = (
        given[name] or str(secrets.get(name) or "") for name in ("accessKey", "secretKey", "sessionToken")
    )
    if bool(access) != bool(secret):
        raise invalid("Expected both `accessKey` and `secretKey`, or neither, but found one")
    if not re.fullmatch(r"[a-z0-9-]{1,40}", region):
        raise invalid(f"Expected `region` to be such as eu-central-1, but found {region!r:.60}")
    return Access(host=host, secure=secure, region=region, access_key=access, secret_key=secret, session_token=token)


def _endpoint(url: str) -> tuple[str, bool]:
    # The reasons never quote the URL: it may hold a password.
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise invalid("Expected `endpoint` to be an http or https URL, but it cannot be parsed") from None
    if parts.scheme not in ("http", "https") or not host or not re.fullmatch(r"[\w.:-]+", host, re.ASCII):
        raise invalid("Expected `endpoint` to be an http or https URL, but it is not")
    if parts.username or parts.password or parts.path.strip("/") or parts.query or parts.fragment:
        raise invalid("Expected `endpoint` to be a scheme, a host and perhaps a port, but it has more")
    name = f"[{host}]" if ":" in host else host
    return (f"{name}:{port}" if port else name), parts.scheme == "https"


def _bucket(name: str) -> str:
    if not name:
        raise invalid("Expected the input `bucket`, but found none")
    if not _BUCKET.fullmatch(name):
        raise invalid(f"Expected `bucket` to be the name of a bucket, but found {name!r:.70}")
    return name


def _key(key: str, operation: str) -> str:
    if operation == "list":
        if key:
            raise invalid("Expected no input `key` for list, but found one")
        return ""
    if not key:
        raise invalid("Expected the input `key`, but found none")
    if len(encodable(key, "key").encode()) > 1024:
        raise invalid("Expected `key` to have at most 1024 bytes, but it has more")
    if {".", ".."} & set(key.split("/")) or re.search(r"[\x00-\x1f\x7f]", key):
        raise invalid("Expected `key` without control characters, `.` and `..`, but found some")
    return key


def _content_type(kind: str) -> str:
    if kind and not _CONTENT_TYPE.fullmatch(kind):
        raise invalid(f"Expected `contentType` to be such as image/png, but found {kind!r:.60}")
    return kind or UNKNOWN_TYPE


def _metadata(given: Mapping[str, Any] | None) -> dict[str, str]:
    found = {}
    for name, value in (given or {}).items():
        text = scalar(value, f"metadata.{name:.60}")
        if not _NAME.fullmatch(name) or not re.fullmatch(r"[\x20-\x7e]{0,1000}", text):
            raise invalid(f"Expected `metadata` to be ASCII text by its names, but found {name!r:.60} with another")
        found[name] = text
    return found


def _most_bytes(given: int | None, limit: int | None) -> int:
    if given is None:
        return DEFAULT_BYTES if limit is None else min(limit, MOST_BYTES)
    most = _within(given, MOST_BYTES, "maxBytes")
    return most if limit is None else min(most, limit)


def _within(given: int, most: int, name: str) -> int:
    if not 1 <= given <= most:
        raise invalid(f"Expected `{name}` to be between 1 and {most}, but found {given}")
    return given


def _patience(seconds: float, connection: Connection | None) -> float:
    return seconds if connection is None or connection.timeout is None else min(seconds, connection.timeout)
