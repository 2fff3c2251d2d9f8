"""A8: the gradient of a token that stands twice in a batch."""

from __future__ import annotations

import numpy as np

from ....engine.tensor.ops.elementwise import Array, Vjp
from ..specimen import Specimen, op


def embedding_sum(tokens: Array, places: Array, *, ids: Array, positions: Array) -> tuple[Array, Vjp]:
    """y = tokens[ids] + places[positions]"""

    def vjp(g: Array) -> tuple[Array, Array]:
        gtokens, gplaces = np.zeros_like(tokens), np.zeros_like(places)
        gtokens[ids.reshape(-1)] = g.reshape(-1, g.shape[-1])
        np.add.at(gplaces, np.broadcast_to(positions, ids.shape), g)
        return gtokens, gplaces

    return tokens.take(ids, 0) + places.take(positions, 0), vjp


SPECIMEN = Specimen(
    id="A8",
    name="embedding-assigned",
    title="the rows of an embedding's gradient are assigned, not added",
    case="HIPS/autograd#39, FluxML/Zygote.jl#821: an entry indexed twice gets one gradient",
    symptom="The validation loss is worse by 0.014 nats, and the gradient shrinks as batches grow.",
    fault=embedding_sum,
    into=op("embedding_sum"),
    found_by=("op embedding_sum", "accumulation"),
    blind=("op embedding", "causality", "overfits"),
)
