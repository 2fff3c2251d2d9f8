"""A formula as a graph of Values: forward in the order of the nodes, backward step by step, and where the boxes go."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from operator import attrgetter

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...engine.scalar.pictures.expression import ExpressionError, evaluate
from ...engine.scalar.pictures.layout import layout
from ...engine.scalar.pictures.picture import picture
from ...engine.scalar.value import Value
from ...storage.strict_json import finite_or_null
from ..errors import ApiError
from ..requests import read
from ..shapes import Json
from .requests import GraphRequest

MOST_NODES = 200
BOX = (118.0, 64.0)
"""Width and height of a node, in pixels."""


async def drawn(request: Request) -> Response:
    """POST /api/graph"""
    asked = read(GraphRequest, await request.body())
    try:
        return JSONResponse(await asyncio.to_thread(graph, asked.expression, asked.values))
    except ExpressionError as error:
        raise ApiError(400, str(error), code="invalid_expression", param="expression") from None


def graph(expression: str, values: Mapping[str, float]) -> Json:
    """Nodes from the oldest to the result, edges between them, and the steps of backward().

    Raises ExpressionError, for more nodes than can be looked at, too.
    """
    root, names = evaluate(expression, **values)
    nodes = sorted(root.ancestors(), key=attrgetter("born"))
    if len(nodes) > MOST_NODES:
        raise ExpressionError(f"the formula makes {len(nodes)} nodes, the limit is {MOST_NODES}: shorten it")
    root.backward()
    place = {node: i for i, node in enumerate(nodes)}
    edges = [
        (place[parent], place[node], slope)
        for node in nodes
        for parent, slope in zip(node.parents, node.local_grads, strict=True)
    ]
    placed = layout([BOX] * len(nodes), [(source, target) for source, target, _ in edges])
    boxes = picture(root, labels={leaf: name for name, leaf in names.items()}, max_nodes=len(nodes)).nodes
    found = {
        "nodes": [
            {
                "title": box.title,
                "op": box.op,
                "kind": box.kind,
                "value": float(node.data),
                "gradient": float(node.grad),
                "inputs": [place[parent] for parent in node.parents],
                "box": corners,
            }
            for node, box, corners in zip(nodes, boxes, placed.boxes, strict=True)
        ],
        "edges": [
            {"source": source, "target": target, "local": float(slope), "curves": route}
            for (source, target, slope), route in zip(edges, placed.routes, strict=True)
        ],
        "backward": _backward(nodes, edges),
        "width": placed.width,
        "height": placed.height,
    }
    return dict(finite_or_null(found))


def _backward(nodes: list[Value], edges: list[tuple[int, int, float]]) -> list[Json]:
    """What `Value.backward` does, a step for each node that was computed, the youngest first."""
    gradients = [0.0] * len(nodes)
    gradients[-1] = 1.0
    steps = []
    for target in reversed(range(len(nodes))):
        adds = []
        for number, (source, other, slope) in enumerate(edges):
            if other == target:
                amount = slope * gradients[target]
                gradients[source] += amount
                adds.append(
                    {"edge": number, "source": source, "local": slope, "amount": amount, "total": gradients[source]}
                )
        if adds:
            steps.append({"node": target, "gradient": gradients[target], "adds": adds})
    return steps
