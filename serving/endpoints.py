"""One table of endpoints, and what is made of it: the routes, what the guard asks of each, and the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .shapes import Json

Answer = Callable[[Request], Awaitable[Response]]
JSON, TEXT, EVENTS = "application/json", "text/plain", "text/event-stream"
_REFUSALS = (400, 401, 403, 404, 405, 408, 413, 415, 429, 500, 503, 504)
_ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
            },
        }
    },
}


class Endpoint(NamedTuple):
    """What is asked where, and who answers."""

    method: str
    path: str
    answer: Answer
    about: str
    asks: type[BaseModel] | None = None
    """What a body has to say."""
    gives: tuple[str, ...] = (JSON,)
    """The kinds of a good answer."""

    @property
    def route(self) -> Route:
        """For Starlette."""
        return Route(self.path, self.answer, methods=[self.method])


def openapi(table: Sequence[Endpoint], version: str) -> Json:
    """The document for OpenAPI 3.1 that says what the table says."""
    asked = [(one.asks, "validation") for one in table if one.asks is not None]
    references, definitions = models_json_schema(asked, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    paths: dict[str, Json] = {}
    for one in table:
        operation = _operation(one)
        if one.asks is not None:
            schema: Any = references[one.asks, "validation"]
            operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
        paths.setdefault(_plain(one.path), {})[one.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "nanochat", "version": version},
        "paths": paths,
        "components": {
            "schemas": {**definitions.get("$defs", {}), "Error": _ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _operation(one: Endpoint) -> Json:
    refused = {"description": "refused", "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}}
    names = re.findall(r"{(\w+)}", _plain(one.path))
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    return {
        "summary": one.about,
        "operationId": "_".join([one.method.lower(), *re.findall(r"\w+", one.path.replace(":path", ""))]),
        "parameters": parameters,
        "responses": {
            "200": {"description": one.about, "content": {kind: {} for kind in one.gives}},
            **{str(status): refused for status in _REFUSALS},
        },
    }


def _plain(path: str) -> str:
    return path.replace(":path", "")
