"""What the page sees of the model is what the model draws from, and what its layers compute."""

import numpy as np
import pytest
from served import LETTERS, WORDS, model

from nanochat.data.chat import ChatTemplate, Message
from nanochat.inference.chat import prompt_ids
from nanochat.inference.samplers import Sampling, probabilities

ASK = {"text": "what is the capital"}


def test_the_model_says_what_it_is(tiny):
    card = tiny.ask("GET", "/api/model").json
    lm = model()
    assert (card["name"], card["kind"], card["tokenizer"]) == ("tiny", "gpt", "word")
    assert (card["context"], card["vocab_size"]) == (lm.context, WORDS.vocab_size)
    assert card["config"]["n_layer"] == lm.config.n_layer
    assert (card["chat"], card["can_trace"], card["reproducible"]) == (True, True, True)
    assert card["limits"]["trace_tokens"] == lm.context


@pytest.mark.parametrize("text", ["", "what is", "Lima . it ' s", 'the " capital " of', "<|user|> Lima"])
def test_tokens_join_to_what_the_model_reads(tiny, text):
    found = tiny.post("/api/tokenize", {"text": text}).json
    ids = model().encode(text)
    assert [token["id"] for token in found["tokens"]] == ids
    assert "".join(token["text"] for token in found["tokens"]) == WORDS.decode(ids)


def test_a_question_is_read_as_the_users_turn(tiny):
    found = tiny.post("/api/tokenize", {"text": "what is", "chat": True}).json["tokens"]
    assert [token["id"] for token in found] == prompt_ids(WORDS, ChatTemplate(), (Message("user", "what is"),))
    assert [token["name"] for token in found][:2] == ["<|bos|>", "<|user|>"]


def test_a_text_longer_than_the_context_loses_its_beginning_and_says_so(tiny):
    text = " ".join(["Lima"] * 60)
    for path in ("tokenize", "next", "trace"):
        found = tiny.post(f"/api/{path}", {"text": text}).json
        assert len(found["tokens"]) == model().context
        assert found["n_dropped"] == len(model().encode(text)) - model().context


def test_what_may_come_next_is_what_a_completion_draws_from(tiny):
    """The log probabilities of /v1 are of the same logits, bit for bit."""
    found = tiny.post("/api/next", {**ASK, "n": 20}).json["candidates"]
    body = {"prompt": ASK["text"], "max_tokens": 1, "logprobs": 20, "temperature": 0}
    drawn = tiny.post("/v1/completions", body).json["choices"][0]["logprobs"]
    assert {one["text"]: one["p"] for one in found} == {
        text: float(np.exp(logprob)) for text, logprob in drawn["top_logprobs"][0].items()
    }


def test_settings_cut_and_sharpen_what_is_drawn(tiny):
    settings = {"temperature": 0.7, "top_k": 9, "top_p": 0.8, "min_p": 0.05, "repetition_penalty": 1.3}
    found = tiny.post("/api/next", {**ASK, **settings, "n": 50}).json
    lm = model()
    ids = lm.encode(ASK["text"])
    limits = lm.limits()
    expected = probabilities(
        lm.logits(ids)[-1], Sampling(**settings), banned=limits["banned"], seen=set(ids) - set(limits["stop_ids"])
    )
    for one in found["candidates"]:
        assert one["p_sampled"] == pytest.approx(expected[one["id"]], abs=2e-5)  # float32 by another order of sums
    assert found["kept"] == (expected > 0).sum()
    for p, rest, entropy in (("p", "rest", "entropy_bits"), ("p_sampled", "rest_sampled", "entropy_bits_sampled")):
        shares = np.array([one[p] for one in found["candidates"]])
        assert shares.sum() + found[rest] == pytest.approx(1)
        if found[rest] == 0:
            assert found[entropy] == pytest.approx(-(shares[shares > 0] * np.log2(shares[shares > 0])).sum())


def test_a_token_that_is_chosen_goes_on_by_its_id(tiny):
    first = tiny.post("/api/next", ASK).json
    chosen = next(one for one in first["candidates"] if not one["ends"])
    ids = [token["id"] for token in first["tokens"]] + [chosen["id"]]
    second = tiny.post("/api/next", {"ids": ids}).json
    assert [token["id"] for token in second["tokens"]] == ids
    assert (
        "".join(token["text"] for token in second["tokens"])
        == "".join(t["text"] for t in first["tokens"]) + (chosen["text"])
    )


