"""The process: a socket, uvicorn on it, and an end to the patience with connections that say nothing."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import UsageError
from .guard import HEAD_BYTES, Guard
from .limits import Limits

STOP_SECONDS = 10
"""For streams to end after SIGTERM."""
_SWITCH_SECONDS = 0.0005
"""How long the model's thread may hold the interpreter while a request waits; Python's own is 5 ms."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bound(host: str, port: int) -> tuple[socket.socket, str]:
    """A socket that listens, port 0 for any, and its address. Raises UsageError where that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise UsageError(
            f"nobody can listen on {host}, port {port} ({error.strerror or error}): give another port, or 0 for any "
            "that is free"
        ) from None
    shown = f"[{host}]" if ":" in host else host
    return listening, f"http://{shown}:{listening.getsockname()[1]}"


def serve(app: Guard, listening: socket.socket, limits: Limits, on_start: Callable[[], None]) -> None:
    """Answer until a signal comes, then finish what is being answered. The signal is raised again at the end."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        server_of(app, limits, on_start).run(sockets=[listening])
    finally:
        sys.setswitchinterval(before)


def server_of(app: Guard, limits: Limits, on_start: Callable[[], None]) -> uvicorn.Server:
    """uvicorn with our limits; `on_start` is called when it answers."""
    config = uvicorn.Config(
        app,
        http=_patient_for(limits.body_seconds),
        ws="none",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=limits.body_seconds,
        timeout_graceful_shutdown=STOP_SECONDS,
        h11_max_incomplete_event_size=HEAD_BYTES,
    )
    server = _Server(config)
    server.on_start, server.on_stop = on_start, app.end
    return server


class _Server(uvicorn.Server):
    on_start: Callable[[], None]
    on_stop: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.on_stop()
        await super().shutdown(sockets=sockets)


def _patient_for(seconds: float) -> type[H11Protocol]:
    """uvicorn's connection, which waits for ever for the rest of a head; this one for so many seconds."""

    class Connection(H11Protocol):
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            connected = transport.get_extra_info("socket")
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does for sockets it made itself
            self.access_log = False  # the guard has a line for each request, without what it names
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _watch(self) -> None:
            """The clock runs from the first byte of a head until it is whole; between two, uvicorn has its own."""
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop()
            elif self._timer is None:
                self._timer = self.loop.call_later(seconds, self._too_late)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _too_late(self) -> None:
            self._timer = None
            if not self.transport.is_closing():
                self.transport.close()

    return Connection
