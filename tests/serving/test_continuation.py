"""A text as it goes on: pieces join to the whole, stop strings are never shown, tokens are told with their words."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from served import WORDS, model, said, text

from nanochat.inference.detokenizer import detokenizer
from nanochat.inference.samplers import Sampling, log_softmax
from nanochat.inference.stopping import stop_at
from nanochat.serving.batch import Batch
from nanochat.serving.continuation import Ask, Continuation


def scripted(ids, stops=(), n_likeliest=2) -> Continuation:
    """A text that these ids become, whatever is drawn with: the model is sure."""
    events = []
    ask = Ask(
        prompt_ids=(0,),
        sampling=Sampling(temperature=0),
        seed=(0, 0),
        max_new_tokens=len(ids),
        context=1000,
        stops=stops,
        n_likeliest=n_likeliest,
    )
    made = Continuation(ask, detokenizer(WORDS), events.append)
    made.events = events
    for id_ in ids:
        if not made.finish:
            made.extend(np.where(np.arange(WORDS.vocab_size) == id_, 5.0, 0.0))
    return made


IDS = st.lists(st.integers(1, WORDS.vocab_size - 1), min_size=1, max_size=12)
STOPS = st.lists(
    st.sampled_from(
        ["s", " is", "' s", "capital of", "yes no", '" '],
    ),
    max_size=3,
    unique=True,
)


@given(IDS, STOPS)
def test_events_join_to_what_a_stream_shows(ids, stops):
    made = scripted(ids, tuple(stops))
    assert said(made) == "".join(stop_at(WORDS.decode_stream(ids), stops))
    assert [bool(event.finish) for event in made.events] == [False] * (len(made.events) - 1) + [True]


@given(IDS, STOPS)
@example([1, WORDS.encode("'")[0]], [])  # an apostrophe waits for what never comes
def test_tokens_join_to_the_text_and_come_with_their_words(ids, stops):
    made = scripted(ids, tuple(stops))
    shown = tokens = ""
    for event in made.events:
        shown += event.text
        begins = [len(tokens) + len("".join(t.text for t in event.tokens[:i])) for i in range(len(event.tokens))]
        assert all(begin <= len(shown) for begin in begins)
        tokens += "".join(token.text for token in event.tokens)
        assert tokens.startswith(shown) or shown.startswith(tokens)
    if not stops:
        assert tokens == shown


def test_log_probabilities_are_those_of_the_model():
    lm = model()
    made = text(lm, "what is", 3, n=10, n_likeliest=4)
    batch = Batch(lm.model)
    batch.join(made)
    while batch.live:
        batch.step()
    told = [token for event in made.events for token in event.tokens]
    ids, n = made.ids, len(made.ask.prompt_ids)
    z = lm.logits(ids)
    for i, token in enumerate(told):
        log_p = log_softmax(z[n - 1 + i], banned=made.ask.banned)
        assert abs(token.logprob - log_p[ids[n + i]]) < 2e-5  # float32, another order of sums
        assert [one.logprob for one in token.likeliest] == sorted((o.logprob for o in token.likeliest), reverse=True)
    assert len(told) == made.n_new
