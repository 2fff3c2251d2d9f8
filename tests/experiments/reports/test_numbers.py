import math

from nanochat.experiments.reports.numbers import digits, p_text, signed


def test_numbers_are_spelled_to_be_read():
    assert [digits(x) for x in (2.41004, 0.0, 1e142, float("nan"))] == ["2.4100", "0.0000", "1.00e+142", "-"]


def test_numbers_are_spelled_with_their_sign():
    assert [signed(x) for x in (0.01, -0.01, 0, math.nan)] == ["+0.0100", "-0.0100", "0.0000", "-"]
    assert signed(-0.00001) == "-1.00e-05"
    assert [p_text(p) for p in (1, 0.0078125, 0.00001, math.nan)] == ["1", "0.0078", "< 0.0001", "-"]
    assert [p_text(p, "= ") for p in (0.0078125, 0.00001)] == ["= 0.0078", "< 0.0001"]
