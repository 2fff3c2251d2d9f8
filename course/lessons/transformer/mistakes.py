"""A GPT in Values for exercise 8a, and known wrong answers, beside the right spelling that they are changed from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ....engine.scalar import functional as F
from ....engine.scalar.value import Value
from ....models.gpt.config import GPTConfig
from ....models.parameters import count_parameters
from ...exercise import Answer, Wrong

Vector = list[Value]
Weights = dict[str, Any]


def small(norm: str, activation: str, *, tied: bool = True, final: bool = False, post: bool = False) -> GPTConfig:
    """Five tokens, four places, two heads of two channels."""
    return GPTConfig(
        vocab_size=5,
        block_size=4,
        n_layer=1,
        n_head=2,
        n_embd=4,
        norm=norm,  # type: ignore[arg-type]  # checked where it is built
        activation=activation,  # type: ignore[arg-type]
        tie_lm_head=tied,
        final_norm=final,
        norm_position="post" if post else "pre",
    )


@dataclass(frozen=True)
class _Spelling:
    """The right one, layer by layer, all tokens at once; each field is a place where a mistake goes in."""

    positions: Literal["once", "never", "always", "last"] = "once"
    adds: tuple[str, ...] = ("attn", "mlp")
    """Branches that are added to the stream; the others replace it."""
    on_stream: tuple[str, ...] = ()
    """Branches before which the norm replaces the stream, in place of what the branch reads."""
    order: tuple[str, ...] = ("attn", "mlp")
    parallel: bool = False
    sees: Callable[[int, int], int] = lambda t, n: t + 1
    """Of token t of n: how many it sees."""
    one_head: bool = False
    cut: tuple[int, int, int] = (0, 1, 2)
    """Where q, k and v lie."""
    by_head: bool = False
    """q, k and v of head 0 first, then those of head 1."""
    projects: bool = True
    activates: bool = True
    first_block_only: bool = False
    one_layer: bool = False
    finish: Callable[[list[Vector]], Any] = lambda rows: rows

    def __call__(self, v: GPTConfig) -> Callable[..., Any]:
        def logits(weights: Weights, ids: Sequence[int], *, n_layer: int, n_head: int) -> Any:
            places = weights["wpe.weight"]
            x = [weights["wte.weight"][i] for i in ids]
            if self.positions in ("once", "last"):
                x = [F.add(one, places[t if self.positions == "once" else -1]) for t, one in enumerate(x)]
            for layer in range(1 if self.one_layer else n_layer):
                if self.positions == "always":
                    x = [F.add(one, places[t]) for t, one in enumerate(x)]
                x = self._block(v, weights, f"h.{0 if self.first_block_only else layer}", x, n_head)
            x = [_norm(v, one) for one in x] if v.final_norm else x
            head = weights["wte.weight" if v.tie_lm_head else "lm_head.weight"]
            return self.finish([F.linear(one, head) for one in x])

        return logits

    def _block(self, v: GPTConfig, weights: Weights, name: str, x: list[Vector], n_head: int) -> list[Vector]:
        begun = x
        for part in self.order:
            x = self._branch(v, weights, name, part, x, begun, n_head)
        return x

    def _branch(
        self, v: GPTConfig, weights: Weights, name: str, part: str, x: list[Vector], begun: list[Vector], n_head: int
    ) -> list[Vector]:
        """One branch and its sum."""
        pre = v.norm_position == "pre"
        read = begun if self.parallel else x
        if pre:
            read = [_norm(v, one) for one in read]
        x = read if part in self.on_stream and pre else x
        f = self._attention(weights, name, read, n_head) if part == "attn" else self._mlp(v, weights, name, read)
        x = [F.add(one, more) for one, more in zip(x, f, strict=True)] if part in self.adds else f
        return x if pre else [_norm(v, one) for one in x]

    def _attention(self, weights: Weights, name: str, x: list[Vector], n_head: int) -> list[Vector]:
        n_head = 1 if self.one_head else n_head
        c = len(x[0])
        size = c // n_head
        qkv = [F.linear(one, weights[f"{name}.attn.qkv.weight"]) for one in x]
        q, k, values = ([one[i * c : (i + 1) * c] for one in qkv] for i in self.cut)
        if self.by_head:
            q, k, values = (
                [[z for i in range(part * size, 3 * c, 3 * size) for z in one[i : i + size]] for one in qkv]
                for part in range(3)
            )
        y: list[Vector] = [[] for _ in x]
        for t, row in enumerate(y):
            for first in range(0, c, size):
                head = slice(first, first + size)
                seen = range(self.sees(t, len(x)))
                row += F.attention(q[t][head], [k[s][head] for s in seen], [values[s][head] for s in seen])
        return [F.linear(row, weights[f"{name}.attn.proj.weight"]) for row in y] if self.projects else y

    def _mlp(self, v: GPTConfig, weights: Weights, name: str, x: list[Vector]) -> list[Vector]:
        hidden = [F.linear(one, weights[f"{name}.mlp.fc.weight"]) for one in x]
        if self.activates:
            hidden = [getattr(F, v.activation)(one) for one in hidden]
        return [F.linear(one, weights[f"{name}.mlp.proj.weight"]) for one in hidden]


def _norm(v: GPTConfig, x: Vector) -> Vector:
    if v.norm == "none":
        return x
    return F.rms_norm(x) if v.norm == "rms" else F.layer_norm(x)


def counted(v: GPTConfig, *, vocab_size: int, block_size: int, n_layer: int, n_embd: int) -> int:
    """By the project's table."""
    sizes: dict[str, Any] = {"vocab_size": vocab_size, "block_size": block_size, "n_layer": n_layer, "n_embd": n_embd}
    return count_parameters(replace(v, **sizes, n_head=1).parameters())


