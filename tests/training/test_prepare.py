"""What stands ready before the first step: settings that the data make meaningless are said and left out."""

import pytest

from nanochat.errors import NanochatWarning
from nanochat.machine import one_blas_thread
from nanochat.training.backends import numpy as backend
from nanochat.training.prepare import prepare
from nanochat.training.resolve import resolve


@pytest.mark.parametrize(("preset", "source"), [("nanochat-words", "builtin:verse"), ("bigram", "builtin:names")])
def test_packing_gives_way_where_windows_are_cut(preset, source):
    settings = {"preset": preset, "data": {"source": source, "tokenizer": "char", "packing": "isolated"}}
    with pytest.warns(NanochatWarning, match="packing='isolated' is for documents"):
        session = prepare(resolve(settings))
    assert session.config.data.packing == session.batches.packing == "none"


@pytest.mark.parametrize(("cores", "replicas"), [(1, 1), (3, 3), (64, 12)])
def test_a_batch_is_split_over_the_cores_that_are_allowed(monkeypatch, cores, replicas):
    monkeypatch.setattr(backend, "cores", lambda: cores)
    config = resolve({"preset": "nanogpt-cpu"})
    assert config.engine.replicas(config.training, config.model.block_size) == replicas


def test_a_share_of_the_cores_changes_the_threads_and_not_the_parts_of_a_batch(monkeypatch):
    monkeypatch.setattr(backend, "cores", lambda: 4)
    config = resolve({"preset": "nanogpt-cpu", "data": {"source": "builtin:verse"}})
    with one_blas_thread():  # as in a sweep with a process a core
        session = prepare(config)
    assert session.config.training.replicas == 4
    assert session.accumulate.__self__.n_workers == 1
