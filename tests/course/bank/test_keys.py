"""Keys of the question bank, each in a second way: by the project's engines and statistics, or by brute force."""

import itertools
import math
import random
import statistics
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from nanochat.course.bank.sheet import BANK
from nanochat.engine import Value
from nanochat.engine.scalar import functional as F
from nanochat.engine.tensor import ops
from nanochat.experiments.statistics.intervals import t_interval
from nanochat.experiments.statistics.significance import holm, least_seeds, sign_flip_p
from nanochat.inference.samplers import Sampling, probabilities
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.gpt.tensor import GPT


def slopes(f, *xs):
    """y and its slopes, by the engine."""
    leaves = [Value(x) for x in xs]
    y = f(*leaves)
    y.backward()
    return [y.data, *(leaf.grad for leaf in leaves)]


def spoken_too_early(a, m, k):
    """The engine's graph, walked by hand in the wrong order: y, b, c."""
    b = m * a
    c = b + k
    return c * m  # b got c from y, spoke, and c came too late


def doubling_walk(n):
    """(slope, calls) of the right slope, and of the walk that goes on at every arrow."""

    def calls(depth):
        return 0 if depth == 0 else 2 * (1 + calls(depth - 1))

    a = Value(1.0)
    y = a
    for _ in range(n):
        y = y + y
    y.backward()
    return a.grad, calls(n)


def called_twice(k, m):
    a = Value(3.0)
    y = a * k * m
    y.backward()
    y.backward()
    middle, stale = 0, 0
    for _ in range(2):
        middle += m
        stale += middle * k
    return a.grad, stale


def logs(n):
    return [Value(math.log(one)) for one in n]


def loss_slopes(n, t):
    xs = logs(n)
    F.cross_entropy(xs, t).backward()
    return [x.grad for x in xs]


def shifted(p, c):
    xs = [Value(x + c) for x in (0.0, math.log((p - 1) / 2), math.log((p - 1) / 2))]
    first = F.softmax(xs)[0].data
    F.cross_entropy(xs, 1).backward()
    return first, sum(x.grad for x in xs)


def counted(words, add):
    table = Counter()
    for word in words.split():
        for pair in itertools.pairwise(["", *word, ""]):
            table[pair] += 1
    row = [table["a", after] + add for after in ("", "a", "b")]
    return row[2] / sum(row)


def more_than_it_must(p):
    return sum(0.5 * math.log(0.5 / q) for q in (p, 1 - p))


def vjp(op, *arrays, g, **static):
    y, back = op(*(np.array(a, float) for a in arrays), **static)
    return np.ravel(y), [np.ravel(one) for one in back(np.array(g, float))]


def product_back(b, g):
    _, (da, db) = vjp(ops.matmul, [[1, 2], [3, 4]], [[b[0]], [b[1]]], g=[[g[0]], [g[1]]])
    return [*da, *db]


def repeated(g, h):
    _, back = ops.add(np.zeros((2, 3)), np.zeros(3))
    return back(np.array([g, h], float))[1]


def lookup(ids, g):
    gradient, assigned = np.zeros(4), np.zeros(4)
    np.add.at(gradient, ids, g)
    for i, one in zip(ids, g, strict=True):
        assigned[i] = one
    return gradient[ids[0]], assigned[ids[0]]


def multiplications(m, k, n):
    def loops(a, b, c):
        return sum(1 for _ in itertools.product(range(a), range(b), range(c)))

    return loops(m, k, n), loops(m, n, k) + loops(k, m, n)


def rms_back(x, k):
    _, (dx, *_) = vjp(ops.rms_norm, x, g=[k, 0], eps=0.0)
    return [*dx, float(np.dot(x, dx))]


def attention(q, keys, values):
    return [one.data for one in F.attention([Value(x) for x in q], [[Value(x) for x in k] for k in keys], values)]


def two_keys(k, v):
    keys = [(0, 0, 0, 0), (math.log(k), 0, 0, 0)]
    weights = [attention((2, 0, 0, 0), keys, [[Value(float(i == j))] for j in range(2)])[0] for i in range(2)]
    return [*weights, *attention((2, 0, 0, 0), keys, [[Value(float(x))] for x in v])]


