"""Questions of lessons 5 to 8: arrays, norms, attention, a GPT."""

from __future__ import annotations

import math

from .item import Item, different, one_of, questions, several, signed, whole

ITEMS: list[Item] = []

ask = questions(5, ITEMS)


@ask(
    "y = A b, A = [[1, 2], [3, 4]], b = {b} as a column; g = {g} comes back. What are the four numbers of dA, row by "
    "row, and the two of db?",
    b=several(2, signed(6)),
    g=several(2, signed(6)),
)
def a_product_back(b: list[int], g: list[int]) -> tuple[float, ...]:
    return (g[0] * b[0], g[0] * b[1], g[1] * b[0], g[1] * b[1], g[0] + 3 * g[1], 2 * g[0] + 4 * g[1])


@ask(
    "A row of three is added to two rows; back come {g} and {h}. What is the row's gradient?",
    g=several(3, signed(9)),
    h=several(3, signed(9)),
)
def a_row_that_was_repeated(g: list[int], h: list[int]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(g, h, strict=True))


@ask(
    "x has the shape ({b}, {t}, {c}), w ({n}, {c}), y = x w^T. How many numbers have y, dx and dw?",
    b=whole(2, 4),
    t=whole(3, 8),
    c=one_of(16, 32),
    n=one_of(48, 64),
)
def sizes(b: int, t: int, c: int, n: int) -> tuple[int, ...]:
    return (b * t * n, b * t * c, n * c)


@ask(
    "Rows {ids} of a table are looked up; the gradients of what was found are {g}, a number each. What is the gradient "
    "of the row that is named first, and what would it be if gradients were assigned in this order and not added?",
    ids=one_of([2, 0, 2], [1, 1, 3], [3, 1, 3], [0, 2, 0]),
    g=different(3, range(1, 9)),
)
def an_id_twice(ids: list[int], g: list[int]) -> tuple[int, int]:
    same = [one for i, one in zip(ids, g, strict=True) if i == ids[0]]
    return (sum(same), same[-1])


@ask(
    "({m}, {k}) times ({k}, {n}). How many multiplications does the product take, and how many its way back?",
    m=whole(2, 9),
    k=one_of(8, 16, 32),
    n=whole(2, 9),
)
def multiplications(m: int, k: int, n: int) -> tuple[int, int]:
    return (m * k * n, 2 * m * k * n)


ask = questions(6, ITEMS)
_ROWS = ([1, 7], [7, 17], [7, 23], [1, -7], [-7, 17])
"""Their root mean squares are 5, 13 and 17."""


@ask("What is the root mean square of {x}, and what is its RMSNorm (no gain, eps = 0)?", x=one_of(*_ROWS))
def a_norm(x: list[int]) -> tuple[float, ...]:
    s = math.sqrt((x[0] ** 2 + x[1] ** 2) / 2)
    return (s, x[0] / s, x[1] / s)


@ask(
    "x = {x}, n = RMSNorm(x) without gain and eps; g = ({k}, 0) comes back. What is dx, and what is x . dx?",
    x=one_of(*_ROWS),
    k=whole(1, 5),
)
def a_norm_back(x: list[int], k: int) -> tuple[float, ...]:
    s = math.sqrt((x[0] ** 2 + x[1] ** 2) / 2)
    n = [one / s for one in x]
    mean = k * n[0] / 2
    return ((k - n[0] * mean) / s, (0 - n[1] * mean) / s, 0.0)


@ask(
    "What is the LayerNorm of ({a}, {a}, {b}, {b}), without gain and eps?",
    a=whole(-5, 2),
    b=whole(3, 9),
)
def a_layer_norm(a: int, b: int) -> tuple[float, ...]:
    return (-1.0, -1.0, 1.0, 1.0)


@ask("LayerNorm of (1, 1, 3, 3), no gain, no eps; g = ({g}, 0, 0, 0). What is dx?", g=one_of(4, 8, -4, 2))
def a_layer_norm_back(g: int) -> tuple[float, ...]:
    return (g / 2, -g / 2, 0.0, 0.0)


