"""Questions of lessons 1 to 4: slopes of numbers, an engine, probabilities, counting."""

from __future__ import annotations

import math

from .item import Item, different, one_of, questions, several, signed, whole

ITEMS: list[Item] = []

ask = questions(1, ITEMS)


@ask(
    "y = a b + relu(c) with a = {a}, b = {b}, c = {c}. What are y, dy/da, dy/db and dy/dc?",
    a=signed(9),
    b=signed(9),
    c=signed(9),
)
def a_product_and_a_bend(a: int, b: int, c: int) -> tuple[float, ...]:
    return (a * b + max(c, 0), b, a, 1 if c > 0 else 0)


@ask("y = x x + {k} x. How fast does y move with x, at x = {x}?", x=signed(9), k=whole(2, 9))
def used_twice(x: int, k: int) -> float:
    return 2 * x + k


@ask("y = ({a} x + {b})^2. What are y and dy/dx at x = {x}?", a=whole(2, 5), b=signed(5), x=signed(3))
def along_a_chain(a: int, b: int, x: int) -> tuple[float, float]:
    return ((a * x + b) ** 2, 2 * a * (a * x + b))


@ask(
    "f(x) = x^3. By how much is (f(x + h) - f(x)) / h too large at x = {x}, h = {h}, and by how much is the central "
    "difference (f(x + h) - f(x - h)) / (2 h)?",
    x=whole(1, 5),
    h=one_of(0.1, 0.01),
)
def a_nudge(x: int, h: float) -> tuple[float, float]:
    return (3 * x * h + h * h, h * h)


@ask("b = {m} a; c = b + {k}; y = b c. What is dy/da at a = {a}?", a=whole(1, 5), m=whole(2, 4), k=whole(1, 5))
def two_roads(a: int, m: int, k: int) -> float:
    return 2 * m * m * a + m * k


ask = questions(2, ITEMS)


@ask(
    "A chain of {n} doublings (b = a + a; c = b + b; ...). What is the slope at a, and how many calls does a walk take "
    "that goes on to a parent for each arrow anew?",
    n=whole(3, 10),
)
def doublings(n: int) -> tuple[int, int]:
    return (2**n, 2 ** (n + 1) - 2)


@ask(
    "y = (a * {k}) * {m}. backward() is called twice. What is a.grad in an engine that is right, and in one that does "
    "not begin the node a * {k} afresh?",
    k=whole(2, 6),
    m=whole(2, 6),
)
def called_twice(k: int, m: int) -> tuple[int, int]:
    return (2 * k * m, 3 * k * m)


@ask(
    "b = {m} a; c = b + {k}; y = b c, at a = {a}. An engine lets b speak before c has. Which slope does a get?",
    a=whole(1, 5),
    m=whole(2, 4),
    k=whole(1, 5),
)
def spoken_too_early(a: int, m: int, k: int) -> float:
    return m * (m * a + k)


@ask("y = a / b with a = {a}, b = {b}. Which two local slopes does the node keep?", a=signed(9), b=one_of(2, 4, 5, -2))
def slopes_of_a_quotient(a: int, b: int) -> tuple[float, float]:
    return (1 / b, -a / b**2)


@ask("y = {k} - x x at x = {x}, the number standing on the left. What are y and dy/dx?", k=whole(1, 9), x=signed(5))
def a_number_on_the_left(k: int, x: int) -> tuple[float, float]:
    return (k - x * x, -2 * x)


ask = questions(3, ITEMS)


@ask("Logits are the logarithms of {n}. What are the probabilities?", n=different(3, range(1, 8)))
def softmax_of_logarithms(n: list[int]) -> tuple[float, ...]:
    return tuple(one / sum(n) for one in n)


@ask("What happened had the probability 1/{p}. How surprising was it, in nats and in bits?", p=one_of(2, 4, 8, 16, 32))
def surprise(p: int) -> tuple[float, float]:
    return (math.log(p), math.log2(p))


@ask(
    "Logits are the logarithms of {n}; the target is number {t}, counted from 0. What are the slopes of the "
    "cross-entropy?",
    n=different(3, range(1, 8)),
    t=whole(0, 2),
)
def slopes_of_a_loss(n: list[int], t: int) -> tuple[float, ...]:
    return tuple(one / sum(n) - (i == t) for i, one in enumerate(n))


@ask(
    "softmax gives the first of three logits 1/{p}. {c} is added to all of them. What is its probability now, and what "
    "do the three slopes of the loss sum to?",
    p=whole(3, 9),
    c=signed(900),
)
def a_shift(p: int, c: int) -> tuple[float, float]:
    return (1 / p, 0.0)


@ask("A model knows nothing of {v} tokens. What are its loss in nats and its perplexity?", v=one_of(27, 65, 256, 50257))
def a_model_that_knows_nothing(v: int) -> tuple[float, float]:
    return (math.log(v), v)


ask = questions(4, ITEMS)


@ask(
    "Words {words}, a dot before and behind each; every pair is counted {add} more than it occurs; tokens are . a b. "
    "What is P(b after a)?",
    words=one_of("abba", "aab ba", "ab ab b", "bab aa"),
    add=one_of(1, 0.5),
)
def counted(words: str, add: float) -> float:
    text = "." + words.replace(" ", ".") + "."
    pairs = [text[i : i + 2] for i in range(len(text) - 1)]
    return (pairs.count("ab") + add) / (sum(pair[0] == "a" for pair in pairs) + 3 * add)


@ask(
    "Of {n} predictions a model gave {k} the probability 1/2, the others it was sure of, rightly. What does it pay, in "
    "nats a token, and what is its perplexity?",
    n=whole(5, 9),
    k=whole(1, 4),
)
def what_a_text_costs(n: int, k: int) -> tuple[float, float]:
    return (k * math.log(2) / n, 2 ** (k / n))


@ask(
    "{n} tokens cost {a} nats each, and {m} tokens {b} nats each. What is the loss, and what does a mean of the two "
    "means say?",
    n=whole(6, 12),
    a=whole(1, 2),
    m=whole(1, 4),
    b=whole(4, 6),
)
def a_mean_of_means(n: int, a: int, m: int, b: int) -> tuple[float, float]:
    return ((n * a + m * b) / (n + m), (a + b) / 2)


@ask(
    "Two letters are equally frequent. A model gives one {p}. How many nats a letter does it pay more than it must?",
    p=one_of(0.6, 0.7, 0.8, 0.9),
)
def more_than_it_must(p: float) -> float:
    return -0.5 * math.log(4 * p * (1 - p))


@ask(
    "A row of {v} tokens was counted as {counts} and zeros. Each gets {add} more. What does a token get that was never "
    "seen?",
    v=one_of(10, 27),
    counts=several(3, whole(1, 9)),
    add=one_of(1, 0.5, 0.1),
)
def never_seen(v: int, counts: list[int], add: float) -> float:
    return add / (sum(counts) + v * add)
