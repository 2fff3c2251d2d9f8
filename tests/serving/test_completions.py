"""What OpenAI's own client gets: texts, chats, streams, seeds, log probabilities, and errors that it understands."""

import numpy as np
import pytest
from served import model

from nanochat.inference.samplers import log_softmax

ASK = [{"role": "user", "content": "what is the capital of Peru ?"}]
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"


def streamed(chunks):
    """(text, finish reasons, usage) of a stream."""
    chunks = list(chunks)
    assert len({chunk.id for chunk in chunks}) == 1
    choices = [choice for chunk in chunks for choice in chunk.choices]
    pieces = [choice.delta.content or "" if hasattr(choice, "delta") else choice.text for choice in choices]
    return "".join(pieces), [c.finish_reason for c in choices if c.finish_reason], chunks[-1].usage


def test_the_model_is_listed_under_its_name(client):
    assert [card.id for card in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "nanochat"


@pytest.mark.parametrize("seed", range(4))
def test_a_stream_is_the_whole_answer_in_pieces(client, seed):
    asked = {"model": "tiny", "seed": seed, "temperature": 1.2}
    usage = {"stream": True, "stream_options": {"include_usage": True}}
    whole = client.chat.completions.create(**asked, messages=ASK, max_completion_tokens=20)
    text, finish, counted = streamed(
        client.chat.completions.create(**asked, **usage, messages=ASK, max_completion_tokens=20)
    )
    assert text == whole.choices[0].message.content
    assert finish == [whole.choices[0].finish_reason]
    assert counted == whole.usage
    whole = client.completions.create(**asked, prompt="what is", max_tokens=20)
    text, finish, counted = streamed(client.completions.create(**asked, **usage, prompt="what is", max_tokens=20))
    assert (text, finish, counted) == (whole.choices[0].text, [whole.choices[0].finish_reason], whole.usage)


def test_choices_are_what_generate_batch_draws(client):
    got = client.completions.create(model="tiny", prompt="what is", n=3, seed=7, max_tokens=9, temperature=1.0)
    expected = list(model().generate_batch(["what is"] * 3, seed=7, max_new_tokens=9, temperature=1.0))
    assert ["what is" + choice.text for choice in got.choices] == expected
    assert [choice.index for choice in got.choices] == [0, 1, 2]


def test_a_seed_that_was_drawn_is_told_and_can_be_given(client):
    first = client.completions.with_raw_response.create(model="tiny", prompt="what is", max_tokens=9)
    again = client.completions.create(
        model="tiny", prompt="what is", max_tokens=9, seed=int(first.headers["x-nanochat-seed"])
    )
    assert again.choices[0].text == first.parse().choices[0].text


def test_prompts_are_texts_or_ids_one_or_several(client):
    ids = model().read("what is")
    asked = {"model": "tiny", "temperature": 0, "max_tokens": 4}
    one = client.completions.create(**asked, prompt=ids)
    two = client.completions.create(**asked, prompt=["what is", "Lima"], n=2)
    texts = [choice.text for choice in two.choices]
    assert texts[0] == texts[1]
    assert texts[0].split() == one.choices[0].text.split()
    assert two.usage.prompt_tokens == len(ids) + len(model().read("Lima"))


def test_log_probabilities_are_the_models(client):
    lm = model()
    got = client.completions.create(model="tiny", prompt="what is", temperature=0, max_tokens=4, logprobs=3)
    told = got.choices[0].logprobs
    assert "".join(told.tokens) == got.choices[0].text
    text = got.choices[0].text
    assert [text[o : o + len(t)] for o, t in zip(told.text_offset, told.tokens, strict=True)] == told.tokens
    ids = lm.read("what is")
    for value, others in zip(told.token_logprobs, told.top_logprobs, strict=True):
        log_p = log_softmax(lm.logits(ids)[-1], banned=lm.limits()["banned"])
        assert abs(value - log_p.max()) < 2e-5  # float32, and greedy takes the likeliest
        assert len(others) in (3, 4)
        ids.append(int(log_p.argmax()))
    assert got.usage.completion_tokens == len(told.tokens)


def test_log_probabilities_of_a_chat_join_to_its_content(client):
    got = client.chat.completions.create(
        model="tiny", messages=ASK, seed=3, max_tokens=8, logprobs=True, top_logprobs=5
    ).choices[0]
    assert "".join(one.token for one in got.logprobs.content) == got.message.content
    assert all(len(one.top_logprobs) == 5 for one in got.logprobs.content)
    none = client.chat.completions.create(model="tiny", messages=ASK, seed=3, max_tokens=8, logprobs=True).choices[0]
    assert all(one.top_logprobs == [] for one in none.logprobs.content)


def test_a_stop_string_is_not_shown(client):
    asked = {"model": "tiny", "prompt": "what is", "seed": 5, "max_tokens": 12}
    text = client.completions.create(**asked).choices[0].text
    stop = text[4:7]
    got = client.completions.create(**asked, stop=[stop])
    assert got.choices[0].finish_reason == "stop"
    assert got.choices[0].text == text[: text.index(stop)]
    assert streamed(client.completions.create(**asked, stop=stop, stream=True))[0] == got.choices[0].text


def test_an_answer_of_no_token_is_empty(client):
    got = client.completions.create(model="tiny", prompt="what is", max_tokens=0)
    assert (got.choices[0].text, got.choices[0].finish_reason, got.usage.completion_tokens) == ("", "length", 0)


def test_the_context_ends_an_answer(tiny):
    got = tiny.post(TEXT, {"prompt": "what is", "max_tokens": 10_000, "seed": 6, "n": 8}).json
    full = [choice for choice in got["choices"] if choice["finish_reason"] == "length"]
    assert full


def test_a_long_history_loses_its_oldest_turns_and_says_so(tiny):
    turn = [{"role": "user", "content": "what is the capital"}, {"role": "assistant", "content": "Lima , Lima , yes"}]
    answer = tiny.post(CHAT, {"messages": [*turn * 6, *ASK], "max_tokens": 2, "seed": 1})
    n_dropped = int(answer.headers["x-nanochat-dropped-turns"])
    assert 1 <= n_dropped <= 6
    same = tiny.post(CHAT, {"messages": [*turn * (6 - n_dropped), *ASK], "max_tokens": 2, "seed": 1})
    assert "x-nanochat-dropped-turns" not in same.headers
    assert same.json["choices"][0]["message"] == answer.json["choices"][0]["message"]


def test_messages_of_one_side_in_a_row_are_one(tiny):
    split = [{"role": "user", "content": "what is"}, {"role": "user", "content": [{"type": "text", "text": "Lima"}]}]
    joined = [{"role": "user", "content": "what is\n\nLima"}]
    answers = [tiny.post(CHAT, {"messages": one, "seed": 2, "max_tokens": 5}) for one in (split, joined)]
    assert answers[0].json["choices"] == answers[1].json["choices"]


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"messages": None}, "invalid_value", "messages"),
        ({"messages": "x"}, "invalid_value", "messages"),
        ({"messages": []}, "invalid_value", "messages"),
        ({"messages": [123]}, "invalid_value", "messages.0"),
        ({"messages": [{}]}, "invalid_value", "messages.0.role"),
        ({"messages": [{"role": "user", "content": ""}]}, "invalid_value", "messages"),
        ({"messages": [*ASK, {"role": "assistant", "content": "b"}]}, "invalid_value", "messages"),
        ({"messages": [{**ASK[0], "contnt": "b"}]}, "unknown_parameter", "messages.0.contnt"),
        ({"messages": [{**ASK[0], "name": "Ann"}]}, "unsupported_parameter", "messages.0.name"),
        ({"messages": [*ASK, {**ASK[0], "tool_calls": [{}]}]}, "unsupported_parameter", "messages.1.tool_calls"),
        ({"messages": ASK, "max_tokens": 3, "max_completion_tokens": 4}, "invalid_value", "max_tokens"),
        ({"messages": ASK, "temprature": 1}, "unknown_parameter", "temprature"),
        ({"messages": ASK, "temperature": -1}, "invalid_value", "temperature"),
        ({"messages": ASK, "temperature": "hot"}, "invalid_value", "temperature"),
        ({"messages": ASK, "n": 0}, "invalid_value", "n"),
        ({"messages": ASK, "n": 9}, "invalid_value", "n"),
        ({"messages": ASK, "top_logprobs": 3}, "invalid_value", "top_logprobs"),
        ({"messages": ASK, "logprobs": True, "top_logprobs": 21}, "invalid_value", "top_logprobs"),
        ({"messages": ASK, "tools": [{}]}, "unsupported_parameter", "tools"),
        ({"messages": ASK, "logit_bias": {"5": 1}}, "unsupported_parameter", "logit_bias"),
        ({"messages": ASK, "frequency_penalty": 0.5}, "unsupported_parameter", "frequency_penalty"),
        ({"messages": ASK, "response_format": {"type": "json_object"}}, "unsupported_parameter", "response_format"),
        ({"messages": ASK, "stop": ""}, "invalid_value", "stop"),
        ({"messages": ASK, "stop": ["a"] * 5}, "invalid_value", "stop"),
        ({"messages": ASK, "stream_options": {"include_usage": True}}, "invalid_value", "stream_options"),
        ({"messages": ASK, "model": "gpt-4"}, "model_not_found", "model"),
        ({"messages": [{"role": "user", "content": "yes " * 60}]}, "context_length_exceeded", "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "invalid_value", None),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tiny, body, code, param):
    for stream in ({}, {"stream": True}) if "stream_options" not in body else ({},):
        answer = tiny.post(CHAT, body | stream)
        assert answer.status == (404 if code == "model_not_found" else 400)
        assert answer.error["code"] == code, answer.error
        assert param is None or answer.error["param"] == param, answer.error


@pytest.mark.parametrize(
    ("stop", "words"), [(["a"] * 5, "at most 4 items"), ([""], "at least 1 character"), (5, "a valid string")]
)
def test_what_is_wrong_is_said_of_the_kind_that_was_given(tiny, stop, words):
    assert words in tiny.post(TEXT, {"prompt": "what", "stop": stop}).error["message"]


def test_an_answer_can_be_sent_back_as_it_came(client):
    said = client.chat.completions.create(model="tiny", messages=ASK, max_tokens=3, seed=1).choices[0].message
    echoed = {**said.to_dict(), "content": "Lima", "annotations": [], "tool_calls": None}
    assert client.chat.completions.create(model="tiny", messages=[*ASK, echoed, *ASK], max_tokens=1).choices


def test_what_changes_nothing_is_taken(tiny):
    neutral = {"frequency_penalty": 0, "logit_bias": {}, "tools": [], "user": "a", "response_format": {"type": "text"}}
    assert tiny.post(CHAT, {"messages": ASK, "max_tokens": 1, **neutral, "tool_choice": None}).status == 200
    assert (
        tiny.post(TEXT, {"prompt": "what", "max_tokens": 1, "echo": False, "best_of": 1, "suffix": None}).status == 200
    )


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 40_000),
        *(b'{"prompt":NaN}', b'{"prompt":"\\ud800"}', b'{"prompt":"what","seed":1e999}'),
        *(b'{"prompt":"what","max_tokens":99999999999999999999999}', b'{"prompt":"what","temperature":1e400}'),
        *(
            b'{"prompt":"a","prompt":"b"}',
            b'{"prompt":"a","metadata":{"b":1,"b":2}}',
        ),
        *(b'{"prompt":[]}', b'{"prompt":[1,"a"]}', b'{"prompt":[[]]}', b'{"prompt":[99999]}', b'{"prompt":[-1]}'),
    ],
    ids=range(20),
)
def test_a_body_that_is_no_request_is_refused(tiny, body):
    answer = tiny.post(TEXT, body)
    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"


