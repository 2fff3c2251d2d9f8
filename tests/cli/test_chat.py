"""`chat`: a line in, a line out in a pipe; a conversation that survives errors and Ctrl-C at a terminal."""

import io
import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from nanochat.cli import run_chat
from nanochat.data.chat import ChatTemplate
from nanochat.inference.chat import Chat
from nanochat.inference.language_model import LanguageModel
from nanochat.inference.samplers import Sampling
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights
from nanochat.tokenizers import WordTokenizer

WORDS = WordTokenizer.train("what is the capital of Peru ? yes no", special_tokens=ChatTemplate().special_tokens)


@pytest.fixture
def model(tmp_path) -> LanguageModel:
    """A model of random weights that knows the marks; it lies in chat.json of the folder."""
    config = GPTConfig(
        vocab_size=WORDS.vocab_size, block_size=32, n_embd=8, n_head=2, zero_init_proj=False, init_scale=0.5
    )
    built = build_model(config, "tensor", "float64")
    built.load_state_dict(draw_weights(config.parameters(), np.random.default_rng(5)))
    model = LanguageModel(built, WORDS, config, "gpt", "tensor", stops_at_bos=True)
    model.save(tmp_path / "chat.json")
    return model


class Terminal(io.StringIO):
    """A keyboard; the screen is a pipe in these tests."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def chat(nanochat, model, monkeypatch):
    """`nanochat chat` on what is typed into a pipe (bytes) or at a terminal (text)."""

    def run(typed: str | bytes, *words: object):
        keyboard = Terminal(typed) if isinstance(typed, str) else io.TextIOWrapper(io.BytesIO(typed))
        monkeypatch.setattr(sys, "stdin", keyboard)
        return nanochat("chat", "--run", "chat.json", *words)

    return run


def answers(model, *texts: str, **options) -> list[str]:
    chat = Chat(model, seed=1337, **options)
    return ["".join(chat.say(text)) for text in texts]


def test_in_a_pipe_each_line_is_a_turn_and_answers_are_all_that_comes_out(chat, model):
    done = chat(b"what is Peru?\n\n  yes \r\nno", "--temperature", 1.2, "--top-p", 0.9)
    expected = answers(model, "what is Peru?", "yes", "no", sampling=Sampling(temperature=1.2, top_p=0.9))
    assert (done.code, done.err) == (0, "")
    assert done.out == "".join(f"{answer}\n" for answer in expected)
    assert done.out.strip()


def test_the_same_words_get_the_same_answers(chat):
    assert chat(b"what is Peru?\nyes\n") == chat(b"what is Peru?\nyes\n")
    assert chat(b"what is Peru?\nyes\n", "--seed", 1).out != chat(b"what is Peru?\nyes\n").out


def test_a_byte_order_mark_says_nothing(chat):
    assert chat(b"\xef\xbb\xbfyes\n").out == chat(b"yes\n").out


def test_reset_begins_anew_and_exit_leaves(chat):
    done = chat(b"what is Peru?\nyes\n/reset\nwhat is Peru?\nyes\nexit\nno\n")
    lines = done.out.splitlines()
    assert len(lines) == 4
    assert lines[:2] == lines[2:]
    assert done.err == "the conversation begins anew\n"


def test_a_system_message_is_read(chat, model):
    assert chat(b"yes\n", "--system", "the capital").out == answers(model, "yes", system="the capital")[0] + "\n"


def test_what_was_said_is_saved(chat, tmp_path, model):
    done = chat(b"/save a file.json\n")
    done.assert_refused(2, "nothing was said yet")
    done = chat(b"what is Peru?\nyes\n/save a file.json\nno\n/save a file.json\n", "--system", "the capital")
    assert done.code == 0
    (row,) = json.loads((tmp_path / "a file.json").read_text(encoding="utf-8"))
    n_turns = sum(answer != "" for answer in done.out.splitlines())  # one without an answer is none
    assert [message["role"] for message in row["messages"]] == ["system", *["user", "assistant"] * n_turns]
    assert n_turns > 1
    chat(b"yes\n/save a file.json\n").assert_refused(5, "a file.json is there already: choose another name")
    chat(b"yes\n/save\n").assert_refused(2, "/save needs a name")


def test_the_user_is_told_when_turns_are_dropped(chat):
    done = chat(b"what is the capital of Peru?\n" * 9)
    assert len(done.out.splitlines()) == 9
    told = done.err.splitlines()
    assert 0 < len(told) < 9
    assert told[0].startswith("the context of 32 tokens is full: the")
    assert told[0].endswith(" in all)")


def test_in_a_pipe_the_first_error_ends_the_conversation(chat):
    done = chat(b"yes\nQuito\nno\n")
    done.assert_refused(3, "word 'Quito' at position 0")
    assert len(done.out.splitlines()) == 1
    assert len(chat(b"yes\nQuito\nno\n", "--unknown", "skip").out.splitlines()) == 3
    chat(b"yes\n/rest\n").assert_refused(2, "there is no command /rest: did you mean '/reset'?")
    chat(b"yes\n\xff\n").assert_refused(3, "line 2 of the input is no UTF-8 (byte 0)")
    chat(b"yes " * 99).assert_refused(5, "the message has 103 tokens")


def test_at_a_terminal_errors_are_shown_and_it_goes_on(chat, model):
    done = chat("/help\nQuito\n/rest\n" + "yes " * 99 + "\nyes\n/reset\n\nyes\n")
    assert done.code == 0
    (answer,) = answers(model, "yes")
    assert done.out.splitlines() == [answer, answer]  # prompts and remarks are on stderr
    assert len(done.complaints) == 0  # they stand behind the prompt
    for part in ("/save FILE", "word 'Quito'", "there is no command /rest", "the message has 103 tokens"):
        assert part in done.err
    assert done.err.count("> ") == 9  # the last one for the end of the input


def test_ctrl_c_stops_an_answer_at_a_terminal_and_everything_in_a_pipe(chat, monkeypatch):
    class Interrupted(Chat):
        def say(self, text):
            pieces = super().say(text)
            if text == "no":
                return self._broken(pieces)
            return pieces

        def _broken(self, pieces):
            yield "half"
            raise KeyboardInterrupt

    monkeypatch.setattr(run_chat, "Chat", Interrupted)
    done = chat("no\nyes\n")
    assert done.code == 0
    assert done.out.splitlines()[0] == "half"
    assert len(done.out.splitlines()) == 2
    done = chat(b"no\nyes\n")
    assert (done.code, done.out) == (130, "half")


def test_a_model_that_cannot_chat_says_what_to_do(nanochat, model, tmp_path):
    plain = WordTokenizer.train("a b c d e f g h i j k l m")
    assert plain.vocab_size == WORDS.vocab_size
    replace(model, tokenizer=plain).save(tmp_path / "plain.json")
    done = nanochat("chat", "--run", "plain.json")
    done.assert_refused(3, "not trained on conversations")
    assert "nanochat train --from RUN --data chat.json" in done.err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("--temperature -1", "temperature=-1.0 is not"),
        ("--top-p 2", "top_p=2.0 is no share"),
        ("--max-new-tokens 0", "--max-new-tokens 0 is too small"),
        ("--seed -1", "--seed -1 is too small"),
        ("--system", "'--system' requires an argument"),
        ("--beam 3", "no such option: --beam"),
    ],
)
def test_a_flag_that_makes_no_sense_is_exit_2(nanochat, words, part):
    nanochat("chat", *words.split()).assert_refused(2, part)


def test_a_system_message_of_nothing_is_refused(nanochat):
    nanochat("chat", "--system", " ").assert_refused(2, "says nothing")


def test_a_folder_that_is_not_there_is_named(nanochat):
    nanochat("chat", "--run", "nowhere").assert_refused(3, "there is no nowhere")
