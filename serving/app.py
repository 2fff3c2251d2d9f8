"""The application: a table of endpoints, and the door before it."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import __version__
from ..inference.language_model import LanguageModel
from ..machine import blas
from .completions import Service
from .endpoints import EVENTS, JSON, TEXT, Endpoint, openapi
from .errors import ApiError, of_failure
from .files import endpoints
from .guard import Guard, Trust, refusal
from .limits import Limits
from .metrics import Metrics
from .requests import ChatRequest, CompletionRequest
from .views.graph import drawn
from .views.model import ModelView
from .views.requests import GraphRequest, NextRequest, TokenizeRequest, TraceRequest
from .views.runs import RunsView
from .worker import Worker


def create_app(
    lm: LanguageModel,
    *,
    name: str,
    limits: Limits,
    trust: Trust,
    is_context_strict: bool = False,
    runs: Path = Path("results/runs"),
    served: Path | None = None,
) -> Guard:
    """Serve one model under this name; its thread runs until the lifespan ends.

    runs    The folder whose runs the page shows.
    served  The run that the model is of.
    """
    metrics = Metrics()
    worker = Worker(lm.model, max_batch=limits.max_batch, max_queue=limits.max_queue, observer=metrics)
    mark = fingerprint(lm, worker.batch.kind)
    service = Service(
        lm=lm,
        name=name,
        worker=worker,
        limits=limits,
        created=int(time.time()),
        fingerprint=mark,
        is_context_strict=is_context_strict,
    )
    model = ModelView(lm=lm, name=name, worker=worker, limits=limits, fingerprint=mark)
    seen = RunsView(root=runs, served=served, is_open=lambda: not worker.is_ending)

    async def described(_: Request) -> Response:
        return JSONResponse(document)

    table = [*_state(worker, metrics, limits), *_v1(service), *_api(model, seen)]
    table.append(Endpoint("GET", "/openapi.json", described, "this document"))
    document = openapi(table, __version__)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        worker.close()

    page = endpoints()
    handlers: dict[Any, Any] = {ApiError: _refused, HTTPException: _not_routed, Exception: _broken}
    app = Starlette(
        routes=[*(one.route for one in table), *(Route(path, answer) for path, answer in page.items())],
        lifespan=lifespan,
        exception_handlers=handlers,
    )
    return Guard(
        app,
        limits=limits,
        trust=trust,
        metrics=metrics,
        closed=("/v1/", "/api/", "/metrics"),
        known=[*(one.path for one in table), *page],
        posts=[one.path for one in table if one.asks is not None],
        end=worker.end,
    )


def _state(worker: Worker, metrics: Metrics, limits: Limits) -> list[Endpoint]:
    """How the server is."""

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> Response:
        counts = {"live": worker.n_live, "waiting": worker.n_waiting, "capacity": limits.max_batch}
        how = {"decoder": worker.batch.kind, "reproducible": True}  # batch.py sees to it, whichever reads
        status = "ready" if worker.is_ready else "not ready"
        return JSONResponse({"status": status, **counts, **how}, 200 if worker.is_ready else 503)

    async def counted(_: Request) -> Response:
        return Response(metrics.text(worker.n_live, worker.n_waiting), media_type="text/plain; version=0.0.4")

    return [
        Endpoint("GET", "/health", health, "whether the process lives"),
        Endpoint("GET", "/ready", ready, "whether it takes more, and how many it answers"),
        Endpoint("GET", "/metrics", counted, "counts, for Prometheus", gives=(TEXT,)),
    ]


def _v1(service: Service) -> list[Endpoint]:
    """What OpenAI's clients ask."""
    kinds = (JSON, EVENTS)
    return [
        Endpoint("GET", "/v1/models", service.models, "the one model, as a list"),
        Endpoint("GET", "/v1/models/{model:path}", service.model, "the model by its name"),
        Endpoint("POST", "/v1/completions", service.completions, "go on from a text", CompletionRequest, kinds),
        Endpoint("POST", "/v1/chat/completions", service.chat_completions, "answer a conversation", ChatRequest, kinds),
    ]


def _api(model: ModelView, runs: RunsView) -> list[Endpoint]:
    """What the page asks."""
    return [
        Endpoint("GET", "/api/model", model.card, "what the model is"),
        Endpoint("GET", "/api/examples", model.examples, "texts to begin with"),
        Endpoint("POST", "/api/tokenize", model.tokenize, "a text as tokens", TokenizeRequest),
        Endpoint("POST", "/api/next", model.next, "what may come next", NextRequest),
        Endpoint("POST", "/api/trace", model.trace, "attention, residual stream and logit lens", TraceRequest),
        Endpoint("POST", "/api/graph", drawn, "a formula as a graph with gradients", GraphRequest),
        Endpoint("GET", "/api/runs", runs.runs, "the runs that there are"),
        Endpoint("GET", "/api/runs/{name}/events", runs.events, "what a run writes", gives=(EVENTS,)),
    ]


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
