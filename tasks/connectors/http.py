"""The HTTP connector: a call to a REST service, as Camunda 8's REST connector makes it, but on time; or as many calls
as it takes to read all pages, or to see that work is done.

Inputs (of `job.variables`; blank is as good as absent, numbers and booleans may be text):

| Input | |
|---|---|
| `url` | required, http or https; credentials in it are sent as basic authentication |
| `method` | GET (default), HEAD, POST, PUT, PATCH, DELETE, OPTIONS |
| `headers`, `queryParameters` | contexts of text, numbers, booleans, for parameters also lists; no nulls |
| `skipEncoding` | sends the URL as it is written, which must be encoded then |
| `body`, `form`, `multipart`, `contentType` | one of the first three; see `http_body` |
| `ignoreNullValues` | leaves null entries of the body out |
| `authentication` | `type` noAuth, basic (`username`, `password`), bearer (`token`), apiKey (`name`, |
| | `value`, `apiKeyLocation` headers or query), oauth-client-credentials-flow |
| | (`oauthTokenEndpoint`, `clientId`, `clientSecret`, `audience`, `scopes`, |
| | `clientAuthentication` credentialsBody or basicAuthHeader), oauth-refresh-token (and `refreshToken`) |
| `authenticationConfiguration` | in place of `authentication`, and in its shape: a credential that Camunda shares |
| `clientTls` | `clientCertificate`, `clientPrivateKey`, `privateKeyPassword`, `trustedCertificate`; see `http_tls` |
| `connectionTimeoutInSeconds` | 20; for name lookup and connecting; 0 leaves it to the deadline |
| `readTimeoutInSeconds` | as the connection timeout; the longest silence of the server; 0 as above |
| `deadlineInSeconds` | of the whole call with its redirects; both timeouts together; at most the lease |
| `followRedirects` | default: GET and HEAD are followed, see below |
| `maxResponseBytes` | 1,500,000 of the decoded body (of all pages), at most 64,000,000 |
| `documentReturnFormat` | `choice` JSON, TEXT with `encoding` (UTF-8): the body as text, whatever it is; or DOCUMENT |
| `storeResponse` | true: the same as DOCUMENT; the body, whatever it is, is stored, and `maxResponseBytes` is as |
| | much as a document may have |
| `pagination` | reads all pages; see `pagination` for it and `http_pages` for the response |
| `poll` | looks until work is done, without holding a worker; see `polling` and `http_polls` |

Response: ``{"status": 200, "reason": "OK", "headers": {...}, "body": ...}``; `http_response` says what a body
becomes. Header names are as the server wrote them. Where it is stored, `body` is null, and `document` the reference
(null for an empty body). Error statuses are told as always.

Errors (`JobError.code`):

| Code | When | Tried again |
|---|---|---|
| the status, "404" | 4xx or 5xx; `details.response` has status, headers and body | 408, 425, 429, 5xx |
| "301", "302", "307", "308" | a method that is not followed was redirected; is it done? | no |
| "408" | a timeout or the deadline, as in Camunda | yes |
| "CONNECTION_FAILED" | no name, no connection, or it broke | yes |
| "SSL_HANDSHAKE_FAILED" | the server could not prove who it is | yes |
| "TOO_MANY_REDIRECTS", "INVALID_REDIRECT" | more than ten, or to somewhere that is not followed | no |
| "OAUTH_FAILED" | no token; `details.response` has status and body of the endpoint | as that status |
| "PAGINATION_LOOP", "PAGINATION_LIMIT" | a page led to where we were; more than 1000 pages | no |
| "OTHER_ORIGIN", "INVALID_LINK" | a page or 202 pointed to another origin, or nowhere | no |
| "POLL_FAILED", "POLL_TIMEOUT" | the work failed; it takes too long | no |
| "RESPONSE_TOO_LARGE", "INVALID_RESPONSE" | the body is too long, or not what its content type says | no |
| "DOCUMENT_NOT_FOUND", "DOCUMENT_TOO_LARGE" | of a body that is sent; of a response that is stored | no |
| "ADDRESS_REFUSED" | the host, or an address that it has, may not be called; see `outbound` | no |
| "INVALID_INPUT" | nothing was sent, so there is no journal | no |

Where a try may help, ``Retry-After`` says when (`JobError.retry_in`).

With a connection (`job.connection`), `url` is relative to its address or absent, its authentication is that of tasks
that have none of their own, its TLS settings hold, and its timeout bounds the call; see `http_connection`.

Redirects: with `followRedirects` true every method is followed, with false a 3xx is a response like any
other. Left open, GET and HEAD are followed; other methods are not, because repeating an order at another
address is the model's decision. A 303 says that the order was carried out, and is a response. Credentials
never travel to another origin, and no redirect leads from https to http.

Tokens (OAuth 2) are kept in the memory of the process until shortly before they expire; where a service answers 401,
another one is fetched and the call made once more.
"""

from __future__ import annotations

from tasks.connectors import outbound
from tasks.connectors.base import Job, Response
from tasks.connectors.http_caller import Caller
from tasks.connectors.http_connection import through_connection
from tasks.connectors.http_inputs import INPUTS
from tasks.connectors.http_pages import collect
from tasks.connectors.http_polls import poll
from tasks.connectors.http_request import read_call, read_inputs
from tasks.connectors.http_session import Sessions
from tasks.connectors.inputs import invalid
from tasks.connectors.oauth import Tokens
from tasks.connectors.pagination import read_pagination
from tasks.connectors.polling import read_poll


class HttpConnector:
    """Job types ``http`` and ``io.camunda:http-json:1``.

    `sessions` brings its own trusted certificates; by default Mozilla's list.
    """

    type = "http"
    aliases = ("io.camunda:http-json:1",)
    inputs = INPUTS

    def __init__(self, sessions: Sessions | None = None) -> None:
        self._sessions = sessions or Sessions()
        self._tokens = Tokens()

    def run(self, job: Job) -> Response:
        """Make the call. Raises `JobError` as the table of the module says, `Postponed` while a poll goes on."""
        job = through_connection(job)
        given = read_inputs(job, self.aliases)
        pagination, polling = read_pagination(given["pagination"]), read_poll(given["poll"])
        if pagination is not None and polling is not None:
            raise invalid("Expected one of `pagination` and `poll`, but found both")
        call = read_call(job, given)
        if call.documents is not None and (pagination or polling):
            raise invalid(
                "Expected `storeResponse` without `pagination` and `poll`, which read the body, but found both"
            )
        caller = Caller(job, call, self._sessions, self._tokens)
        with outbound.guarding(outbound.policy_of(job)):
            if pagination is not None:
                return collect(caller, pagination)
            if polling is not None:
                return poll(caller, polling)
            return caller.send(caller.first)
