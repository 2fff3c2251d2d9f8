"""What stands ready before the first step: settings that the data make meaningless are said and left out."""

import pytest

from nanochat.errors import NanochatWarning
from nanochat.training.prepare import prepare
from nanochat.training.resolve import resolve


@pytest.mark.parametrize(("preset", "source"), [("nanochat-words", "builtin:verse"), ("bigram", "builtin:names")])
def test_packing_gives_way_where_windows_are_cut(preset, source):
    settings = {"preset": preset, "data": {"source": source, "tokenizer": "char", "packing": "isolated"}}
    with pytest.warns(NanochatWarning, match="packing='isolated' is for documents"):
        workshop = prepare(resolve(settings))
    assert workshop.config.data.packing == workshop.batches.packing == "none"
