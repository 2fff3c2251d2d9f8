"""Whole parts taken out of a transformer: heads, neurons of the MLP, layers. What is left is smaller, and faster.

What read the parts that go, an output projection, is fitted anew to what it gave before: least squares over the inputs
that the calibration text brings it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..checkpoints.weights import Snapshot
from ..errors import ConfigError
from ..models.gpt.config import GPTConfig
from .blocks import gpt_of, replaced
from .calibration import input_grams
from .compensation import damped
from .distilling import of_layers


@dataclass(frozen=True)
class Shape:
    """What is to be left; 0 and () leave it as it is."""

    heads: int = 0
    mlp_width: int = 0
    drop_layers: tuple[int, ...] = ()

    @property
    def words(self) -> str:
        """`heads 2, MLP 256`."""
        said = [f"heads {self.heads}" if self.heads else "", f"MLP {self.mlp_width}" if self.mlp_width else ""]
        dropped = ",".join(map(str, self.drop_layers))
        said.append(f"without layer {dropped}" if dropped else "")
        return ", ".join(word for word in said if word)


def narrow(snapshot: Snapshot, shape: Shape, ids: np.ndarray, *, refit: bool = True) -> Snapshot:
    """The model with fewer parts, those kept whose output counts most on the calibration text ids (B, T).

    Raises ConfigError for more parts than there are, and for heads that share keys or have no output projection.
    """
    config = gpt_of(snapshot).config
    _check(shape, config)
    if shape.drop_layers:
        kept = [layer for layer in range(config.n_layer) if layer not in shape.drop_layers]
        snapshot = of_layers(snapshot, kept)
        config = gpt_of(snapshot).config
    if 0 < shape.heads < config.n_head:
        weights = dict[str, np.ndarray]()
        for layer, gram in enumerate(input_grams(gpt_of(snapshot), ids, "attn.proj")):
            weights |= _fewer_heads(snapshot, layer, gram, config, shape.heads, refit=refit)
        fields = {"n_head": shape.heads, "n_kv_head": 0, "head_dim": config.head_size}
        snapshot = replace(replaced(snapshot, weights), model={**snapshot.model, **fields})
    if 0 < shape.mlp_width < config.hidden:  # which reads what is left of the heads by now
        weights = {}
        for layer, gram in enumerate(input_grams(gpt_of(snapshot), ids, "mlp.proj")):
            weights |= _fewer_neurons(snapshot, layer, gram, config, shape.mlp_width, refit=refit)
        snapshot = replace(replaced(snapshot, weights), model={**snapshot.model, "mlp_width": shape.mlp_width})
    return snapshot


def refitted(weight: np.ndarray, gram: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """W' = W H[:, keep] H[keep, keep]^-1, which is nearest to W on the inputs of H = X^T X

    weight (out, in), gram (in, in), keep (k,) -> (out, k)
    """
    h = damped(gram)
    fitted = np.linalg.solve(h[np.ix_(keep, keep)], h[keep] @ np.asarray(weight, np.float64).T)
    return np.asarray(fitted.T, np.float32)


def _fewer_heads(
    snapshot: Snapshot, layer: int, gram: np.ndarray, config: GPTConfig, n: int, *, refit: bool
) -> dict[str, np.ndarray]:
    """The heads whose part of the output is largest: trace(W_h H_hh W_h^T)."""
    prefix, size = f"h.{layer}.attn.", config.head_size
    weight = np.asarray(snapshot.weights[f"{prefix}proj.weight"], np.float64)
    spans = [slice(h * size, (h + 1) * size) for h in range(config.n_head)]
    scores = [float(np.einsum("oi,ij,oj->", weight[:, s], gram[s, s], weight[:, s])) for s in spans]
    best = np.sort(np.argsort(-np.array(scores), kind="stable")[:n])
    keep = (best[:, None] * size + np.arange(size)).reshape(-1)
    width = config.attn_width
    rows = np.concatenate([keep, width + keep, 2 * width + keep])  # of q, k and v
    kept = _rows(snapshot, f"{prefix}qkv", rows)
    return kept | {f"{prefix}proj.weight": refitted(weight, gram, keep) if refit else weight[:, keep]}


def _fewer_neurons(
    snapshot: Snapshot, layer: int, gram: np.ndarray, config: GPTConfig, n: int, *, refit: bool
) -> dict[str, np.ndarray]:
    """The neurons whose part of the output is largest: ||w_j||^2 H_jj."""
    prefix = f"h.{layer}.mlp."
    weight = np.asarray(snapshot.weights[f"{prefix}proj.weight"], np.float64)
    scores = np.diag(gram) * (weight * weight).sum(0)
    keep = np.sort(np.argsort(-scores, kind="stable")[:n])
    halves = 2 if config.activation == "swiglu" else 1
    rows = np.concatenate([half * config.hidden + keep for half in range(halves)])
    kept = _rows(snapshot, f"{prefix}fc", rows)
    return kept | {f"{prefix}proj.weight": refitted(weight, gram, keep) if refit else weight[:, keep]}


def _rows(snapshot: Snapshot, name: str, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Those rows of a layer's weight, and of its bias where it has one."""
    names = (f"{name}.{kind}" for kind in ("weight", "bias"))
    return {full: np.asarray(snapshot.weights[full])[rows] for full in names if full in snapshot.weights}


def _check(shape: Shape, config: GPTConfig) -> None:
    for flag, wanted, there in (("heads", shape.heads, config.n_head), ("mlp-width", shape.mlp_width, config.hidden)):
        if wanted > there:
            raise ConfigError(f"--{flag} {wanted} is more than the {there} that the model has: give fewer")
    if shape.heads and config.kv_heads != config.n_head:
        raise ConfigError(
            f"n_kv_head={config.n_kv_head} lets heads share keys, so none can go alone: take out neurons or layers"
        )
    if shape.heads and not config.attn_proj:
        raise ConfigError("attn_proj=false leaves no projection to fit anew: take out neurons or layers instead")
    wrong = [layer for layer in shape.drop_layers if layer >= config.n_layer]
    if wrong or len(set(shape.drop_layers)) >= config.n_layer:
        what = f"layer {wrong[0]} is none of them" if wrong else "one has to stay"
        raise ConfigError(f"the model has layers 0 to {config.n_layer - 1}, and {what}: name others with --drop-layers")
