"""What a bigram model is made of."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import ConfigError
from ..parameters import Parameter


@dataclass(frozen=True, kw_only=True)
class BigramConfig:
    """logits = W norm(E[token]); E is (V, V), and W is E itself when tied."""

    vocab_size: int = 27
    """Tokens in the vocabulary; the tokenizer of a run replaces it."""
    block_size: int = 16
    """Pairs in one training window; the model itself looks at one token."""
    tie_lm_head: bool = True
    """The head uses the embedding matrix: V^2 parameters instead of 2 V^2."""
    input_rmsnorm: bool = False
    """Normalise the embedding by its root mean square."""
    norm_eps: float = 1e-5
    """Added to the mean square under the root."""
    init_scale: float = 0.01
    """First weights are uniform in -init_scale to init_scale."""

    def __post_init__(self) -> None:
        for field in ("vocab_size", "block_size"):
            if getattr(self, field) < 1:
                raise ConfigError(f"{field}={getattr(self, field)} is too small: give 1 or more")
        if not (self.init_scale > 0 and self.norm_eps > 0):
            raise ConfigError(
                f"init_scale={self.init_scale} and norm_eps={self.norm_eps} must be positive, e.g. 0.01 and 1e-5"
            )

    def parameters(self) -> dict[str, Parameter]:
        """Every parameter by name, in the order in which first weights are drawn."""
        square = Parameter((self.vocab_size, self.vocab_size), "uniform", self.init_scale)
        return {"wte.weight": square} if self.tie_lm_head else {"wte.weight": square, "lm_head.weight": square}