def nothing_asked(v):
    zeros = [(0.0, 0.0)] * 4
    return [attention((0.0, 0.0), zeros[: t + 1], [[Value(float(x))] for x in v[: t + 1]])[0] for t in range(4)]


def masked_by_zero(n, t):
    p = np.exp(np.zeros(n)) / np.exp(np.zeros(n)).sum()
    return p[t + 1 :].sum()


def built(v, t, n, c, tied):
    config = GPTConfig(vocab_size=v, block_size=t, n_layer=n, n_embd=c, n_head=4, tie_lm_head=tied)
    return GPT(config).n_parameters()


def road(n, k):
    x, y = Value(1.0), Value(1.0)
    a, b = x, y
    for _ in range(n):
        a, b = a * k, b + b * k
    a.backward()
    b.backward()
    return x.grad, y.grad


def adam(lr, g, *, correct):
    m, v = 0.1 * g, 0.001 * g * g
    return -lr * (m / 0.1) / math.sqrt(v / 0.001) if correct else lr * m / math.sqrt(v)


def heated(n):
    return probabilities(np.log(np.array(n, float)), Sampling(temperature=0.5))


def top_p(n, p):
    return probabilities(np.log(np.array(n, float)), Sampling(temperature=1.0, top_p=p))


def drawn(u):
    edges = [Fraction(1, 5), Fraction(1, 5), Fraction(7, 10), Fraction(1)]
    return next(i for i, edge in enumerate(edges) if Fraction(str(u)) < edge)


def bits(n, b, nats):
    return math.log2(math.exp(nats)) * n / b


def interval(d):
    found = t_interval(d)
    return statistics.mean(d), found.half_width


def one_of_many(m):
    return sum(math.comb(m, k) * 0.05**k * 0.95 ** (m - k) for k in range(1, m + 1))