def test_the_client_raises_its_own_errors(client):
    import openai

    with pytest.raises(openai.BadRequestError) as wrong:
        client.chat.completions.create(model="tiny", messages=ASK, temperature=-1)
    assert wrong.value.param == "temperature"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nope", messages=ASK)


def test_a_text_has_the_same_bytes_in_a_crowd(tiny):
    from concurrent.futures import ThreadPoolExecutor

    def ask(seed):
        body = {"prompt": "what is", "seed": seed, "max_tokens": 30, "logprobs": 3}
        return tiny.post(TEXT, body).json["choices"]

    alone = [ask(seed) for seed in range(12)]
    with ThreadPoolExecutor(12) as crowd:
        assert list(crowd.map(ask, range(12))) == alone


def test_a_model_of_letters_goes_on_from_a_text_and_is_not_chatted_with():
    pytest.importorskip("starlette", reason="needs the extra serve")
    from running import site

    with site(model(is_letters=True)) as running:
        assert running.post(CHAT, {"messages": ASK}).error["code"] == "model_cannot_chat"
        got = running.post(TEXT, {"prompt": "what", "seed": 1, "max_tokens": 6}).json["choices"][0]["text"]
        expected = list(model(is_letters=True).generate_batch(["what"], seed=1, max_new_tokens=6, temperature=1.0))
        assert ["what" + got] == expected


def test_a_strict_context_drops_nothing():
    pytest.importorskip("starlette", reason="needs the extra serve")
    from running import site

    turn = [{"role": "user", "content": "what is the capital"}, {"role": "assistant", "content": "Lima , Lima , yes"}]
    with site(model(), strict=True) as running:
        refused = running.post(CHAT, {"messages": [*turn * 6, *ASK], "max_tokens": 2})
        assert refused.error["code"] == "context_length_exceeded"


def test_a_model_that_is_not_finite_is_an_error_of_the_server():
    pytest.importorskip("starlette", reason="needs the extra serve")
    from running import site

    lm = model(window=8)
    broken = lm.model.state_dict()
    weights = {name: np.full_like(weight, np.nan) for name, weight in broken.items()}
    lm.model.load_state_dict(weights)
    try:
        with site(lm) as running:
            answer = running.post(TEXT, {"prompt": "what", "max_tokens": 2})
            assert (answer.status, answer.error["code"]) == (500, "model_not_finite")
            stream = running.post(TEXT, {"prompt": "what", "max_tokens": 2, "stream": True})
            assert b"model_not_finite" in stream.body
            assert stream.body.endswith(b"data: [DONE]\n\n")
    finally:
        lm.model.load_state_dict(broken)
