"""The transformer one token at a time: `tensor.py` without a Tensor, calls of NumPy into memory laid out once.

Nine tenths of a small step of `tensor.py` are not arithmetic but Python. Here a step is a list of functions and arrays
that is written once for a number of rows and then run for each token, between them attention, whose size grows.
Prompts are left to the model, which is also the oracle: same tokens, logits equal to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any

import numpy as np

from .cache import KEYS, KVCache
from .folded import GELU_SHIFT, Array, FoldedWeights, Layer
from .tensor import GPT, eps_of

TILE = 8
"""Rows of a product of several: OpenBLAS gives a row the same bits whatever stands in the other seven (docs/log.md)."""
_SMALL = 100**3
"""Multiplications of a product that OpenBLAS does at once, on the numbers as they lie; for a larger one it copies them
first, which takes longer than to multiply TILE rows at a time."""
_SMALLEST, _LARGEST = 1e-20, 1e20
"""Sums of exp(score) that lost nothing: outside of these the largest score is subtracted first."""
Calls = list[tuple[Callable[..., object], tuple[Any, ...]]]
"""Functions and the arrays that they read and write: what a step does, decided before the first one."""


def can_decode(model: Any) -> bool:
    """Whether a Decoder computes what this model does: a GPT in arrays of an architecture that is worked out below."""
    if type(model) is not GPT or model.dtype not in (np.float32, np.float64):
        return False
    config = model.config
    return (
        config.norm in ("rms", "layer")
        and config.activation in ("relu", "relu2", "gelu", "silu")
        and config.attn_proj
        and not 0 < config.window < config.block_size
    )


class Decoder:
    """A model that draws one text or many. Its weights are those that the model had when a text was begun, that is when
    `empty_cache` was asked last; while a text is drawn nobody looks whether the model has others. Threads may share a
    decoder, each with a cache of its own: they wait for each other.

    steady   A single row is computed as one of eight, too, so that the bits of a row depend on no other row, nor on
             how many there are, nor on the places: what joins and leaves a batch changes nobody's text.

    Raises ValueError for a model that `can_decode` does not name.
    """

    takes_arrays = True

    def __init__(self, model: GPT, *, steady: bool = False) -> None:
        if not can_decode(model):
            raise ValueError("this model has no decoder of its own: ask can_decode first, and let the model decode")
        self.model, self.config, self.steady = model, model.config, steady
        config = model.config
        self._sizes = (config.n_layer, config.kv_heads, config.head_size, config.block_size)
        self._weights: FoldedWeights | None = None
        self._step: _Step | None = None
        self._mark, self._lock = 0, Lock()  # threads share the memory of a step

    def empty_cache(self, batch_size: int = 1) -> KVCache:
        """That of the model, which reads and writes the same one. A text begins: weights that changed are read anew."""
        with self._lock:
            if self._weights is not None and self._mark != mark_of(self.model):
                self._weights = self._step = None
        return self.model.empty_cache(batch_size)

    def logits(self, ids: Array, cache: KVCache | None = None) -> Array:
        """As `predict`."""
        return self.predict(ids, cache)

    def predict(self, ids: Array, cache: KVCache | None = None) -> Array:
        """(B, T) -> (B, T, V), a new array. A token of each row of a cache is decoded here, all else by the model.

        Raises ValueError for a cache of another model, precision or number of rows, and where it is full.
        """
        ids = np.asarray(ids)
        is_step = ids.shape[1:] == (1,) and len(ids) > 0 and ids.dtype.kind in "iu" and min(ids[:, 0].tolist()) >= 0
        if cache is None or not is_step:
            return self.model.predict(ids, cache)  # which names what no token is
        if cache.keys.dtype != self.model.dtype:
            raise ValueError(
                f"the cache holds {cache.keys.dtype} keys and the model computes in {self.model.dtype}: make it with "
                "the model's own empty_cache"
            )
        n_layer, n_rows, n_heads, _, head_size = cache.keys.shape
        if n_rows != len(ids) or self._sizes != (n_layer, n_heads, head_size, cache.block_size):
            raise ValueError(
                f"{len(ids)} rows of tokens do not go with a cache of keys {cache.keys.shape}: give a token for each "
                "of its rows, and make it with the model's own empty_cache"
            )
        if cache.longest == cache.block_size:
            cache.positions(1)  # raises: there is no room
        with self._lock, np.errstate(all="ignore"):  # whoever reads logits names what is not finite
            if self._weights is None:
                self._weights, self._mark = FoldedWeights(self.model), mark_of(self.model)
            if self._step is None or self._step.n_rows != len(ids):
                self._step = _Step(self._weights, len(ids), steady=self.steady)
            z = self._step(ids[:, 0], cache)
        cache.advance(1)
        return z[:, None]


def mark_of(model: Any) -> int:
    """A number that an array model with other weights does not have, but by chance.

    Of sums of bits over pieces an entry shorter than two rows: they begin in every column, and none holds two whole
    rows, so that rows or columns that have changed places give another number. Vectors are taken as they are.
    """
    marks = []
    for parameter in model.parameters():
        array = np.ascontiguousarray(parameter.data)
        bits = array.reshape(-1).view("u8" if array.nbytes % 8 == 0 else f"u{array.itemsize}")
        piece = max(1, 2 * len(bits) // len(array) - 1) if array.ndim > 1 else 1
        marks.append(np.add.reduceat(bits, np.arange(0, len(bits), piece), 0, bits.dtype).tobytes())
    return hash(tuple(marks))


class _Step:
    """What one more token of each of B rows costs. Rows that fill the last tile up are computed and never looked at."""

    def __init__(self, weights: FoldedWeights, n_rows: int, *, steady: bool) -> None:
        self.weights, self.n_rows, self.steady = weights, n_rows, steady
        self._lay_out(-(-n_rows // TILE) * TILE if steady or n_rows > TILE else n_rows)
        self.calls, self.before = Calls(), list[Calls]()  # what stands before the attention of each block
        if weights.config.input_rmsnorm:
            self._divide(self.x, self.x)
            self._call(np.multiply, self.x, weights.length, self.x)
        for layer in weights.layers:
            self._prepare(layer)
            self.before.append(self.calls)
            self.calls = Calls()
            self._finish(layer)
        self.last = self._normalise(self.x, self.n) if weights.config.final_norm else self.x
        self.head_tiles = self._tiles(weights.head)

    def _lay_out(self, R: int) -> None:
        """Arrays of R rows, and views of the first B of them."""
        weights, config, B = self.weights, self.weights.config, self.n_rows
        dtype, C, D, H, G = weights.dtype, config.n_embd, config.head_size, config.n_head, config.kv_heads
        self.x, self.n, self.o, self.place = np.zeros((4, R, C), dtype)
        self.y, self.qkv = np.zeros((R, H * D), dtype), np.zeros((R, (H + 2 * G) * D), dtype)
        self.hidden, self.u = np.zeros((2, R, config.hidden), dtype)
        self.root, self.mean, self.average = np.zeros(R, dtype), np.zeros(R, dtype), np.full(C, 1.0 / C, dtype)
        self.ids, self.each = np.zeros(R, np.int64), np.arange(B)
        heads = self.qkv[:B].reshape(B, H + 2 * G, D)
        self.placed, self.k, self.v = heads[:, : H + G], heads[:, H : H + G], heads[:, H + G :]
        queries = (B, G, H // G, 1) if self.steady else (B, G, H // G)  # alone, or those of a key's group together
        self.q = heads[:, :H].reshape(*queries, D)
        self.heads_of_y = self.y[:B].reshape(*queries, D)
        totals = np.zeros((config.n_layer, *queries, 1), dtype)
        self.totals, self.all_totals = list(totals), totals.reshape(-1)
        room = -(-config.block_size // KEYS) * KEYS
        self.ones = np.ones((room, 1), dtype)
        self.seen = np.tri(config.block_size + 1, room, -1, dtype=dtype)  # row n: 1 for the first n keys
        if weights.turns is not None:
            self.turn = np.zeros((B, 1, D // 2), weights.turns.dtype)

    def __call__(self, ids: Array, cache: KVCache) -> Array:
        """Logits after one more token of each row, in a new array       ids (B,) -> (B, V)"""
        z = self._run(ids, cache, is_safe=False)
        if not (np.minimum.reduce(self.all_totals) > _SMALLEST and np.maximum.reduce(self.all_totals) < _LARGEST):
            z = self._run(ids, cache, is_safe=True)
        return z

    def _run(self, ids: Array, cache: KVCache, *, is_safe: bool) -> Array:
        self._embed(ids, cache.lengths)
        end, mask = cache.longest + 1, None
        n_keys = end
        if self.steady or not cache.even:
            n_keys = -(-end // KEYS) * KEYS
            seen = self.seen[end] if cache.even else self.seen[cache.lengths + 1]
            mask = seen[..., :n_keys].reshape(-1, *[1] * (self.q.ndim - 2), n_keys)  # (1 or B, 1, 1, .., S)
        keys, values = cache.keys[..., :n_keys, :], cache.values[..., :n_keys, :]
        for calls, k, v, total in zip(self.before, keys, values, self.totals, strict=True):
            for function, arguments in calls:
                function(*arguments)
            if cache.even:
                k[:, :, end - 1], v[:, :, end - 1] = self.k, self.v
            else:
                k[self.each, :, cache.lengths], v[self.each, :, cache.lengths] = self.k, self.v
            if self.steady:
                k, v = k[:, :, None], v[:, :, None]
            self._attend(k, v, mask, total, is_safe=is_safe)
        for function, arguments in self.calls:
            function(*arguments)
        return self._head()

    def _embed(self, ids: Array, lengths: Array) -> None:
        """x = token + place"""
        weights, B = self.weights, self.n_rows
        self.ids[:B] = ids
        weights.wte.take(self.ids, 0, self.x)
        if weights.places is not None:
            weights.places.take(lengths, 0, self.place[:B], "clip")
            np.add(self.x, self.place, self.x)
        if weights.turns is not None:
            weights.turns.take(lengths, 0, self.turn[:, 0], "clip")

    def _attend(self, k: Array, v: Array, mask: Array | None, total: Array, *, is_safe: bool) -> None:
        """y = e v / sum(e),  e = exp(q k^T)       q, y (B, G, R, D), k, v (B, G, S, D), an axis more where steady

        A sum over keys of which the last are 0 has the bits of the sum without them where S is a multiple of KEYS and
        a query is multiplied alone.
        is_safe: where that sum would lose something, the largest score of the row is subtracted from all.
        """
        e = np.matmul(self.q, k.swapaxes(-1, -2))  # (.., S)
        if is_safe:
            if mask is not None:
                np.copyto(e, -np.inf, where=mask == 0)
            sums = np.exp(e) @ self.ones[: e.shape[-1]]
            lost = ~((sums > _SMALLEST) & (sums < _LARGEST))
            e -= np.where(lost, e.max(-1, keepdims=True), 0)
        np.exp(e, e)
        if mask is None:
            n_keys = e.shape[-1]  # a product with ones, since rows are short: two to five times as fast as their sum
            np.dot(e.reshape(-1, n_keys), self.ones[:n_keys, 0], total.reshape(-1))
        else:
            np.multiply(e, mask, e)
            np.matmul(e, self.ones[: e.shape[-1]], total)
        np.matmul(e, v, self.heads_of_y)
        np.divide(self.heads_of_y, total, self.heads_of_y)

    def _head(self) -> Array:
        weights, cap = self.weights, self.weights.config.logit_softcap
        z = np.empty((len(self.x), weights.head.shape[1]), weights.dtype)
        for rows in self.head_tiles:
            np.dot(self.last[rows], weights.head, z[rows])
        if weights.head_bias is not None:
            z += weights.head_bias
        if cap:
            z *= 1 / cap
            np.tanh(z, z)
            z *= cap
        return z[: self.n_rows]

    def _tiles(self, weight: Array) -> list[slice]:
        """Rows that are multiplied at once: TILE, or all where that is quick and bits may depend on it."""
        n_rows = len(self.x)
        n = TILE if self.steady or n_rows * weight.size > _SMALL else n_rows
        return [slice(first, first + n) for first in range(0, n_rows, n)]

    # **** what is written into `calls`, in the order of a block

    def _prepare(self, layer: Layer) -> None:
        """q, k and v of the next token."""
        config = self.weights.config
        n = self._normalise(self.x, self.n) if self.weights.pre else self.x
        self._linear(n, layer.qkv, layer.qkv_bias, self.qkv)
        if self.weights.turns is not None:
            turning = self.placed.view(self.weights.turns.dtype)
            self._call(np.multiply, turning, self.turn, turning)
        if config.qk_norm:
            scale = np.full(self.placed.shape[1], math.sqrt(config.head_size), self.weights.dtype)
            scale[: config.n_head] = config.attn_scale  # sqrt(D), and the 1/sqrt(D) of the scores
            root = np.zeros(self.placed.shape[:2], self.weights.dtype)
            self._call(np.vecdot, self.placed, self.placed, root)
            self._call(np.add, root, config.head_size * eps_of(config, root.dtype), root)
            self._call(np.sqrt, root, root)
            self._call(np.divide, scale, root, root)
            self._call(np.multiply, self.placed, root[..., None], self.placed)

    def _finish(self, layer: Layer) -> None:
        """What attention found, and the MLP."""
        pre, x = self.weights.pre, self.x
        self._linear(self.y, layer.proj, layer.proj_bias, self.o)
        self._call(np.add, x, self.o, x)
        n = self._normalise(x, self.n if pre else x)
        if not pre:
            self._scale(layer.gain_1, layer.bias_1)
        self._linear(n, layer.fc, layer.fc_bias, self.hidden)
        self._activate()
        self._linear(self.hidden, layer.out, layer.out_bias, self.o)
        self._call(np.add, x, self.o, x)
        if not pre:
            self._normalise(x, x)
            self._scale(layer.gain_2, layer.bias_2)

    def _call(self, function: Callable[..., object], *arguments: Any) -> None:
        self.calls.append((function, arguments))

    def _linear(self, x: Array, weight: Array, bias: Array | None, to: Array) -> None:
        """x W + b       x (R, K), W (K, N), b (N,) -> (R, N)"""
        for rows in self._tiles(weight):
            self._call(np.dot, x[rows], weight, to[rows])
        if bias is not None:
            self._call(np.add, to, bias, to)

    def _normalise(self, x: Array, to: Array) -> Array:
        """`_divide`, of x without its mean in a LayerNorm; sqrt(C), gain and bias come later"""
        if self.weights.config.norm == "layer" and not self.weights.is_centred:
            self._call(np.vecdot, x, self.average, self.mean)
            self._call(np.subtract, x, self.mean[:, None], to)
            x = to
        return self._divide(x, to)

    def _divide(self, x: Array, to: Array) -> Array:
        """x / sqrt(sum(x^2) + C eps), a sqrt(C)th of x / sqrt(mean(x^2) + eps)"""
        root = self.root
        shift = x.shape[1] * eps_of(self.weights.config, self.weights.dtype)
        if len(x) == 1:
            self._call(_divide_one, x[0], shift, np.zeros((), x.dtype), to[0])
            return to
        self._call(np.vecdot, x, x, root)
        self._call(np.add, root, np.array(shift, root.dtype), root)
        self._call(np.sqrt, root, root)
        self._call(np.divide, x, root[:, None], to)
        return to

    def _scale(self, gain: Array | None, bias: Array | None) -> None:
        """x * gain + bias"""
        if gain is not None:
            self._call(np.multiply, self.x, gain, self.x)
        if bias is not None:
            self._call(np.add, self.x, bias, self.x)

    def _activate(self) -> None:
        """The MLP's nonlinearity, in place, of what the folded matrix gives: see GELU_SHIFT.

        Numbers are arrays, since NumPy takes longer to make an array of a number than to add it.
        """
        h, u, name = self.hidden, self.u, self.weights.config.activation
        if name in ("relu", "relu2"):
            self._call(partial(np.maximum, out=h), h, np.zeros(h.shape[1], h.dtype))  # with a row it is vectorised
            if name == "relu2":
                self._call(np.multiply, h, h, h)
            return
        if name == "gelu":
            self._call(np.square, h, u)
            self._call(np.add, u, np.array(GELU_SHIFT, h.dtype), u)
            self._call(np.multiply, u, h, u)
        else:  # silu: h / (1 + exp(-h))
            self._call(np.negative, h, u)
        self._call(np.exp, u, u)
        self._call(np.add, u, np.array(1, h.dtype), u)
        self._call(np.divide, h, u, h)


def _divide_one(x: Array, shift: float, length: Array, to: Array) -> None:
    """As `_divide`, of a row alone: a root of a number costs less than one of an array       (C,) -> (C,)"""
    length[()] = math.sqrt(float(x.dot(x)) + shift)
    np.divide(x, length, to)
