"""Settings as people say them: `norm=layer_positions=rope` is "layer norm + rotary positions"."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ..ablation.axes import read
from ..ablation.grid import AblationConfig, variant_name

_SAID: Mapping[tuple[str, Any], str] = {
    ("tie_lm_head", True): "tied head",
    ("tie_lm_head", False): "untied head",
    ("input_rmsnorm", True): "input norm",
    ("input_rmsnorm", False): "no input norm",
    ("norm", "layer"): "layer norm",
    ("norm", "rms"): "RMS norm",
    ("norm", "none"): "no norm",
    ("qk_norm", True): "QK norm",
    ("qk_norm", False): "no QK norm",
    ("norm_position", "pre"): "pre-norm",
    ("norm_position", "post"): "post-norm",
    ("positions", "learned"): "learned positions",
    ("positions", "sinusoidal"): "sinusoidal positions",
    ("positions", "rope"): "rotary positions",
    ("positions", "none"): "no positions",
    ("activation", "gelu"): "GELU",
    ("activation", "relu"): "ReLU",
    ("activation", "relu2"): "squared ReLU",
    ("activation", "swiglu"): "SwiGLU",
    ("optimizer", "sgd"): "SGD",
    ("optimizer", "adam"): "Adam",
    ("optimizer", "adamw"): "AdamW",
    ("optimizer", "muon"): "Muon",
}
_FIELDS = {
    "lr": "rate",
    "qk_norm": "QK norm",
    "n_embd": "width",
    "n_layer": "depth",
    "n_head": "heads",
    "mlp_width": "MLP width",
    "block_size": "context",
    "batch_size": "batch size",
    "max_grad_norm": "clipping",
    "tie_lm_head": "tied head",
    "input_rmsnorm": "input norm",
}
_MEASURES = {
    "lr": "rate {}",
    "n_embd": "width {}",
    "n_layer": "depth {}",
    "n_head": "{} heads",
    "mlp_width": "MLP width {}",
    "block_size": "context {}",
    "batch_size": "batches of {}",
    "steps": "{} steps",
    "warmup": "warm-up {}",
    "max_grad_norm": "clipping at {}",
    "dropout": "dropout {}",
}


def said(path: str, value: Any) -> str:
    """One setting: `rotary positions`, `rate 0.01`, `no final norm`, `weight decay 0.1`."""
    name = path.rpartition(".")[2]
    if (name, value) in _SAID:
        return _SAID[name, value]
    if isinstance(value, bool):
        return f"{'' if value else 'no '}{name.replace('_', ' ')}"
    number = f"{value:g}" if isinstance(value, float) else f"{value}"
    return _MEASURES.get(name, f"{name.replace('_', ' ')} {{}}").format(number)


def is_plural(name: str) -> bool:
    """Of one setting that has an s: `rotary positions` are, `layer norm + rotary positions` is."""
    return " + " not in name and name.endswith(("positions", "heads", "steps"))


def field_said(path: str) -> str:
    """What a setting is called without its value: `rate`, `width`, `positions`, `weight decay`."""
    name = path.rpartition(".")[2]
    return _FIELDS.get(name) or name.replace("_", " ")


class Names:
    """What the variants of a study, the values of its axes and their combinations are called."""

    def __init__(self, config: AblationConfig) -> None:
        self.config = config

    def __call__(self, name: str) -> str:
        """Of a variant, an effect (`norm=rms`) or an interaction (`norm=rms × positions=rope`); others as they are."""
        return self._known.get(name) or " with ".join(self._known.get(part, part) for part in name.split(" × "))

    @property
    def axes(self) -> list[str]:
        """Of the axes: `norm`, `positions`."""
        return [*map(field_said, self.config.axes)]

    @cached_property
    def _known(self) -> dict[str, str]:
        axes = self.config.axes
        known = {variant_name({path: value}): said(path, value) for path, values in axes.items() for value in values}
        known["baseline"] = "the baseline"  # of a study without a grid
        for name, config in self.config.variants.items():
            if name in self.config.explicit:
                known[name] = name
            elif self.config.design == "grid" and axes:
                known[name] = " + ".join(said(path, read(config, path)) for path in axes)
        return known
