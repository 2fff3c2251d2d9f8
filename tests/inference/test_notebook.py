"""A language model in a notebook: what it is, and texts that are shown and not obeyed."""

from nanochat.errors import GuardError
from nanochat.inference.notebook import N_SAMPLES, bundle, samples_of


def test_what_a_model_writes_has_no_power_over_the_page():
    shown = bundle("a <model>", object(), {"data": "<script>"}, ["<b>\x1b[31m" + "x" * 5000])["text/html"]
    assert "<script>" not in shown
    assert "<b>" not in shown
    assert "\x1b" not in shown
    assert len(shown) < 1000


def test_a_model_that_cannot_write_says_so():
    def refuse(seed):
        raise GuardError(f"seed {seed} has no text")

    assert samples_of(str) == [str(seed) for seed in range(N_SAMPLES)]
    assert samples_of(refuse) == ["no text: seed 0 has no text"]
