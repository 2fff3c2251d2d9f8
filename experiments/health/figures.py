"""Figures of a model at work: attention of all heads, embeddings in the plane, stream and gradients over depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...inference.trace import Trace, trace
from ...plain import figure as inert
from ...plain import shortened
from ..laws.model import gradients_of, in_arrays
from ..laws.training import clear_gradients, norm_of
from ..reports.figures import COLORS, FAINT, canvas, color, empty_canvas, note, save_figure, title
from .subject import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_HEADS = 36
_MOST_TOKENS = 24
_MOST_POINTS = 120
"""Tokens that are named in the plane: more would cover each other."""


def draw(subject: Subject, folder: Path, *, new: bool) -> list[Path]:
    """attention.png, embeddings.png and depth.png. Raises NotApplicableError for a bigram, WriteError."""
    _ = subject.gpt
    ids = subject.ids(least=8)[:_MOST_TOKENS]
    traced, tokens = trace(subject.model, subject.gpt, ids), _names(subject, ids)
    pictures = {
        "attention.png": attention(traced, tokens),
        "embeddings.png": embeddings(*_table(subject)),
        "depth.png": depth(traced, gradient_norms(subject)),
    }
    for name, picture in pictures.items():
        save_figure(picture, folder / name, new=new)
    return [folder / name for name in pictures]


def attention(traced: Trace, tokens: Sequence[str]) -> Figure:
    """One square a head: the row is the token that looks, the column what it looks at.       tokens (T,)"""
    n_layer, n_head = traced.attention.shape[:2]
    shown = [(layer, head) for layer in range(n_layer) for head in range(n_head)][:_MOST_HEADS]
    n_columns = min(n_head, 6)
    n_rows = -(-len(shown) // n_columns)
    with empty_canvas(height=1.2 + 6.0 / n_columns * n_rows) as figure:
        grid = figure.subplots(n_rows, n_columns, squeeze=False)
        for place in grid.flat[len(shown) :]:
            place.set_axis_off()
        for place, (layer, head) in zip(grid.flat, shown, strict=False):
            place.imshow(traced.attention[layer, head], cmap="Blues", vmin=0, vmax=1)
            place.set_title(f"layer {layer + 1}, head {head + 1}", fontsize=8, color=FAINT)
            place.grid(visible=False)
            place.spines[:].set_visible(False)
            _label(place, tokens, first=place.get_subplotspec().is_first_col())
        rest = n_layer * n_head - len(shown)
        title(figure, "Who attends to whom")
        note(
            figure,
            "Rows: the token that looks; columns: what it looks at. White is 0, blue is 1."
            + (f" {rest} more heads are not shown." if rest else ""),
        )
    return figure


def embeddings(table: np.ndarray, tokens: Sequence[str]) -> Figure:
    """Each token where the two directions in which embeddings spread most have it.       table (V, C), tokens (V,)"""
    centred = table - table.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    plane = u[:, :2] * s[:2] * np.sign(u[np.abs(u[:, :2]).argmax(0), [0, 1]])  # the sign of an axis means nothing
    share = np.square(s[:2]) / max(np.square(s).sum(), 1e-300)
    named = range(min(len(tokens), _MOST_POINTS))
    with canvas(height=5.0) as (figure, axes):
        axes.plot(*plane[len(named) :].T, ".", color=COLORS[5], alpha=0.4, markersize=3)
        for i in named:
            axes.plot(*plane[i], "o", color=COLORS[0], alpha=0.25, markersize=11)
            axes.text(plane[i, 0], plane[i, 1], inert(tokens[i]), ha="center", va="center", fontsize=8)
        title(figure, f"Embeddings of {len(tokens):,} tokens in the plane")
        axes.set(xlabel=f"first axis: {share[0]:.0%} of the spread", ylabel=f"second axis: {share[1]:.0%}")
        note(figure, "Principal components: tokens that are used alike come to lie side by side as a model learns.")
    return figure


def depth(traced: Trace, norms: Mapping[str, float]) -> Figure:
    """Size of the residual stream after each block, and of the gradient in each."""
    sizes = traced.residual_norms.mean(-1)  # (L + 1,)
    with empty_canvas(height=4.0) as figure:
        left, right = figure.subplots(1, 2)
        left.plot(range(len(sizes)), sizes, "o-", color=COLORS[0], linewidth=1.8)
        left.set(xlabel="blocks passed", ylabel="size of the stream (root mean square)")
        left.set_ylim(0, 1.1 * float(sizes.max()))
        left.set_xticks(range(0, len(sizes), max(1, len(sizes) // 8)))
        names = list(norms)
        for i, name in enumerate(names):
            right.barh(i, norms[name], color=color(0), height=0.6)
        right.set_yticks(range(len(names)), names, fontsize=8)
        right.invert_yaxis()
        right.grid(visible=False, axis="y")
        right.set(xlabel="L2 norm of the gradient")
        title(figure, "Size of the stream and of gradients over depth")
        note(
            figure,
            "One row of validation text. A stream that grows a hundredfold, or a part without gradient, is a fault.",
        )
    return figure


def gradient_norms(subject: Subject) -> dict[str, float]:
    """The norm of the gradient of embedding, each block, and what comes after, of one row; gradients are cleared."""
    with subject.borrowed(), np.errstate(all="ignore"):
        subject.without_dropout()
        clear_gradients(subject.model)
        loss: Any = subject.model.loss(*subject.rows(1)[0])
        loss.backward()
        parts: dict[str, list[np.ndarray]] = {}
        for name, gradient in gradients_of(subject.model).items():
            parts.setdefault(_part(name), []).append(gradient)
        clear_gradients(subject.model)
    return {part: norm_of(gradients) for part, gradients in parts.items()}


def _part(name: str) -> str:
    words = name.split(".")
    return f"block {int(words[1]) + 1}" if words[0] == "h" else words[0]


def _table(subject: Subject) -> tuple[np.ndarray, list[str]]:
    model: Any = subject.model
    weight = model.wte.weight
    table = weight.data if in_arrays(model) else np.array([[x.data for x in row] for row in weight])
    return np.asarray(table, np.float64), _names(subject, range(len(table)))


def _names(subject: Subject, ids: Sequence[int]) -> list[str]:
    """A token as it is shown: its text, a space as one that can be seen, what has no text as its id."""
    tokenizer = subject.session.dataset.tokenizer
    texts = [tokenizer.decode([i]) if i != tokenizer.bos_id else "BOS" for i in ids]
    return [
        shortened(text.replace(" ", "␣").replace("\n", "⏎"), 8) or f"#{i}" for i, text in zip(ids, texts, strict=True)
    ]


def _label(axes: Any, tokens: Sequence[str], *, first: bool) -> None:
    """The tokens along both edges."""
    names = [inert(token) for token in tokens]
    axes.set_xticks(range(len(names)), names, fontsize=6, rotation=90 if max(map(len, names)) > 1 else 0)
    axes.set_yticks(range(len(names)), names if first else [""] * len(names), fontsize=6)
    axes.tick_params(length=0)
