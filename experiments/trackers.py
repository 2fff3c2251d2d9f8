"""A study told to an experiment tracker: whatever has `init(name=, config=)`, `log(values, step=)` and `finish()`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from ..training.record import to_row
from .ablate import AblationEvent, CellDone
from .grid import flatten


class Tracker(Protocol):
    """What the trackers of this field have in common."""

    def init(self, *, name: str, config: Mapping[str, Any]) -> Any: ...
    def log(self, values: Mapping[str, Any], *, step: int) -> Any: ...
    def finish(self) -> Any: ...


def tell(tracker: Tracker) -> Callable[[AblationEvent], None]:
    """`run_ablation(config, out, observe=tell(tracker))`: one run of the tracker for each cell that was run now.

    It is told when the cell is done, since cells run beside each other and trackers know one run at a time.
    """

    def observe(event: AblationEvent) -> None:
        if not isinstance(event, CellDone) or event.was_there:
            return
        result = event.result
        tracker.init(name=f"{result.cell.variant}-{result.record.seed}", config=flatten(asdict(result.cell.config)))
        validations = {point.step: point.loss for point in result.validations}
        for step in sorted({*range(1, len(result.losses) + 1), *validations}):
            values = {"val_loss": validations[step]} if step in validations else {}
            tracker.log(({"loss": result.losses[step - 1]} if step else {}) | values, step=step)
        tracker.log({f"final/{name}": value for name, value in to_row(result.record).items()}, step=result.record.steps)
        tracker.finish()

    return observe
