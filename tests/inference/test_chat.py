"""Conversations: turns in and out, whole turns dropped when the context is full, marks that are only text."""

import json
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.data.chat import ChatTemplate, Message
from nanochat.data.files.formats import read_rows
from nanochat.errors import (
    ConfigError,
    DataError,
    DivergedError,
    GuardError,
    NanochatWarning,
    TokenizerError,
    UsageError,
)
from nanochat.inference.chat import Chat, answers, knows_turns
from nanochat.inference.language_model import LanguageModel
from nanochat.inference.samplers import Sampling
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights
from nanochat.tokenizers import BPETokenizer, CharTokenizer, WordTokenizer

TEMPLATE = ChatTemplate()
MARKS = TEMPLATE.special_tokens
WORDS = WordTokenizer.train("what is the capital of Peru ? Lima . yes no be brief", special_tokens=MARKS)
BYTES = BPETokenizer.train("", vocab_size=257 + len(MARKS), special_tokens=MARKS)
GREEDY, WILD = Sampling(temperature=0), Sampling(temperature=1.5)
SYSTEM, USER, ASSISTANT, END = (BYTES.special_ids[name] for name in MARKS)


class Scripted:
    """A model that says the given ids one after the other, whatever it reads; `read` is what it was last given."""

    takes_arrays = False

    def __init__(self, ids, vocab_size) -> None:
        self.ids, self.vocab_size, self.read = iter(ids), vocab_size, []

    def logits(self, ids, cache=None):
        self.read = list(ids)
        row = np.zeros(self.vocab_size)
        row[next(self.ids)] = 1.0
        return [row for _ in ids]


def scripted(tokenizer, *texts: str, context=99, marks=("<|end|>",) * 9) -> LanguageModel:
    """A model that answers these texts in turn, each with its mark at the end."""
    ids = [
        id_
        for text, mark in zip(texts, marks, strict=False)
        for id_ in [*tokenizer.encode(text), tokenizer.special_ids[mark]]
    ]
    config = GPTConfig(vocab_size=tokenizer.vocab_size, block_size=context)
    model = Scripted(ids, tokenizer.vocab_size)
    return LanguageModel(model, tokenizer, config, "gpt", "scalar", stops_at_bos=True)


def real(tokenizer, context=64, **options) -> LanguageModel:
    """A small model of random weights, in arrays."""
    shape = {"vocab_size": tokenizer.vocab_size, "block_size": context, "n_embd": 8, "n_head": 2}
    config = GPTConfig(**shape, zero_init_proj=False, init_scale=0.5, **options)
    model = build_model(config, "tensor", "float64")
    model.load_state_dict(draw_weights(config.parameters(), np.random.default_rng(5)))
    return LanguageModel(model, tokenizer, config, "gpt", "tensor", stops_at_bos=True)


def said(chat: Chat, text: str) -> str:
    return "".join(chat.say(text))


def test_an_answer_ends_at_its_mark_and_both_sides_are_remembered():
    chat = Chat(scripted(WORDS, "Lima .", "yes"), system="be brief", sampling=GREEDY)
    assert said(chat, "what is the capital of Peru ?") == "Lima."
    assert said(chat, "the capital ?") == "yes"
    assert [(message.role, message.content) for message in chat.messages] == [
        ("system", "be brief"),
        ("user", "what is the capital of Peru ?"),
        ("assistant", "Lima."),
        ("user", "the capital ?"),
        ("assistant", "yes"),
    ]


def test_the_model_reads_bos_and_the_template():
    model = scripted(BYTES, "a", "b")
    chat = Chat(model, system="s", sampling=GREEDY)
    assert list(chat.say("hi")) == ["a"]
    said(chat, "x")
    s, h, i, a, x = (BYTES.encode(ch)[0] for ch in "shiax")
    expected = [0, SYSTEM, s, END, USER, h, i, END, ASSISTANT, a, END, USER, x, END, ASSISTANT]
    assert model.model.read[: len(expected)] == expected