def answer_with(
    v: GPTConfig, logits: Callable[..., Any] | None = None, count: Callable[..., int] | None = None
) -> Answer:
    """A right answer but for what is given."""
    right = lambda **sizes: counted(v, **sizes)  # noqa: E731
    return {"logits": logits or _RIGHT(v), "n_parameters": count or right}


_RIGHT = _Spelling()


def _with(**changed: Any) -> Callable[[GPTConfig], Answer]:
    spelled = replace(_RIGHT, **changed)
    return lambda v: answer_with(v, spelled(v))


def _as(**changed: Any) -> Callable[[GPTConfig], Answer]:
    """The right spelling of another GPT."""
    return lambda v: answer_with(v, _RIGHT(replace(v, **changed)))


def _turned(v: GPTConfig) -> Answer:
    return answer_with(v, _RIGHT(replace(v, norm_position="post" if v.norm_position == "pre" else "pre")))


def _counting(wrong: Callable[[int, int, int, int, bool], int]) -> Callable[[GPTConfig], Answer]:
    """wrong(V, T, L, C, tied)"""
    return lambda v: answer_with(
        v,
        count=lambda *, vocab_size, block_size, n_layer, n_embd: wrong(
            vocab_size, block_size, n_layer, n_embd, v.tie_lm_head
        ),
    )


