"""What every request passes first, as plain ASGI: how many there are, host, origin, token, and a body that is small
and comes in time. (Starlette's own middleware would hide from the app that a client has left.)
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
import uuid
from collections.abc import Callable, Collection, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import ApiError
from .limits import Limits
from .metrics import Metrics

log = logging.getLogger("nanochat.serving")

HEAD_BYTES = 16_384
"""Of a request, its body not counted."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_CLOSE = {"Connection": "close"}
_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; object-src 'none'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": _POLICY,
}


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Who may ask."""

    hosts: Collection[str] | None = LOOPBACK
    """Names by which the server may be asked; None for any. A page elsewhere can make its own name mean this machine
    (DNS rebinding), so on loopback the list is short."""
    origins: Collection[str] = ()
    """Other sites whose pages may ask."""
    token: str = ""
    """What whoever asks has to know; "" for nothing."""


class Guard:
    """An app behind a door.

    closed   Beginnings of paths for which the token is asked.
    known    Paths that are counted by name; all others are one.
    posts    Paths that take JSON.
    end      Called when the server begins to stop.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: Limits,
        trust: Trust,
        metrics: Metrics,
        closed: tuple[str, ...],
        known: Collection[str],
        posts: Collection[str],
        end: Callable[[], None],
    ) -> None:
        self._app, self._limits, self._trust, self._metrics = app, limits, trust, metrics
        self._closed, self._known, self._posts = closed, frozenset(known), frozenset(posts)
        self.end, self._n_busy = end, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the app answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begun, request_id = 0, time.perf_counter(), uuid.uuid4().hex
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}
        added = {**_HEADERS, "x-request-id": request_id, **self._allowed_origin(headers)}

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in added.items())]
            await send(message)

        self._n_busy += 1
        try:
            if (answer := self._answer(scope, headers)) is not None:
                await answer(scope, receive, sending)
            else:
                await self._app(scope, self._bounded(receive), sending)
        finally:
            self._n_busy -= 1
            path = scope["path"] if scope["path"] in self._known else "other"
            self._metrics.answered(path, status)
            milliseconds = 1000 * (time.perf_counter() - begun)
            log.info("%s %s %d %.1f ms %s", scope["method"], path, status, milliseconds, request_id)

    def _answer(self, scope: Scope, headers: MutableMapping[str, str]) -> Response | None:
        """What is said at the door; None for whoever may come in."""
        try:
            self._check(scope, headers)
        except ApiError as error:
            return refusal(error)
        if scope["method"] == "OPTIONS" and headers.get("origin") in self._trust.origins:
            asked = "authorization, content-type"
            return Response(status_code=204, headers={"access-control-allow-headers": asked})
        return None

    def _check(self, scope: Scope, headers: MutableMapping[str, str]) -> None:
        trust, path = self._trust, scope["path"]
        if self._n_busy > self._limits.max_connections:
            raise ApiError(
                503, "too many requests at once: try again", code="too_many_connections", headers={"Retry-After": "1"}
            )
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEAD_BYTES:
            raise ApiError(400, f"the head is longer than {HEAD_BYTES} bytes", code="head_too_large", headers=_CLOSE)
        if "transfer-encoding" in headers and "content-length" in headers:  # what one proxy believes, another may not
            raise ApiError(400, "the body has two lengths: send one", code="bad_request", headers=_CLOSE)
        host = headers.get("host", "").lower()
        name = _hostname(host)
        if trust.hosts is not None and name not in trust.hosts:
            raise ApiError(403, f"this server does not go by the name {name[:100]!r}", code="host_not_allowed")
        origin = headers.get("origin")
        if origin is not None and origin not in trust.origins and _netloc(origin) != host:
            raise ApiError(403, "pages of other sites may not ask here", code="origin_not_allowed")
        is_preflight = scope["method"] == "OPTIONS" and origin in trust.origins
        if trust.token and path.startswith(self._closed) and not is_preflight:
            kind, _, given = headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), trust.token.encode()):
                raise ApiError(
                    401,
                    "the API key is missing or wrong",
                    code="invalid_api_key",
                    headers={"WWW-Authenticate": "Bearer"},
                )
        if scope["method"] == "POST" and path in self._posts:
            self._check_body(headers)

    def _check_body(self, headers: MutableMapping[str, str]) -> None:
        """What can be known of a body before it is read."""
        if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            raise ApiError(415, "send the body as Content-Type: application/json", code="unsupported_media_type")
        if int(headers.get("content-length") or 0) > self._limits.max_body:
            raise self._too_large()

    def _too_large(self) -> ApiError:
        return ApiError(413, f"the body is larger than {self._limits.max_body} bytes", code="body_too_large")

    def _allowed_origin(self, headers: MutableMapping[str, str]) -> dict[str, str]:
        origin = headers.get("origin", "")
        return {"access-control-allow-origin": origin, "vary": "origin"} if origin in self._trust.origins else {}

    def _bounded(self, receive: Receive) -> Receive:
        """The same, until the body is too large or too late."""
        n_bytes, is_whole = 0, False
        loop = asyncio.get_running_loop()
        end = loop.time() + self._limits.body_seconds

        async def receiving() -> Any:
            nonlocal n_bytes, is_whole
            if is_whole:
                return await receive()
            try:
                async with asyncio.timeout_at(max(end, loop.time() + 0.01)):  # wait_for would make a task of it
                    message = await receive()
            except TimeoutError:
                sentence = f"the body did not arrive in {self._limits.body_seconds:g} seconds"
                raise ApiError(408, sentence, code="body_timeout", headers=_CLOSE) from None
            n_bytes += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if n_bytes > self._limits.max_body:
                raise self._too_large()
            return message

        return receiving


def refusal(error: ApiError) -> Response:
    """The answer that says so."""
    return JSONResponse(error.body(), error.status, headers=error.headers)


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
