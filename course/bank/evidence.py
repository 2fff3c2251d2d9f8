"""Questions of lessons 9 to 12: the loop, drawing and remembering, tokens, whether it helps."""

from __future__ import annotations

import math

from .item import Item, different, one_of, questions, signed, whole

ITEMS: list[Item] = []

ask = questions(9, ITEMS)


@ask(
    "Adam's first step, lr = {lr}, slope {g}, no decay, eps = 0. By how much does p change?",
    lr=one_of(0.01, 0.001),
    g=signed(50),
)
def the_first_step(lr: float, g: int) -> float:
    return -lr if g > 0 else lr


@ask(
    "Adam without correcting m and v (betas 0.9 and 0.999, eps = 0), lr = {lr}, slope {g}. How long is the first step?",
    lr=one_of(0.01, 0.001),
    g=whole(1, 50),
)
def without_correction(lr: float, g: int) -> float:
    return lr * 0.1 / math.sqrt(0.001)


@ask(
    "A gradient ({a}, {b}) is clipped at length {most}. What is left of it?",
    a=one_of(3, 6, -9),
    b=one_of(4, -8, 12),
    most=one_of(1, 2),
)
def clipped(a: int, b: int, most: int) -> tuple[float, float]:
    factor = min(1.0, most / math.hypot(a, b))
    return (a * factor, b * factor)


@ask(
    "A batch comes in two parts: {n} tokens with a mean slope of {a}, {m} tokens with a mean slope of {b}. What is the "
    "slope of the batch's mean loss?",
    n=whole(5, 9),
    a=signed(3),
    m=whole(1, 4),
    b=one_of(-6, -5, -4, 4, 5, 6),  # never a, or the mean of the means would be right
)
def parts_of_a_batch(n: int, a: int, m: int, b: int) -> float:
    return (n * a + m * b) / (n + m)


@ask(
    "AdamW, lr = {lr}, decay {decay}, p = {p}, and every slope so far was 0. What is p after the step?",
    lr=one_of(0.1, 0.01),
    decay=one_of(0.1, 0.5),
    p=signed(5),
)
def decay_alone(lr: float, decay: float, p: int) -> float:
    return p - lr * decay * p


ask = questions(10, ITEMS)


@ask(
    "Probabilities in the ratio {n}, at the temperature 1/2. What are they?",
    n=one_of([1, 2, 5], [1, 3, 4], [2, 3, 5], [1, 1, 2]),
)
def colder(n: list[int]) -> tuple[float, ...]:
    squares = [one * one for one in n]
    return tuple(one / sum(squares) for one in squares)


@ask(
    "Probabilities {n} / 20, in this order. What does a top p of {p} leave of them, normalised?",
    n=one_of([2, 5, 10, 3], [9, 1, 6, 4], [3, 4, 1, 12]),
    p=one_of(0.55, 0.8, 0.9),
)
def a_top_p(n: list[int], p: float) -> tuple[float, ...]:
    kept, total = set[int](), 0
    for i in sorted(range(4), key=lambda i: -n[i]):
        if total >= 20 * p:
            break
        kept.add(i)
        total += n[i]
    return tuple(n[i] / total if i in kept else 0.0 for i in range(4))


@ask("Probabilities (0.2, 0, 0.5, 0.3), u = {u}. Which id is drawn?", u=one_of(0.0, 0.1, 0.2, 0.69, 0.7, 0.95))
def a_draw(u: float) -> int:
    return 0 if u < 0.2 else 2 if u < 0.7 else 3


@ask(
    "{t} tokens are written one by one. How many rows of keys are computed without a cache, and with one?",
    t=whole(5, 40),
)
def rows_of_keys(t: int) -> tuple[int, int]:
    return (t * (t + 1) // 2, t)


@ask(
    "A cache of {n} layers for {t} tokens, {h} heads of keys and values of {d} numbers each, 4 bytes a number. How "
    "many bytes?",
    n=whole(2, 12),
    t=one_of(64, 256, 1024),
    h=one_of(1, 4, 12),
    d=one_of(16, 64),
)
def bytes_of_a_cache(n: int, t: int, h: int, d: int) -> int:
    return 2 * n * t * h * d * 4


ask = questions(11, ITEMS)


@ask(
    "How often does the pair (a, a) stand in {row}, as byte pair encoding counts it at first?",
    row=one_of("aaab", "aaaab aa", "aabaaa", "aaaaa"),
)
def pairs_that_overlap(row: str) -> int:
    return sum(row[i : i + 2] == "aa" for i in range(len(row) - 1))


@ask(
    "Merges were learned in this order: ({x}, {y}), then ({w}, {x}). How is {w}{x}{y} cut? (With a blank between "
    "tokens.)",
    w=one_of("a", "d"),
    x=one_of("b", "e"),
    y=one_of("c", "f"),
)
def the_first_learned_first(w: str, x: str, y: str) -> str:
    return f"{w} {x}{y}"


@ask(
    "{n} tokens of a text of {b} bytes cost {nats} nats each. How many bits a byte is that?",
    n=one_of(100, 250),
    b=one_of(400, 1000),
    nats=one_of(2, 3.5),
)
def bits_a_byte(n: int, b: int, nats: float) -> float:
    return nats * n / math.log(2) / b


@ask(
    "{n} merges more, {c} channels, a tied head. How many numbers more does the model learn?",
    n=one_of(100, 1000),
    c=one_of(32, 64, 128),
)
def what_merges_cost(n: int, c: int) -> int:
    return n * c


@ask(
    "How many tokens has {word} before any merge, if the alphabet is bytes of UTF-8?",
    word=one_of("café", "naïve", "grün", "señor", "abc"),
)
def bytes_of_a_word(word: str) -> int:
    return sum(1 if ord(letter) < 128 else 2 for letter in word)


ask = questions(12, ITEMS)


@ask(
    "Five paired differences, in hundredths of a nat: {d}. What are their mean and the half width of the 95 % interval "
    "(t = 2.776), in hundredths?",
    d=different(5, range(-2, 9)),
)
def five_differences(d: list[int]) -> tuple[float, float]:
    mean = sum(d) / 5
    s = math.sqrt(sum((x - mean) ** 2 for x in d) / 4)
    return (mean, 2.776 * s / math.sqrt(5))


@ask("All differences of {n} seeds have one sign. What is p of the sign-flip test, in both directions?", n=whole(4, 10))
def the_smallest_p(n: int) -> float:
    return 2 / 2**n


@ask(
    "How many seeds does a sign-flip test in both directions need so that p can be below {alpha} at all?",
    alpha=one_of(0.05, 0.01, 0.005, 0.001),
)
def seeds_that_are_needed(alpha: float) -> int:
    return math.floor(math.log2(2 / alpha)) + 1


@ask(
    "{m} changes that do nothing are each tested at 5 %, independently. How likely is at least one alarm?",
    m=one_of(3, 5, 10, 20),
)
def one_of_many(m: int) -> float:
    return 1 - 0.95**m


@ask(
    "Four comparisons have the p-values {p}, in thousandths. What does Holm make of the smallest, in thousandths?",
    p=different(4, range(4, 40)),
)
def the_smallest_of_four(p: list[int]) -> int:
    return 4 * min(p)