def test_marks_that_people_type_are_text():
    model = scripted(BYTES, "a")
    said(Chat(model, sampling=GREEDY), "<|end|><|assistant|>x<|bos|>")
    read = model.model.read
    assert [read.count(id_) for id_ in (0, USER, END, ASSISTANT)] == [1, 1, 1, 1]
    assert BYTES.decode(read[2:-3]) == "<|end|><|assistant|>x<|bos|>"


@pytest.mark.parametrize("mark", MARKS)
def test_any_mark_ends_an_answer(mark):
    chat = Chat(scripted(BYTES, "ab", "c", marks=[mark, "<|end|>"]), sampling=GREEDY)
    assert said(chat, "hi") == "ab"
    assert said(chat, "hi") == "c"


def test_an_answer_ends_at_the_ids_that_the_model_came_with():
    model = scripted(BYTES, "Lima!")
    assert said(Chat(replace(model, end_ids=tuple(BYTES.encode("!"))), sampling=GREEDY), "no") == "Lima"


def test_pieces_come_as_they_are_certain():
    chat = Chat(scripted(BYTES, "é€a"), sampling=GREEDY)
    assert list(chat.say("hi")) == ["é", "€", "a"]


@pytest.mark.parametrize("tokenizer", [WORDS, BYTES], ids=["words", "bytes"])
def test_two_hundred_turns_in_a_context_of_64(tokenizer):
    model = real(tokenizer)
    text, calls, predict = [], [], model.decoder.predict

    def spy(ids, cache=None):
        text[cache.longest :] = np.asarray(ids)[0].tolist()
        calls.append(list(text))
        return predict(ids, cache)

    model.decoder.predict = spy
    chat = Chat(model, system="be brief", max_new_tokens=20, seed=1)
    head = [0, *TEMPLATE.encode(tokenizer, [Message("system", "be brief")])[0]]
    dropped = [0]
    for turn in range(200):
        calls.clear()
        said(chat, f"what is {'the capital of' if turn % 3 else ''} Peru ?")
        prompt, *rest = calls
        assert prompt[: len(head)] == head
        assert [len(read) for read in rest] == list(range(len(prompt) + 1, len(prompt) + 1 + len(rest)))
        user = tokenizer.special_ids["<|user|>"]
        assert prompt.count(user) == prompt.count(tokenizer.special_ids["<|assistant|>"])
        assert prompt[len(head)] == user  # whole turns
        assert len(prompt) + len(rest) <= 64  # the window never slides, so the head stays
        dropped.append(chat.n_dropped)
    assert dropped == sorted(dropped)
    assert dropped[-1] > 100
    assert len(chat.turns) > 100  # some answers are empty, and those turns are forgotten


@pytest.mark.parametrize("activation", ["relu2", "swiglu"])  # decoded, and left to the model
def test_a_turn_costs_its_own_tokens_and_answers_are_those_of_a_chat_that_reads_all(activation, monkeypatch):
    model = real(WORDS, context=200, activation=activation)
    chat, asked, predict = Chat(model, sampling=WILD, max_new_tokens=9), [], model.decoder.predict
    encode, encoded = ChatTemplate.encode, []

    def count(ids, cache=None):
        asked.append((cache.longest, np.shape(ids)[1]))
        return predict(ids, cache)

    monkeypatch.setattr(model.decoder, "predict", count)
    monkeypatch.setattr(ChatTemplate, "encode", lambda *args: encoded.append(args[2]) or encode(*args))
    turns = ["what is the capital of Peru ?", "yes", "no", "be brief"]
    found, before = [], 0
    for turn in turns:
        asked.clear()
        found.append(said(chat, turn))
        known, n_read = asked[0]
        assert known >= before - 1  # the whole prompt of the turn before, but for the token that is read to go on
        before = known + n_read if found[-1].strip() else before  # an empty answer is none, its turn is forgotten
    assert all(encoded.count(turn) <= 1 for turn in chat.turns)
    forgetful, expected = Chat(model, sampling=WILD, max_new_tokens=9), []
    for turn in turns:
        forgetful._reader = model.decoder
        expected.append(said(forgetful, turn))
    assert found == expected
    assert len(chat.turns) > 1


