"""Which answers have one shape."""

from nanochat.course.grading.alike import find_alike, normalised

PLAIN = """
import math


def soft(xs, high):
    total = 0.0
    for x in xs:
        total += math.exp(x - high)
    return total
"""
RENAMED = '''
import math  # for exp


def soft(row: list[float], top: float) -> float:
    """The total."""
    n: float = 0.0
    for one in row: n += math.exp(one - top)
    return n
'''


def test_names_comments_words_and_types_change_no_shape():
    assert normalised(PLAIN) == normalised(RENAMED)


def test_another_formula_number_function_or_order_does():
    changes = [("-", "+"), ("0.0", "1.0"), ("exp", "log"), ("total += ", "total = total + ")]
    shapes = {normalised(PLAIN), *(normalised(PLAIN.replace(*change)) for change in changes)}
    assert len(shapes) == 5


def test_a_builtin_keeps_its_name():
    assert normalised("def f(x):\n    return max(x)\n") != normalised("def f(x):\n    return min(x)\n")


def test_two_names_in_each_others_place_are_another_shape():
    assert normalised("def f(a, b):\n    return a - b\n") != normalised("def f(a, b):\n    return b - a\n")


def test_only_one_variant_of_one_exercise_is_compared():
    answers = [("a", "1a", "x", PLAIN), ("b", "1a", "x", RENAMED), ("c", "1a", "y", PLAIN), ("d", "1b", "x", PLAIN)]
    assert [(one.key, one.variant, one.submissions) for one in find_alike(answers)] == [("1a", "x", ("a", "b"))]


def test_what_python_cannot_read_is_like_nothing():
    assert find_alike([("a", "1a", "x", "def"), ("b", "1a", "x", "def")]) == []
    assert normalised("(" * 500 + ")" * 500) == ""