def test_what_ends_a_text_is_marked(tiny):
    found = tiny.post("/api/next", {**ASK, "n": 50}).json["candidates"]
    assert {one["id"] for one in found if one["ends"]} <= set(model().limits()["stop_ids"])
    assert any(one["ends"] for one in found)


def test_a_trace_is_of_the_model(tiny):
    found = tiny.post("/api/trace", {**ASK, "n": 2}).json
    lm = model()
    ids = [token["id"] for token in found["tokens"]]
    logits = lm.logits(ids)
    p = np.exp(logits - logits.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    assert found["tokens"][0]["p"] is None
    assert [token["p"] for token in found["tokens"][1:]] == pytest.approx(
        [float(p[t, id_]) for t, id_ in enumerate(ids[1:])],
        abs=1e-5,  # five decimals
    )
    assert len(found["attention"]) == found["n_layer"] == lm.config.n_layer
    for layer in found["attention"]:
        assert len(layer) == found["n_head"] == lm.config.n_head
        for head in layer:
            assert [len(row) for row in head] == list(range(1, len(ids) + 1))
            assert all(sum(row) == pytest.approx(1, abs=1e-4 * len(row)) for row in head)  # four decimals each
    assert len(found["lens"]) == len(found["residual_norms"]) == lm.config.n_layer + 1
    assert [guess[0]["id"] for guess in found["lens"][-1]] == p.argmax(-1).tolist()


def test_examples_are_of_the_model_and_always_the_same(tiny):
    first = tiny.ask("GET", "/api/examples").json
    assert first == tiny.ask("GET", "/api/examples").json
    assert 0 < len(first["texts"]) <= 3
    for text in (*first["texts"], *first["questions"]):
        assert text == text.strip() != ""
        assert tiny.post("/api/next", {"text": text}).status == 200


@pytest.mark.parametrize(
    ("path", "body", "code", "param"),
    [
        ("next", {}, "invalid_value", "text"),
        ("next", {"text": "what", "ids": [1]}, "invalid_value", "text"),
        ("next", {"ids": []}, "invalid_value", "ids"),
        ("next", {"ids": [10_000]}, "invalid_value", "ids"),
        ("next", {"ids": [-1]}, "invalid_value", "ids.0"),
        ("next", {"text": "what", "n": 51}, "invalid_value", "n"),
        ("next", {"text": "what", "n": 0}, "invalid_value", "n"),
        ("next", {"text": "what", "temperature": -1}, "invalid_value", "temperature"),
        ("next", {"text": "what", "temprature": 1}, "unknown_parameter", "temprature"),
        ("next", {"text": "", "chat": True}, "invalid_value", "text"),
        ("trace", {"text": "what", "n": 21}, "invalid_value", "n"),
        ("tokenize", {}, "invalid_value", "text"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tiny, path, body, code, param):
    answer = tiny.post(f"/api/{path}", body)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, code, param)


def test_a_model_of_letters_has_no_questions_and_a_bigram_no_layers():
    pytest.importorskip("starlette", reason="needs the extra serve")
    from running import site
    from served import bigram

    with site(model(is_letters=True)) as letters:
        assert letters.ask("GET", "/api/examples").json["questions"] == []
        refused = letters.post("/api/next", {"text": "what", "chat": True})
        assert refused.error["code"] == "model_cannot_chat"
        unknown = letters.post("/api/next", {"text": "Ж"})
        assert (unknown.status, unknown.error["param"]) == (400, "text")
    with site(bigram()) as pairs:
        assert not pairs.ask("GET", "/api/model").json["can_trace"]
        assert pairs.post("/api/trace", {"text": "what"}).error["code"] == "cannot_trace"
        tokens = pairs.post("/api/next", {"text": "what is"}).json["tokens"]
        assert "".join(token["text"] for token in tokens) == LETTERS.decode(bigram().encode("what is"))


def test_a_scalar_model_is_looked_into_like_any_other():
    pytest.importorskip("starlette", reason="needs the extra serve")
    from running import site

    with site(model(mode="scalar", block_size=8)) as scalar, site(model(block_size=8)) as arrays:
        ours, theirs = (one.post("/api/trace", ASK).json for one in (scalar, arrays))
    assert [len(row) for row in ours["attention"][0][0]] == [len(row) for row in theirs["attention"][0][0]]
    assert np.allclose(ours["residual_norms"], theirs["residual_norms"], atol=1e-3)  # float64 and float32