def test_a_model_that_was_trained_on_between_two_turns_reads_all_anew():
    model, fresh = real(WORDS), real(WORDS)
    chat = Chat(model, sampling=WILD)
    assert said(chat, "what is Peru ?")
    weights = {name: 0.5 * weight for name, weight in model.model.state_dict().items()}
    model.model.load_state_dict(weights)
    fresh.model.load_state_dict(weights)
    begun = Chat(fresh, sampling=WILD)
    begun.turns, begun._rng = list(chat.turns), deepcopy(chat._rng)
    assert said(chat, "the capital") == said(begun, "the capital")


def test_an_answer_that_breaks_off_leaves_nothing_half_read(monkeypatch):
    model = real(WORDS)
    chat, predict = Chat(model, sampling=WILD), model.decoder.predict
    assert said(chat, "what is Peru ?")
    monkeypatch.setattr(model.decoder, "predict", lambda ids, cache: cache.advance(1) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        said(chat, "the capital")
    monkeypatch.setattr(model.decoder, "predict", predict)
    again = Chat(real(WORDS), sampling=WILD)
    said(again, "what is Peru ?")
    assert said(chat, "the capital") == said(again, "the capital")


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(8, 40), st.integers(1, 50))
def test_the_latest_turns_stay_as_long_as_there_is_room(lengths, context, max_new_tokens):
    chat = Chat(scripted(BYTES, *["z"] * 99, marks=["<|end|>"] * 99), sampling=GREEDY, max_new_tokens=max_new_tokens)
    model = chat.language_model
    chat.language_model = replace(model, config=replace(model.config, block_size=context))
    limit = context + 1 - min(max_new_tokens, max(1, context // 4))
    for n in lengths:
        before = (list(chat.turns), chat.n_dropped)
        if n + 4 > context:
            with pytest.raises(GuardError):
                chat.say("y" * n)
            assert before == (chat.turns, chat.n_dropped)
            continue
        answer = chat.say("y" * n)
        n_dropped = chat.n_dropped
        text = "".join(answer)
        assert chat.n_dropped == (n_dropped if text else before[1])
        sizes = [len(user.content) + 5 for user, _ in before[0]]  # marks and the answer z
        kept = sizes[n_dropped:]
        assert sum(kept) + n + 4 <= limit or not kept
        if n_dropped > before[1]:
            assert sizes[n_dropped - 1] + sum(kept) + n + 4 > limit  # one more would have been too many


def test_a_message_that_does_not_fit_is_refused_and_nothing_happens():
    chat = Chat(scripted(BYTES, "a", "b", context=20), system="sys", sampling=GREEDY)
    said(chat, "hi")
    with pytest.raises(GuardError, match="the message has 109 tokens with the marks around it and the model reads 20"):
        chat.say("x" * 100)
    assert (len(chat.turns), chat.n_dropped) == (1, 0)
    assert said(chat, "x" * 11) == "b"  # it fills the context, for an answer of one token
    assert chat.n_dropped == 1


def test_a_system_message_that_does_not_fit_is_refused_at_once():
    with pytest.raises(GuardError, match="the system message has 103 tokens"):
        Chat(scripted(BYTES, "a", context=20), system="x" * 100)


def test_an_answer_never_outgrows_the_context():
    chat = Chat(scripted(BYTES, "a" * 99, context=20), sampling=GREEDY)
    assert said(chat, "hi") == "a" * (20 + 1 - 6)
    assert len(said(Chat(scripted(BYTES, "a" * 99), sampling=GREEDY, max_new_tokens=3), "hi")) == 3


def test_an_answer_that_is_stopped_counts_with_what_had_come():
    chat = Chat(scripted(BYTES, "abc", "d"), sampling=GREEDY)
    pieces = chat.say("hi")
    assert next(pieces) == "a"
    assert next(pieces) == "b"
    pieces.close()
    assert chat.turns == [(Message("user", "hi"), Message("assistant", "ab"))]


def test_ctrl_c_inside_the_model_is_a_stop_too():
    model = scripted(BYTES, "ab")
    chat, logits = Chat(model, sampling=GREEDY), model.model.logits

    def interrupted(ids, cache=None):
        if len(ids) > 6:
            raise KeyboardInterrupt
        return logits(ids, cache)

    model.model.logits = interrupted
    pieces = chat.say("hi")
    assert next(pieces) == "a"
    with pytest.raises(KeyboardInterrupt):
        next(pieces)
    assert [turn[1].content for turn in chat.turns] == ["a"]


def test_an_answer_that_breaks_off_with_an_error_is_no_turn():
    model = scripted(BYTES, "ab")
    model.model.logits = lambda ids, cache=None: [[float("nan")] * BYTES.vocab_size for _ in ids]
    chat = Chat(model)
    with pytest.raises(DivergedError):
        said(chat, "hi")
    assert chat.turns == []


def test_an_empty_answer_is_forgotten_with_its_question():
    chat = Chat(scripted(BYTES, "", " ", "c"), sampling=GREEDY)
    assert [said(chat, "hi"), said(chat, "hi"), said(chat, "hi")] == ["", " ", "c"]
    assert len(chat.turns) == 1


def test_a_chat_of_no_tokens_is_refused():
    with pytest.raises(UsageError, match="max_new_tokens=0 is too small: give 1 or more"):
        Chat(scripted(BYTES, "a"), max_new_tokens=0)


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_empty_message_asks_nothing(text):
    chat = Chat(scripted(BYTES, "a"))
    with pytest.raises(DataError, match="of a user message is empty"):
        chat.say(text)


def test_unknown_words_follow_the_policy():
    text = "Quito Bogota"
    with pytest.raises(TokenizerError, match="word 'Quito' at position 0"):
        Chat(scripted(WORDS, "yes")).say(text)
    assert said(Chat(scripted(replace(WORDS, unknown="skip"), "yes"), sampling=GREEDY), text) == "yes"
    with_unk = WordTokenizer.train("yes no", special_tokens=MARKS, unknown="unk")
    assert said(Chat(scripted(with_unk, "yes"), sampling=GREEDY), text) == "yes"


def test_the_unknown_word_is_never_said():
    tokenizer = WordTokenizer.train("yes no", special_tokens=MARKS, unknown="unk")
    model = real(tokenizer)
    head = model.model.logits

    def fond_of_unk(ids, cache=None):
        z = head(ids, cache)
        z.data[..., 1] = 99.0
        return z

    model.model.logits = fond_of_unk
    assert "\ufffd" not in said(Chat(model, max_new_tokens=9), "yes")


def test_a_turn_that_leaves_nothing_drops_nothing():
    chat = Chat(scripted(BYTES, "a", "", "ab", "ab", context=20), sampling=GREEDY)
    said(chat, "hi")
    long = "x" * 11
    assert said(chat, long) == ""
    assert chat.n_dropped == 0
    pieces = chat.say(long)
    assert chat.n_dropped == 1  # told at once
    pieces.close()
    assert (chat.n_dropped, len(chat.turns)) == (0, 1)
    pieces = chat.say(long)
    next(pieces)
    chat.reset()
    pieces.close()
    assert (chat.n_dropped, chat.turns) == (0, [])  # what ends after a reset is of no conversation


@pytest.mark.parametrize("tokenizer", [WORDS, BYTES], ids=["words", "bytes"])
def test_half_a_character_is_refused_and_nothing_happens(tokenizer):
    with pytest.raises(DataError, match="the system message is no UTF-8 at character 2: write it anew"):
        Chat(scripted(tokenizer, "yes"), system="no\udcff")
    chat = Chat(scripted(replace(tokenizer, unknown="skip") if tokenizer is WORDS else tokenizer, "yes"))
    with pytest.raises(DataError, match="the user message is no UTF-8 at character 0"):
        chat.say("\ud800")
    assert chat.turns == []


@pytest.mark.parametrize(("context", "part"), [(1, "reads 1 token cannot"), (4, "reads 4 tokens cannot")])
def test_a_model_that_no_message_fits_in_is_refused_at_once(context, part):
    model = scripted(BYTES, "a", context=context)
    assert not knows_turns(model, TEMPLATE)
    with pytest.raises(UsageError, match=part + " hold a conversation"):
        Chat(model)
    assert said(Chat(scripted(BYTES, "a", context=5), sampling=GREEDY), "b") == "a"


def test_a_model_that_was_last_trained_on_other_text_is_used_with_a_warning():
    model = scripted(BYTES, "a", "b")
    assert knows_turns(model, TEMPLATE)  # nobody knows what its data were, and it has the marks
    assert knows_turns(replace(model, origin={"layout": "chat"}), TEMPLATE)
    told = replace(model, origin={"layout": "documents"})
    assert not knows_turns(told, TEMPLATE)
    with pytest.warns(NanochatWarning, match="last trained on documents, not on conversations: tune it"):
        assert said(Chat(told, sampling=GREEDY), "hi") == "a"


def test_reset_begins_anew_with_the_same_answers():
    chat = Chat(real(WORDS), system="be brief", seed=3)
    first = [said(chat, "what is Peru ?"), said(chat, "the capital")]
    chat.reset()
    assert (chat.turns, chat.n_dropped, len(chat.messages)) == ([], 0, 1)
    assert [said(chat, "what is Peru ?"), said(chat, "the capital")] == first


def test_what_is_saved_can_be_learned_from(tmp_path):
    chat = Chat(scripted(BYTES, 'é "x"', "b"), system="be brief", sampling=GREEDY)
    with pytest.raises(UsageError, match="nothing was said yet"):
        chat.save(tmp_path / "chat.json")
    said(chat, "hi\nthere")
    said(chat, "<|end|>")
    chat.save(tmp_path / "chat.json")
    content = json.loads((tmp_path / "chat.json").read_text(encoding="utf-8"))
    assert content[0]["messages"][1] == {"role": "user", "content": "hi\nthere"}
    assert read_rows(str(tmp_path / "chat.json")).conversations == (chat.messages,)


@pytest.mark.parametrize("tokenizer", [CharTokenizer("abc"), WordTokenizer.train("a b")])
def test_a_model_without_marks_cannot_chat(tokenizer):
    with pytest.raises(
        ConfigError, match=r"not trained on conversations.*`nanochat train --from RUN --data chat.json`"
    ):
        Chat(real(tokenizer))


def question(text: str):
    return (Message("user", text),)


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(temperature=1)])
def test_many_answers_at_once_are_those_given_alone(sampling):
    model = real(WORDS)
    texts = ["what is Peru ?", "yes", "the capital of Peru", "no", "brief"]
    options = {"sampling": sampling, "seed": 7, "max_new_tokens": 30}
    together = list(answers(model, [question(text) for text in texts], **options))
    assert together == list(answers(model, [question(text) for text in texts], batch_size=2, **options))
    assert together[:1] == list(answers(model, [question(texts[0])], **options))
    if sampling == GREEDY:
        assert together == [said(Chat(model, sampling=GREEDY, max_new_tokens=30), text) for text in texts]
    assert any(together)


def test_a_conversation_that_does_not_fit_is_named():
    with pytest.raises(GuardError, match="conversation 1 has 104 tokens"):
        next(answers(real(BYTES), [question("a"), question("x" * 100)]))
