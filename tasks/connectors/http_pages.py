"""Collects the items of all pages. After each page the progress is kept, so that a successor goes on with the next.

The progress, under ``pagination``: ``of`` (fingerprint of the inputs), ``page`` (pages read), ``next`` (where the next
one is), ``items``, ``bytes``, ``seen`` (digests of where we were) and ``calls`` (for the journal).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from requests.structures import CaseInsensitiveDict

from tasks.connectors import exact_json
from tasks.connectors.base import JobError, Response
from tasks.connectors.http_caller import Caller
from tasks.connectors.http_request import Call
from tasks.connectors.inputs import invalid, scalar
from tasks.connectors.pagination import MOST_PAGES, Pagination, next_link, with_parameter

CALLS = 50
"""Pages that the journal tells of one by one, the last ones."""


@dataclass(slots=True)
class _State:
    """How far we are. `next` is an address, a cursor, an offset or a page; None: the first page."""

    of: str
    page: int = 0
    next: str | int | None = None
    items: list[Any] = field(default_factory=list)
    bytes: int = 0
    seen: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def kept(self) -> dict[str, Any]:
        return {"pagination": {name: getattr(self, name) for name in self.__slots__}}


def collect(caller: Caller, plan: Pagination) -> Response:
    """All items: ``{"status", "reason", "headers", "items", "pages", "complete"}``, the first three of the last page.

    A failure that another try may heal keeps what was collected, any other starts over. Raises `JobError` as `http`
    says, and with the codes ``PAGINATION_LOOP``, ``PAGINATION_LIMIT``, ``OTHER_ORIGIN`` and ``INVALID_LINK``.
    """
    caller.check(plan.expressions)
    state = _begin(caller, plan)
    resumed = state.page
    while True:
        try:
            response, following = _page(caller, plan, state)
        except JobError as error:
            if not error.retryable:
                caller.forget()
            raise _of_page(error, caller, state.page + 1) from error
        whole = plan.maximum_items is None or len(state.items) < plan.maximum_items
        if following is None or not whole or state.page == plan.maximum_pages:
            break
        state.next = following
        caller.keep(state.kept())
    cut = plan.maximum_items is not None and len(state.items) > plan.maximum_items
    body = {name: response[name] for name in ("status", "reason", "headers")}
    body |= {"items": state.items[: plan.maximum_items], "pages": state.page}
    body["complete"] = following is None and not cut
    journal = {**response.journal, "pages": state.page, "calls": state.calls}
    if resumed:
        journal["resumedAfterPage"] = resumed
    return Response(body, journal, silent=True)


def _of_page(error: JobError, caller: Caller, page: int) -> JobError:
    message = error.message
    if error.code == "RESPONSE_TOO_LARGE":
        most = caller.first.max_response_bytes
        message = (
            f"Expected all pages to have at most `maxResponseBytes`, {most}, together, but there is more on page {page}"
        )
    return replace(error, message=message, journal={"page": page, **error.journal})


def _begin(caller: Caller, plan: Pagination) -> _State:
    of = caller.fingerprint()
    kept = caller.job.progress.get("pagination")
    if isinstance(kept, Mapping) and kept.get("of") == of:
        return _State(**kept)
    return _State(of, next=plan.start if plan.type in ("offset", "page") else None)


def _page(caller: Caller, plan: Pagination, state: _State) -> tuple[Response, str | int | None]:
    """Read one page into the state; its response, and where the next one is."""
    call = _call(caller, plan, state)
    left = caller.first.max_response_bytes - state.bytes
    before = caller.received
    response = caller.send(replace(call, max_response_bytes=max(1, left)))
    received = caller.received - before
    journal = response.journal
    items = _items(caller, plan, state, response)
    following = _following(caller, plan, state, response, call, items)
    state.page += 1
    state.items += items
    state.bytes += received
    request, timings = journal["request"], journal["timings"]
    told = {"url": request["url"], "status": response["status"], "items": len(items)}
    state.calls = [*state.calls, {**told, "bytes": received, "seconds": timings["total"]}][-CALLS:]
    if following is not None:
        _refuse_loops(plan, state, following, items, journal)
    return response, following


def _call(caller: Caller, plan: Pagination, state: _State) -> Call:
    first, where = caller.first, state.next
    call, url = first, first.url
    if plan.type == "link" and where is not None:
        call = caller.towards(str(where), base=first.url, allowed=plan.allow_other_origins, journal={})
        url = call.url
    if plan.limit_parameter:
        url = with_parameter(url, plan.limit_parameter, str(plan.limit))
    body = first.body
    if plan.type != "link" and where is not None:
        if plan.in_body:
            body = _body_with(first, plan.parameter, where)
        else:
            url = with_parameter(url, plan.parameter, str(where))
    headers = dict(call.headers)
    if state.page and "Idempotency-Key" in headers:
        # Each page is a call of its own: the same key would ask for the answer of the first again.
        headers["Idempotency-Key"] += f"-{state.page + 1}"
    return replace(call, url=url, body=body, headers=headers)


def _body_with(first: Call, parameter: str, cursor: str | int) -> bytes:
    try:
        value = exact_json.loads((first.body or b"{}").decode())
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise invalid("Expected `body` to be a context where `pagination.cursorIn` is body, but it is not")
    return exact_json.dumps({**value, parameter: cursor}).encode()


def _items(caller: Caller, plan: Pagination, state: _State, response: Response) -> list[Any]:
    found = caller.evaluate(plan.items, "pagination.items", response, page=state.page + 1, count=len(state.items))
    if not isinstance(found, list):
        kind = "null" if found is None else type(found).__name__
        raise JobError(
            f"Expected `pagination.items` to give the list of page {state.page + 1}, but it gave {kind}",
            retryable=False,
            code="INVALID_RESPONSE",
            journal=response.journal,
        )
    return found


def _following(
    caller: Caller, plan: Pagination, state: _State, response: Response, call: Call, items: list[Any]
) -> str | int | None:
    more = {"page": state.page + 1, "count": len(state.items) + len(items)}
    if plan.more and caller.evaluate(plan.more, "pagination.more", response, **more) is False:
        return None
    if plan.type == "offset" or plan.type == "page":
        if not items:
            return None
        return int(state.next or 0) + (len(items) if plan.type == "offset" else 1)
    if plan.next:
        found = caller.evaluate(plan.next, "pagination.next", response, **more)
    else:
        headers = CaseInsensitiveDict(response["headers"])
        found = next_link(str(headers.get("Link", "")))
    if found is None or found == "" or found is False:
        return None
    if isinstance(found, int) and not isinstance(found, bool) and plan.type == "cursor":
        return found
    try:
        text = scalar(found, "pagination.next")
    except JobError as error:
        raise JobError(error.message, retryable=False, code="INVALID_LINK", journal=response.journal) from None
    if plan.type == "cursor":
        return text
    # Refused now, while it is known whose link it is.
    allowed = plan.allow_other_origins
    return caller.unsigned(caller.towards(text, base=call.url, allowed=allowed, journal=response.journal).url)


def _refuse_loops(
    plan: Pagination, state: _State, following: str | int, items: list[Any], journal: Mapping[str, Any]
) -> None:
    # Offsets and page numbers always differ; a server that ignores them gives the same page again.
    mark = exact_json.dumps(items) if plan.type in ("offset", "page") else f"{following}"
    digest = hashlib.sha256(mark.encode("utf-8", "replace")).hexdigest()[:16]
    known = state.seen[-1:] if plan.type in ("offset", "page") else state.seen
    if digest in known:
        what = "the same page twice" if plan.type in ("offset", "page") else "where we have been before"
        message = f"Expected page {state.page} to lead on, but the server gave {what}"
        raise JobError(message, retryable=False, code="PAGINATION_LOOP", journal=journal)
    state.seen.append(digest)
    if state.page >= MOST_PAGES and plan.maximum_pages is None:
        message = f"Expected at most {MOST_PAGES} pages, but there are more; ask for them with `maximumPages`"
        raise JobError(message, retryable=False, code="PAGINATION_LIMIT", journal=journal)
