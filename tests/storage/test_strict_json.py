"""JSON that means one thing, and what it has no word for."""

import math

import pytest

from nanochat.storage.strict_json import STRICT_JSON, LooseJSON, finite_or_null


@pytest.mark.parametrize("text", ["NaN", "[-Infinity]", "1e999", '{"a": 1, "a": 2}', '{"b": {"a": 1, "a": 1}}'])
def test_what_means_two_things_or_nothing_is_refused(text):
    with pytest.raises(LooseJSON):
        STRICT_JSON.decode(text)


def test_what_is_not_finite_is_null_wherever_it_stands():
    content = {"loss": math.nan, "steps": 3, "rows": [(1.5, math.inf), {"low": -math.inf, "name": "nan"}]}
    assert finite_or_null(content) == {"loss": None, "steps": 3, "rows": [[1.5, None], {"low": None, "name": "nan"}]}
    assert [finite_or_null(x) for x in (math.nan, 0.0, None, True, "inf")] == [None, 0.0, None, True, "inf"]