@ask(
    "All numbers of a row are {s}. What does RMSNorm make of them with eps = 1e-5 under the root, and what with eps "
    "added to the root?",
    s=one_of(0.001, 0.003, 0.01),
)
def where_eps_stands(s: float) -> tuple[float, float]:
    return (s / math.sqrt(s * s + 1e-5), s / (s + 1e-5))


ask = questions(7, ITEMS)


@ask(
    "q = (2, 0, 0, 0), keys (0, 0, 0, 0) and (ln {k}, 0, 0, 0), values {v}. What are the two weights, and what is y?",
    k=whole(2, 5),
    v=several(2, whole(1, 9)),
)
def two_keys(k: int, v: list[int]) -> tuple[float, ...]:
    return (1 / (1 + k), k / (1 + k), (v[0] + k * v[1]) / (1 + k))


@ask(
    "q = (2, 0, 0, 0), keys (0, 0, 0, 0) and (ln {k}, 0, 0, 0). What are the weights if 1/sqrt(D) is forgotten?",
    k=whole(2, 5),
)
def without_the_scale(k: int) -> tuple[float, float]:
    return (1 / (1 + k * k), k * k / (1 + k * k))


@ask(
    "All queries are 0; the values are {v}, one number a token. What is y, token by token?", v=several(4, whole(0, 12))
)
def nothing_asked(v: list[int]) -> tuple[float, ...]:
    return tuple(sum(v[: t + 1]) / (t + 1) for t in range(4))


@ask(
    "All scores are 0, of {n} tokens. Somebody masks with the score 0 in place of minus infinity. Which share of token "
    "{t}'s weight (counted from 0) goes to the future?",
    n=whole(6, 9),
    t=whole(1, 4),
)
def masked_by_zero(n: int, t: int) -> float:
    return (n - 1 - t) / n


@ask(
    "{c} channels, {h} heads, batches of {b} rows of {t} tokens. How long is one query, by what are scores divided, "
    "how many scores are there?",
    c=one_of(64, 128, 256),
    h=one_of(4, 8, 16),
    b=whole(2, 4),
    t=one_of(8, 16, 32),
)
def heads(c: int, h: int, b: int, t: int) -> tuple[float, ...]:
    return (c // h, math.sqrt(c / h), b * h * t * t)


ask = questions(8, ITEMS)


@ask(
    "A GPT with {v} tokens, {t} places, {n} blocks of {c} channels, biases and gains nowhere, a head of its own. How "
    "many numbers does it learn?",
    v=one_of(27, 65, 256),
    t=one_of(8, 16, 32),
    n=whole(1, 4),
    c=one_of(16, 32, 64),
)
def parameters(v: int, t: int, n: int, c: int) -> int:
    return c * (v + t) + 12 * n * c * c + v * c


@ask(
    "A GPT with a tied head, {v} tokens, {t} places, {n} blocks of {c} channels, no biases or gains. How many numbers "
    "does it learn, and how many does tying save?",
    v=one_of(27, 65, 256),
    t=one_of(8, 16, 32),
    n=whole(1, 4),
    c=one_of(16, 32, 64),
)
def a_tied_head(v: int, t: int, n: int, c: int) -> tuple[int, int]:
    return (c * (v + t) + 12 * n * c * c, v * c)


@ask(
    "A run on {v} tokens begins with a loss of {loss}. What should the first loss be, to two places, and is this run "
    "sound (yes or no)?",
    v=one_of(27, 65),
    loss=one_of(9.7, 0.4, 3.3, 4.2),
)
def the_first_loss(v: int, loss: float) -> tuple[float, str]:
    return (round(math.log(v), 2), "yes" if abs(loss - math.log(v)) < 0.2 else "no")


@ask(
    "A model of {n} million numbers learns from {t} million tokens. About how many operations is that, at 6 a number "
    "and token?",
    n=one_of(1, 10, 124),
    t=one_of(1, 10, 300),
)
def operations(n: int, t: int) -> float:
    return 6.0e12 * n * t


@ask(
    "Each of {n} layers computes f with the slope {k}. How fast does the output move with the input in x = f(x), and "
    "in x = x + f(x)?",
    n=whole(4, 8),
    k=one_of(0.1, 0.5),
)
def a_road_that_goes_through(n: int, k: float) -> tuple[float, float]:
    return (k**n, (1 + k) ** n)
