"""The table of specimens and instruments as one figure: who finds what, and what the loss says."""

from __future__ import annotations

from nanochat.course.zoo.catalogue import specimens
from nanochat.course.zoo.instruments import LAW_NAMES
from nanochat.experiments.reports.figures import COLORS, FAINT, INK, canvas, note, title

HIDDEN = 0.01
"""Nats: what three seeds of this run differ by among themselves, and more."""
_KINDS = ("op", "layer", "model")
_COLUMNS = (*LAW_NAMES, *_KINDS, "loss")
_LOSS = {"shows": ("^", COLORS[2]), "flatters": ("v", COLORS[3]), "hides": ("_", FAINT), "stopped": ("X", COLORS[6])}
"""What the loss says -> marker and colour; shape tells it where there is no colour."""
_LAW, _ROW = ("o", COLORS[0]), ("s", COLORS[1])


def said_by_loss(entry):
    """In a word."""
    mean = entry["val_loss_difference"]
    if mean is None:
        return "stopped"
    if not any(entry["differences"]):
        return "does not meet it"
    word = "hides" if abs(mean) < HIDDEN else "flatters" if mean < 0 else "shows"
    return f"{word} ({mean:+.3f})"


def matrix(document):
    """A row a specimen, a column an instrument; below, how many of the bugs each finds."""
    found, known = document["specimens"], list(specimens().values())
    with canvas(height=9.2) as (figure, axes):
        totals = dict.fromkeys(_COLUMNS, 0)
        for y, one in enumerate(known):
            for name, (marker, shade) in _marks(one, found[one.id]):
                axes.plot(_COLUMNS.index(name), y, marker, color=shade, markersize=4.2, markeredgewidth=1.2)
                totals[name] += name != "loss"
        for x, name in enumerate(_COLUMNS[:-1]):
            axes.text(x, len(known) + 0.3, totals[name], ha="center", va="center", fontsize=5.5, color=INK)
        axes.text(-0.8, len(known) + 0.3, "bugs found", ha="right", va="center", fontsize=5.5, color=INK)
        axes.set_yticks(range(len(known)), [f"{one.name}  {one.id}" for one in known], fontsize=5.5)
        axes.set_xticks(range(len(_COLUMNS)), _COLUMNS, rotation=90, fontsize=6)
        axes.set(xlim=(-0.7, len(_COLUMNS) - 0.3), ylim=(len(known) + 0.9, -0.7))
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        for x in (len(LAW_NAMES) - 0.5, len(_COLUMNS) - 1.5):
            axes.axvline(x, color=FAINT, linewidth=0.6)
        for y in [i for i in range(1, len(known)) if known[i].lab != known[i - 1].lab]:
            axes.axhline(y - 0.5, color=FAINT, linewidth=0.6)
        _legend(axes)
        bugs = [found[one.id] for one in known if one.fault]
        laws, rows = (sum(bool(entry[kind]) for entry in bugs) for kind in ("laws", "rows"))
        shown = sum(said_by_loss(entry).startswith("shows") for entry in bugs)
        title(figure, f"Laws find {laws} of {len(bugs)} bugs, certificates {rows}; the loss shows {shown}")
        n_seeds = len(document["seeds"])
        note(figure, f"Broken in each of {n_seeds} seeds. Where the loss has no mark, it does not meet it.")
    return figure


def _marks(specimen, entry):
    """(Column, marker and colour) of each that finds it."""
    yield from ((name, _LAW) for name in entry["laws"])
    yield from ((kind, _ROW) for kind in _KINDS if any(row.startswith(f"{kind} ") for row in entry["rows"]))
    word = said_by_loss(entry).partition(" ")[0]
    if specimen.fault and word in _LOSS:
        yield "loss", _LOSS[word]


def _legend(axes):
    named = {"a law of health is broken": _LAW, "a row of certify fails": _ROW}
    named |= {f"the loss {word}" + " it" * (word != "stopped"): mark for word, mark in _LOSS.items()}
    for label, (marker, shade) in named.items():
        axes.plot([], [], marker, color=shade, label=label.replace("loss stopped", "run is stopped"), markersize=4.2)
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.005), ncols=3, fontsize=6)