SECOND = {
    "a-product-and-a-bend": lambda a, b, c: slopes(lambda x, y, z: x * y + z.relu(), a, b, c),
    "used-twice": lambda x, k: slopes(lambda a: a * a + a * k, x)[1],
    "along-a-chain": lambda a, b, x: slopes(lambda z: (z * a + b) ** 2, x),
    "a-nudge": lambda x, h: (
        ((x + h) ** 3 - x**3) / h - 3 * x * x,
        ((x + h) ** 3 - (x - h) ** 3) / (2 * h) - 3 * x * x,
    ),
    "two-roads": lambda a, m, k: slopes(lambda x: (x * m) * (x * m + k), a)[1],
    "doublings": doubling_walk,
    "called-twice": called_twice,
    "spoken-too-early": spoken_too_early,
    "slopes-of-a-quotient": lambda a, b: slopes(lambda x, y: x / y, a, b)[1:],
    "a-number-on-the-left": lambda k, x: slopes(lambda z: k - z * z, x),
    "softmax-of-logarithms": lambda n: [p.data for p in F.softmax(logs(n))],
    "surprise": lambda p: (-math.log(1 / p), math.log(p) / math.log(2)),
    "slopes-of-a-loss": loss_slopes,
    "a-shift": shifted,
    "a-model-that-knows-nothing": lambda v: (
        loss := F.cross_entropy([Value(0.0)] * 2, 0).data / math.log(2) * math.log(v),
        math.exp(loss),
    ),
    "counted": counted,
    "what-a-text-costs": lambda n, k: (
        cost := sum(-math.log(p) for p in [0.5] * k + [1.0] * (n - k)) / n,
        math.exp(cost),
    ),
    "a-mean-of-means": lambda n, a, m, b: (
        statistics.mean([a] * n + [b] * m),
        statistics.mean([statistics.mean([a] * n), statistics.mean([b] * m)]),
    ),
    "more-than-it-must": more_than_it_must,
    "never-seen": lambda v, counts, add: (row := [add + n for n in [*counts, *[0] * (v - 3)]])[-1] / sum(row),
    "a-product-back": product_back,
    "a-row-that-was-repeated": repeated,
    "sizes": lambda b, t, c, n: (
        (np.zeros((b, t, c)) @ np.zeros((n, c)).T).size,
        np.zeros((b, t, c)).size,
        np.zeros((n, c)).size,
    ),
    "an-id-twice": lookup,
    "multiplications": multiplications,
    "a-norm": lambda x: [
        math.sqrt(statistics.mean(one * one for one in x)),
        *vjp(ops.rms_norm, x, g=[0, 0], eps=0.0)[0],
    ],
    "a-norm-back": rms_back,
    "a-layer-norm": lambda a, b: vjp(ops.layer_norm, [a, a, b, b], g=[0] * 4, eps=0.0)[0],
    "a-layer-norm-back": lambda g: vjp(ops.layer_norm, [1, 1, 3, 3], g=[g, 0, 0, 0], eps=0.0)[1][0],
    "where-eps-stands": lambda s: (vjp(ops.rms_norm, [s, s], g=[0, 0], eps=1e-5)[0][0], 1 / (1 + 1e-5 / s)),
    "two-keys": two_keys,
    "without-the-scale": lambda k: [p.data for p in F.softmax([Value(0.0), Value(2 * math.log(k))])],
    "nothing-asked": nothing_asked,
    "masked-by-zero": masked_by_zero,
    "heads": lambda c, h, b, t: (d := len(np.split(np.zeros(c), h)[0]), d**0.5, np.zeros((b, h, t, t)).size),
    "parameters": lambda v, t, n, c: built(v, t, n, c, tied=False),
    "a-tied-head": lambda v, t, n, c: (
        built(v, t, n, c, tied=True),
        built(v, t, n, c, tied=False) - built(v, t, n, c, tied=True),
    ),
    "the-first-loss": lambda v, loss: (
        round(-math.log(1 / v), 2),
        "yes" if (v, loss) in ((27, 3.3), (65, 4.2)) else "no",
    ),
    "operations": lambda n, t: 6 * (n * 1e6) * (t * 1e6),
    "a-road-that-goes-through": road,
    "the-first-step": lambda lr, g: adam(lr, g, correct=True),
    "without-correction": lambda lr, g: adam(lr, g, correct=False),
    "clipped": lambda a, b, most: np.array([a, b]) / max(1.0, np.linalg.norm([a, b]) / most),
    "parts-of-a-batch": lambda n, a, m, b: statistics.mean([a] * n + [b] * m),
    "decay-alone": lambda lr, decay, p: p * (1 - lr * decay),
    "colder": heated,
    "a-top-p": top_p,
    "a-draw": drawn,
    "rows-of-keys": lambda t: (sum(range(1, t + 1)), sum(1 for _ in range(t))),
    "bytes-of-a-cache": lambda n, t, h, d: 2 * np.zeros((n, h, t, d), np.float32).nbytes,
    "pairs-that-overlap": lambda row: sum(a == b == "a" for a, b in itertools.pairwise(row)),
    "the-first-learned-first": lambda w, x, y: " ".join([w, x + y]),
    "bits-a-byte": bits,
    "what-merges-cost": lambda n, c: built(27 + n, 8, 1, c, tied=True) - built(27, 8, 1, c, tied=True),
    "bytes-of-a-word": lambda word: len(word.encode()),
    "five-differences": interval,
    "the-smallest-p": lambda n: sign_flip_p([0.01] * n),
    "seeds-that-are-needed": lambda alpha: least_seeds(alpha=alpha),
    "one-of-many": one_of_many,
    "the-smallest-of-four": lambda p: 1000 * min(holm([one / 1000 for one in p])),
}
T = 3e-4
"""2.776 has four figures, so the interval has as many; everything else is compared to 1e-9."""


def test_there_are_sixty_five_a_lesson_each_with_a_second_way():
    assert Counter(item.lesson for item in BANK) == dict.fromkeys(range(1, 13), 5)
    assert {item.name for item in BANK} == set(SECOND)
    assert len(SECOND) == 60


@pytest.mark.parametrize("item", BANK, ids=[item.name for item in BANK])
def test_a_key_is_right(item):
    for seed in range(6):
        numbers = item.drawn(random.Random(seed))
        found = SECOND[item.name](**numbers)
        found = list(found) if isinstance(found, (tuple, list, np.ndarray)) else [found]
        key = item.key(numbers)
        assert len(found) == len(key), (item.asked(numbers), key, found)
        for a, b in zip(key, found, strict=True):
            close = T if item.name == "five-differences" else 1e-9
            assert a == b if isinstance(a, str) else math.isclose(a, b, rel_tol=close, abs_tol=1e-9), (
                numbers,
                key,
                found,
            )