MISTAKES = (
    Wrong(
        name="no residual",
        answer=_with(adds=()),
        sentence="each branch replaced the stream: it adds to it, so that the first layer is one step from the loss.",
    ),
    *(
        Wrong(
            name=f"no residual, {where}",
            answer=_with(adds=others),
            sentence=f"the {where} replaced the stream: what it found is added to x, and x goes on.",
        )
        for where, others in (("attention", ("mlp",)), ("MLP", ("attn",)))
    ),
    Wrong(
        name="no positions",
        answer=_with(positions="never"),
        sentence="no token knows where it stands: attention over a set has no order. Row t of wpe is added at the "
        "beginning.",
    ),
    Wrong(
        name="positions in every block",
        answer=_with(positions="always"),
        sentence="the position was added in every block: once, at the beginning, is enough, since the stream carries "
        "it on.",
        applies=lambda v: v.norm_position == "pre",
    ),
    Wrong(
        name="last position",
        answer=_with(positions="last"),
        sentence="every token got the same position: token t gets row t.",
    ),
    *(
        Wrong(
            name=f"norm on the stream, {where}",
            answer=_with(on_stream=parts),
            sentence="the norm replaced the stream: it is for what the branch reads. x + f(norm(x)), with x as it was.",
            applies=lambda v: v.norm_position == "pre",
        )
        for where, parts in (("both", ("attn", "mlp")), ("attention", ("attn",)), ("MLP", ("mlp",)))
    ),
    Wrong(
        name="the other place",
        answer=_turned,
        sentence="the norm stands on the other side of the sum: x + f(norm(x)) is one model, norm(x + f(x)) another.",
    ),
    Wrong(
        name="no norm",
        answer=_as(norm="none"),
        sentence="the norms are missing: look where the formula has them.",
    ),
    Wrong(
        name="the other norm",
        answer=lambda v: answer_with(v, _RIGHT(replace(v, norm="layer" if v.norm == "rms" else "rms"))),
        sentence="it is the other norm: rms_norm leaves the mean where it is, layer_norm takes it out.",
    ),
    Wrong(
        name="no last norm",
        answer=_as(final_norm=False),
        sentence="the norm before the head is missing.",
        applies=lambda v: v.final_norm,
    ),
    Wrong(
        name="a last norm",
        answer=_as(final_norm=True),
        sentence="there is a norm before the head which the formula does not have.",
        applies=lambda v: not v.final_norm and v.norm_position == "pre",
    ),
    Wrong(
        name="the other activation",
        answer=lambda v: answer_with(v, _RIGHT(replace(v, activation="relu" if v.activation != "relu" else "gelu"))),
        sentence="the MLP bends in another way: read which function the formula has.",
    ),
    Wrong(
        name="no activation",
        answer=_with(activates=False),
        sentence="nothing stands between the two matrices of the MLP, so they are one matrix: a line of lines is a "
        "line.",
    ),
    Wrong(
        name="mlp first",
        answer=_with(order=("mlp", "attn")),
        sentence="the MLP came before the attention: gather first, then think.",
    ),
    Wrong(
        name="in parallel",
        answer=_with(parallel=True),
        sentence="attention and MLP read the same x: the MLP reads what the attention has added to already.",
    ),
    Wrong(
        name="future",
        answer=_with(sees=lambda t, n: n),
        sentence="a token attends to tokens after it, where the answer stands.",
    ),
    Wrong(
        name="not itself",
        answer=_with(sees=lambda t, n: max(1, t)),
        sentence="a token does not attend to itself in yours: its own key is one of those that it sees.",
    ),
    Wrong(
        name="one head",
        answer=_with(one_head=True),
        sentence="all channels are one head: each head has its own piece of q, k and v, and its own weights.",
    ),
    Wrong(
        name="k, q, v",
        answer=_with(cut=(1, 0, 2)),
        sentence="queries and keys have changed places: qkv holds q first, then k, then v.",
    ),
    Wrong(
        name="v first",
        answer=_with(cut=(1, 2, 0)),
        sentence="values were cut out first: qkv holds q, then k, then v.",
    ),
    Wrong(
        name="head by head",
        answer=_with(by_head=True),
        sentence="qkv was cut head by head, q, k and v of each together: q of all heads comes first, then k, then v.",
    ),
    Wrong(
        name="no projection",
        answer=_with(projects=False),
        sentence="what the heads found is not projected: attn.proj mixes them before the sum.",
    ),
    Wrong(
        name="the first block again",
        answer=_with(first_block_only=True),
        sentence="every layer took the weights of block 0: each has its own, h.0, h.1, ...",
    ),
    Wrong(
        name="one layer",
        answer=_with(one_layer=True),
        sentence="there is one block in yours, however many n_layer says.",
    ),
    Wrong(
        name="the embedding as head",
        answer=_as(tie_lm_head=True),
        sentence="the head is the embedding in yours; this model has a head of its own, lm_head.",
        applies=lambda v: not v.tie_lm_head,
    ),
    Wrong(
        name="last alone",
        answer=_with(finish=lambda rows: rows[-1]),
        sentence="only the last token's logits came back: in training every token predicts the next one.",
    ),
    Wrong(
        name="probabilities",
        answer=_with(finish=lambda rows: [F.softmax(row) for row in rows]),
        sentence="these are probabilities: logits are asked for, before any softmax.",
    ),
    Wrong(
        name="detached",
        answer=_with(finish=lambda rows: [[Value(z.data) for z in row] for row in rows]),
        sentence="the numbers are right, and no slope comes back: the graph was cut where Values became numbers.",
    ),
    Wrong(
        name="counted without places",
        answer=_counting(lambda V, T, L, C, tied: V * C + 12 * L * C * C + (not tied) * V * C),
        sentence="the table of places is missing in your count: it has block_size rows.",
    ),
    Wrong(
        name="head counted wrongly",
        answer=_counting(lambda V, T, L, C, tied: V * C + T * C + 12 * L * C * C + tied * V * C),
        sentence="look at the head again: one that is the embedding counts once, one of its own counts as well.",
    ),
    Wrong(
        name="half of the MLP",
        answer=_counting(lambda V, T, L, C, tied: V * C + T * C + 8 * L * C * C + (not tied) * V * C),
        sentence="the MLP has two matrices, C to 4C and 4C to C: one of them is not counted.",
    ),
)
