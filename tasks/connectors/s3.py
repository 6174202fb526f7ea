"""The S3 connector: objects of AWS S3, or of any service that speaks its protocol. Needs the extra `minio`.

| Input | |
|---|---|
| `operation` | required: `upload`, `download`, `list`, `delete`, `head` |
| `bucket` | or `bucket` in the options of a connection |
| `key` | of the object; an upload of a document may take its name |
| `prefix`, `maxKeys` | of `list`: what keys begin with; 1000, at most 10,000 |
| `content` or `document` | of `upload`; see `content` |
| `encoding` | of `upload` and `download`: `utf-8` (default), `base64`, `document` |
| `contentType`, `metadata` | of `upload`; a context of ASCII text |
| `endpoint`, `region` | or the URL of a connection and `region` in its options; AWS and us-east-1 unless given |
| `accessKey`, `secretKey`, `sessionToken` | or the authentication of the connection; none: a public bucket |
| `deadlineInSeconds` | 60; of everything; at most the lease |
| `maxBytes` | of a download, 1,500,000; of a document as much as one may have |

Or those of Camunda's connector (`io.camunda:aws-s3:1`): `actionDiscriminator` uploadObject, downloadObject,
deleteObject, `action` (bucket, key, document, asFile), `authentication`, `configuration`; and its response then.

Buckets of AWS are hosts of their own (``bucket.s3.eu-central-1.amazonaws.com``), as far as allowed hosts go; those of
other services are paths. An upload is one request, so there is no half of an object, and every attempt puts the same.

Response, with `bucket` and `key`: `upload` ``{"size", "etag", "versionId"}``, `download` ``{"size", "etag",
"contentType", "metadata", "content"}`` (or ``"document"``), `head` the same without content, and ``"modified"``,
`delete` nothing more (S3 does not tell whether there was one), `list` ``{"bucket", "prefix", "objects": [{"key",
"size", "etag", "modified"}], "complete"}``.

| Code | When | Tried again |
|---|---|---|
| "NoSuchKey", "AccessDenied" ... | what the service says; `details.response` has status, message | 5xx, 429 |
| "OBJECT_TOO_LARGE", "INVALID_CONTENT" | more than `maxBytes`; not UTF-8 | no |
| "DOCUMENT_NOT_FOUND", "DOCUMENT_TOO_LARGE" | of an upload; of a download | no |
| "ADDRESS_REFUSED" | the service is where connections may not lead | no |
| "TIMEOUT", "CONNECTION_FAILED", "SSL_HANDSHAKE_FAILED" | the network | yes |
| "INVALID_RESPONSE" | it does not speak S3 | 5xx, 429 |
| "NOT_INSTALLED" | the extra is missing | no |
| "INVALID_INPUT" | nothing was called | no |
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.etree.ElementTree import ParseError

import certifi
import urllib3

from tasks.connectors import deadline, http_response, outbound, tls
from tasks.connectors.base import Job, JobError, Response
from tasks.connectors.content import tell_content
from tasks.connectors.inputs import invalid
from tasks.connectors.redaction import Redactor
from tasks.connectors.s3_pool import Pool, TooLongError, read
from tasks.connectors.s3_request import INPUTS, UNKNOWN_TYPE, Ask, read_ask

if TYPE_CHECKING:
    import minio

MESSAGE = 500
"""Characters of what the service says that are kept."""
BUSY = frozenset({"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted"})
"""Codes that may be another one a moment later."""
_METADATA = "x-amz-meta-"


class S3Connector:
    """Job types ``s3`` and ``io.camunda:aws-s3:1``."""

    type = "s3"
    aliases = ("io.camunda:aws-s3:1",)
    inputs = INPUTS

    def run(self, job: Job) -> Response:
        """Do it. Raises `JobError` as the table of the module says."""
        ask = read_ask(job)
        context = None
        if ask.access.secure:
            given = job.connection.tls if job.connection is not None else {}
            try:
                context = tls.configure(deadline.tls_context(certifi.where(), tls.authorities(given)), given)
            except OSError:
                raise invalid(
                    "Expected `ca` in `tls` of the connection to be PEM certificates, but it is not"
                ) from None
        lease = (job.deadline - datetime.now(UTC)).total_seconds()
        pool = Pool(context)
        try:
            return _Visit(ask, job, pool).make(min(ask.patience, lease))
        finally:
            pool.clear()


class _Visit:
    """One operation."""

    def __init__(self, ask: Ask, job: Job, pool: Pool) -> None:
        self._ask, self._documents, self._pool = ask, job.documents, pool
        access = ask.access
        self._redactor = Redactor((access.access_key, access.secret_key, access.session_token))
        self._began = time.monotonic()
        self._bytes = 0

    def make(self, seconds: float) -> Response:
        """The response, or a `JobError` for whatever came in the way."""
        try:
            import minio
            from minio.error import InvalidResponseError, S3Error, ServerError
        except ImportError:
            raise self._error("NOT_INSTALLED", "the extra `minio` is not installed", retryable=False) from None
        if seconds <= 0:
            raise self._error("TIMEOUT", "the lease of the job had ended")
        with deadline.within(seconds):
            try:
                found = self._operate(self._client(minio.Minio))
            except S3Error as problem:
                raise self._said_no(str(problem.code or "UNKNOWN"), str(problem.message or "")) from None
            except (InvalidResponseError, ServerError, ParseError, TooLongError):
                retryable = http_response.is_retryable(self._pool.status)
                why = f"it answered {self._pool.status} with something that is not S3"
                raise self._error("INVALID_RESPONSE", why, retryable=retryable) from None
            except (urllib3.exceptions.HTTPError, OSError) as problem:
                raise self._broken(problem) from None
            except ValueError as problem:
                # The library looks at names and answers with the same exception; before the first answer, it is a name.
                if not self._pool.status:
                    raise invalid(f"Expected inputs that S3 knows, but {problem}") from None
                raise self._error("INVALID_RESPONSE", f"it answered with {problem}", retryable=False) from None
        return Response(found, self._journal("done"))

    def _client(self, made: type[minio.Minio]) -> minio.Minio:
        access = self._ask.access
        return made(
            access.host,
            access_key=access.access_key or None,
            secret_key=access.secret_key or None,
            session_token=access.session_token or None,
            secure=access.secure,
            region=access.region,
            http_client=self._pool,
        )

    def _operate(self, client: minio.Minio) -> dict[str, Any]:
        ask = self._ask
        place = {"bucket": ask.bucket, "key": ask.key}
        match ask.operation:
            case "upload":
                return place | self._upload(client)
            case "download":
                return place | self._download(client)
            case "list":
                return self._list(client)
            case "delete":
                client.remove_object(ask.bucket, ask.key)
                return place
        found = client.stat_object(ask.bucket, ask.key)
        modified = None if found.last_modified is None else found.last_modified.isoformat()
        return place | _properties(found.metadata or {}, found.size or 0) | {"modified": modified}

    def _upload(self, client: minio.Minio) -> dict[str, Any]:
        ask = self._ask
        content = ask.content.content if ask.content is not None else b""
        # One part, whatever its size: one request, which is carried out as a whole or not at all.
        part = max(len(content), 5 * 1024 * 1024)
        metadata: Any = dict(ask.metadata) or None
        done = client.put_object(
            ask.bucket,
            ask.key,
            io.BytesIO(content),
            len(content),
            ask.content_type or UNKNOWN_TYPE,
            metadata=metadata,
            part_size=part,
        )
        self._bytes = len(content)
        if ask.camunda:
            # As Camunda builds it, for AWS.
            return {"link": f"https://{ask.bucket}.s3.amazonaws.com/{quote(ask.key)}"}
        return {"size": len(content), "etag": (done.etag or "").strip('"'), "versionId": done.version_id}

    def _download(self, client: minio.Minio) -> dict[str, Any]:
        ask = self._ask
        response: Any = client.get_object(ask.bucket, ask.key)
        try:
            announced = response.headers.get("Content-Length", "")
            if announced.isdecimal() and int(announced[:20]) > ask.most_bytes:
                raise self._too_large()
            content = read(response, ask.most_bytes)
        except TooLongError:
            raise self._too_large() from None
        finally:
            response.close()
        self._bytes = len(content)
        found = _properties(response.headers, len(content))
        try:
            if ask.camunda and ask.encoding != "document":
                return {"element": {"content": http_response.interpret(content, found["contentType"])["body"]}}
            told = tell_content(content, ask.encoding, self._documents, found["contentType"], ask.key)
        except (UnicodeDecodeError, http_response.UnreadableError):
            raise self._error("INVALID_CONTENT", "it is not UTF-8; ask for base64", retryable=False) from None
        except JobError as error:
            raise self._error(error.code, error.message, retryable=error.retryable) from error
        return {"element": told} if ask.camunda else found | told

    def _list(self, client: minio.Minio) -> dict[str, Any]:
        ask = self._ask
        objects: list[dict[str, Any]] = []
        complete = True
        for found in client.list_objects(ask.bucket, ask.prefix or None, recursive=True):
            if len(objects) == ask.most_keys:
                complete = False
                break
            modified = None if found.last_modified is None else found.last_modified.isoformat()
            etag = (found.etag or "").strip('"')
            objects.append({"key": found.object_name, "size": found.size, "etag": etag, "modified": modified})
        return {"bucket": ask.bucket, "prefix": ask.prefix, "objects": objects, "complete": complete}

    # -- telling ---------------------------------------------------------------------------------------------------

    def _said_no(self, code: str, message: str) -> JobError:
        status = self._pool.status
        said = self._redactor.excerpt(" ".join(message.split()), MESSAGE)
        retryable = code in BUSY or http_response.is_retryable(status)
        details = {"response": {"status": status, "code": code[:100], "message": said}}
        return self._error(code[:100], f"{status} {code[:100]}: {said}", retryable=retryable, details=details)

    def _broken(self, problem: BaseException) -> JobError:
        causes = list(_causes(problem))
        if refused := next((cause for cause in causes if isinstance(cause, outbound.AddressRefused)), None):
            return self._error("ADDRESS_REFUSED", str(refused), retryable=False)
        if deadline.passed(0.02) or any(isinstance(cause, TimeoutError) for cause in causes):
            return self._error("TIMEOUT", "it was not done in time")
        why = str(causes[-1]) or type(causes[-1]).__name__
        if any(isinstance(cause, urllib3.exceptions.SSLError) for cause in causes):
            return self._error("SSL_HANDSHAKE_FAILED", why)
        return self._error("CONNECTION_FAILED", why)

    def _too_large(self) -> JobError:
        return self._error("OBJECT_TOO_LARGE", f"it has more than {self._ask.most_bytes} bytes", retryable=False)

    def _error(
        self, code: str, why: str, *, retryable: bool = True, details: Mapping[str, Any] | None = None
    ) -> JobError:
        ask = self._ask
        place = f"{ask.access.host}, {ask.operation} {ask.bucket}/{ask.key or ask.prefix:.200}"
        told = self._redactor.text(f"{place}: {why}")[:2000]
        return JobError(told, None, retryable, code, details or {}, self._journal(code))

    def _journal(self, outcome: str) -> dict[str, Any]:
        ask, text = self._ask, self._redactor.text
        request = {
            "server": ask.access.host,
            "region": ask.access.region,
            "operation": ask.operation,
            "bucket": ask.bucket,
            "key": text(ask.key),
            "prefix": text(ask.prefix),
        }
        response = {"outcome": outcome, "status": self._pool.status or None, "bytes": self._bytes}
        return {
            "request": request,
            "response": response,
            "timings": {"total": round(time.monotonic() - self._began, 4)},
        }


def _properties(headers: Mapping[str, str], size: int) -> dict[str, Any]:
    """What the headers of an object tell of it."""
    lower = {name.lower(): value for name, value in headers.items()}
    return {
        "size": size,
        "etag": lower.get("etag", "").strip('"'),
        "contentType": lower.get("content-type", ""),
        "metadata": {name[len(_METADATA) :]: value for name, value in lower.items() if name.startswith(_METADATA)},
    }


def _causes(problem: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    todo: BaseException | None = problem
    while todo is not None and todo not in found and len(found) < 20:
        found.append(todo)
        inner = [getattr(todo, "reason", None), todo.__cause__, *todo.args, todo.__context__]
        todo = next((each for each in inner if isinstance(each, BaseException)), None)
    return found
