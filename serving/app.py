"""The application: a table of endpoints, and the door before it."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ..inference.language_model import LanguageModel
from ..machine import blas
from .completions import Service
from .errors import ApiError, of_failure
from .guard import Guard, Trust, refusal
from .limits import Limits
from .metrics import Metrics
from .worker import Worker

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(
    lm: LanguageModel, *, name: str, limits: Limits, trust: Trust, is_context_strict: bool = False
) -> ASGIApp:
    """Serve one model under this name; its thread runs until the lifespan ends."""
    metrics = Metrics()
    worker = Worker(lm.model, max_batch=limits.max_batch, max_queue=limits.max_queue, observer=metrics)
    service = Service(
        lm=lm,
        name=name,
        worker=worker,
        limits=limits,
        created=int(time.time()),
        fingerprint=fingerprint(lm, worker.batch.kind),
        is_context_strict=is_context_strict,
    )

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> Response:
        counts = {"live": worker.n_live, "waiting": worker.n_waiting, "capacity": limits.max_batch}
        how = {"decoder": worker.batch.kind, "reproducible": True}  # batch.py sees to it, whichever reads
        status = "ready" if worker.is_ready else "not ready"
        return JSONResponse({"status": status, **counts, **how}, 200 if worker.is_ready else 503)

    async def counted(_: Request) -> Response:
        return Response(metrics.text(worker.n_live, worker.n_waiting), media_type="text/plain; version=0.0.4")

    table: list[tuple[str, str, Endpoint]] = [
        ("GET", "/health", health),
        ("GET", "/ready", ready),
        ("GET", "/metrics", counted),
        ("GET", "/v1/models", service.models),
        ("GET", "/v1/models/{model:path}", service.model),
        ("POST", "/v1/completions", service.completions),
        ("POST", "/v1/chat/completions", service.chat_completions),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        worker.close()

    handlers: dict[Any, Any] = {ApiError: _refused, HTTPException: _not_routed, Exception: _broken}
    app = Starlette(
        routes=[Route(path, endpoint, methods=[method]) for method, path, endpoint in table],
        lifespan=lifespan,
        exception_handlers=handlers,
    )
    return Guard(
        app,
        limits=limits,
        trust=trust,
        metrics=metrics,
        closed=("/v1", "/metrics"),
        known=[path for _, path, _ in table],
        posts=[path for method, path, _ in table if method == "POST"],
    )


def fingerprint(lm: LanguageModel, kind: str) -> str:
    """Names what the bits of an answer depend on: weights, NumPy, its BLAS, and who reads."""
    digest = hashlib.sha256(f"{np.__version__} {blas()} {kind}".encode())
    for name, weight in sorted(lm.snapshot().weights.items()):
        digest.update(name.encode() + np.ascontiguousarray(weight).tobytes())
    return f"nc-{digest.hexdigest()[:12]}"


async def _refused(_: Request, error: ApiError) -> Response:
    return refusal(error)


async def _not_routed(request: Request, error: HTTPException) -> Response:
    path = request.url.path[:200]
    if error.status_code == 405:
        sentence, code = f"{path} is not asked by {request.method[:20]}", "method_not_allowed"
    elif error.status_code == 404:
        sentence, code = f"there is no {path} here", "not_found"
    else:
        sentence, code = str(error.detail), "bad_request"
    return refusal(ApiError(error.status_code, sentence, code=code, headers=error.headers))


async def _broken(_: Request, error: Exception) -> Response:
    return refusal(of_failure(error))
