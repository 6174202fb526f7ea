"""The inputs of the HTTP connector: their names, kinds and defaults. What they mean stands where they are read."""

from __future__ import annotations

from tasks.connectors import http_authentication, http_tls, pagination, polling
from tasks.connectors.declared import Input

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

DEFAULT_TIMEOUT = 20.0
"""Seconds, as in Camunda."""

DEFAULT_RESPONSE_BYTES = 1_500_000
"""Of the decoded body. Camunda refuses variables beyond 1.5 MB, too."""

LIMITS = (
    Input("connectionTimeoutInSeconds", "seconds", default=DEFAULT_TIMEOUT, help="For name lookup and connecting."),
    Input("readTimeoutInSeconds", "seconds", help="Longest silence of the server; as the connection timeout."),
    Input("deadlineInSeconds", "seconds", help="Of the whole call; both timeouts together."),
    Input("followRedirects", "boolean", help="GET and HEAD are followed unless it says otherwise."),
    Input("maxResponseBytes", "integer", help="Of the decoded body: 1,500,000; or what a document may have."),
)
"""Of every connector that calls by HTTP."""

INPUTS = (
    Input("url", required=True, help="http or https; relative to that of the connection, where there is one."),
    Input("method", choices=METHODS, default="GET", help="Of the call."),
    Input("headers", "context", help="Text, numbers and booleans by their names."),
    Input("queryParameters", "context", help="Text, numbers, booleans, or lists of them by their names."),
    Input("skipEncoding", "boolean", help="Whether the URL is sent as it is written."),
    Input("body", "any", help="Text as it is; a document as its bytes; anything else as JSON."),
    Input("form", "context", help="Fields of a form, in place of the body."),
    Input("multipart", "list", help="Parts of an upload, in place of the body."),
    Input("contentType", help="Of the body."),
    Input("ignoreNullValues", "boolean", help="Leaves null entries of the body out."),
    Input(
        "authentication",
        "context",
        fields=http_authentication.FIELDS,
        help="A type (noAuth, basic, bearer, apiKey, oauth-...) and what it needs.",
    ),
    Input(
        "authenticationConfiguration",
        "any",
        help="As `authentication`, which must be blank then: what Camunda's template calls a shared credential.",
    ),
    Input(
        "clientTls",
        "context",
        fields=http_tls.FIELDS,
        help="Client certificate and key, and the certificate that is trusted.",
    ),
    *LIMITS,
    Input(
        "documentReturnFormat",
        "context",
        fields=("choice", "encoding"),
        help="A choice (JSON, TEXT, DOCUMENT), an encoding.",
    ),
    Input("storeResponse", "boolean", help="Whether the body of the response is stored as a document."),
    Input("pagination", "context", fields=pagination.FIELDS, help="How all pages are read."),
    Input("poll", "context", fields=polling.FIELDS, help="How it is looked until the work is done."),
)
