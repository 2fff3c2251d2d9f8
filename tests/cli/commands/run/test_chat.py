"""`chat`: a line in, a line out in a pipe; a conversation that survives errors and Ctrl-C at a terminal."""

import io
import json
import sys
from dataclasses import replace

import pytest

from nanochat.data.chat import ChatTemplate
from nanochat.errors import DivergedError
from nanochat.inference.chat import Chat
from nanochat.inference.samplers import Sampling
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.build import build_model
from nanochat.tokenizers import WordTokenizer


class Terminal(io.StringIO):
    """A keyboard; the screen is a pipe in these tests."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def chat(nanochat, chat_model, monkeypatch):
    """`nanochat chat` on what is typed into a pipe (bytes) or at a terminal (text)."""

    def run(typed: str | bytes, *words: object):
        keyboard = Terminal(typed) if isinstance(typed, str) else io.TextIOWrapper(io.BytesIO(typed))
        monkeypatch.setattr(sys, "stdin", keyboard)
        return nanochat("chat", "--run", "model.json", *words)

    return run


def answers(model, *texts: str, **options) -> list[str]:
    chat = Chat(model, seed=1337, **options)
    return ["".join(chat.say(text)) for text in texts]


def test_in_a_pipe_each_line_is_a_turn_and_answers_are_all_that_comes_out(chat, chat_model):
    done = chat(b"what is Peru?\n\n  yes \r\nno", "--temperature", 1.2, "--top-p", 0.9)
    expected = answers(chat_model, "what is Peru?", "yes", "no", sampling=Sampling(temperature=1.2, top_p=0.9))
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


def test_a_system_message_is_read(chat, chat_model):
    assert chat(b"yes\n", "--system", "the capital").out == answers(chat_model, "yes", system="the capital")[0] + "\n"


def test_what_was_said_is_saved(chat, tmp_path):
    done = chat(b"/save a file.json\n")
    done.assert_refused(2, "nothing was said yet")
    done = chat(b"what is Peru?\nyes\n/save a file.json\nno\n/save a file.json\n", "--system", "the capital")
    assert done.code == 0
    (row,) = json.loads((tmp_path / "a file.json").read_text(encoding="utf-8"))
    n_turns = sum(answer != "" for answer in done.out.splitlines())  # one without an answer is none
    assert [message["role"] for message in row["messages"]] == ["system", *["user", "assistant"] * n_turns]
    assert n_turns > 1
    chat(b"yes\n/save a file.json\n").assert_refused(5, "a file.json exists already: choose another name")
    chat(b"yes\n/save\n").assert_refused(2, "/save needs a name")


def test_the_user_is_told_once_that_turns_are_dropped(chat, chat_model):
    done = chat(b"what is the capital of Peru?\n" * 200 + b"/reset\n" + b"what is the capital of Peru?\n" * 20)
    full = "the context of 32 tokens is full: from now on the oldest turns make room, /reset begins anew"
    assert done.err.splitlines() == [full, "the conversation begins anew", full]
    assert len(done.out.splitlines()) == 220
    assert done.out.splitlines()[:20] == answers(chat_model, *["what is the capital of Peru?"] * 20)


def test_in_a_pipe_a_line_that_cannot_be_done_is_named_and_the_next_one_read(chat, chat_model):
    (answer,) = answers(chat_model, "yes")
    for line, code, part, n_lines in (
        ("/rset", 2, "there is no command /rset: there are /reset, /save FILE, /help and exit", 0),
        ("/Reset", 2, "there is no command /Reset", 0),
        ("/reset now", 2, "/reset takes nothing after it, and 'now' was given: write /reset alone", 0),
        ("/exit\tnow", 2, "/exit takes nothing after it", 0),
        ("/save", 2, "/save needs a name", 0),
        ("/save nowhere/a.json", 2, "nothing was said yet", 0),
        ("Quito", 3, "word 'Quito' at position 0", 1),
        ("yes " * 99, 5, "the message has 103 tokens", 1),  # an empty line of the output, so that lines go together
    ):
        done = chat(f"{line}\nyes\n".encode())
        done.assert_refused(code, f"nanochat: line 1 of the input: {part}")
        assert done.out == "\n" * n_lines + f"{answer}\n"
    done = chat(b"yes\nQuito\n/rset\nexit\n/rset\n")
    assert done.code == 3  # that of the first
    assert [line.split(": ")[1] for line in done.complaints] == ["line 2 of the input", "line 3 of the input"]


def test_a_path_is_something_to_say(chat):
    assert chat(b"/tmp/Quito is\n").complaints[0].split(": ")[2].startswith("word '/' at position 0")


def test_input_that_is_no_text_and_a_model_that_diverged_end_it(chat, monkeypatch):
    chat(b"yes\n\xff\nyes\n").assert_refused(3, "line 2 of the input is no UTF-8 (byte 0)")

    class Diverged(Chat):
        def say(self, text):
            raise DivergedError("logits are not finite")

    monkeypatch.setattr("nanochat.inference.chat.Chat", Diverged)
    chat(b"yes\nyes\n").assert_refused(6, "logits are not finite")


@pytest.mark.parametrize("unknown", ["skip", "unk"])
def test_unknown_words_are_counted_for_each_message(chat, random_model, unknown):
    words = WordTokenizer.train("is yes no", special_tokens=ChatTemplate().special_tokens, unknown="unk")
    random_model(words)
    done = chat(b"yes no\nis Quito or Lima, Quito\nis <|end|> \n", "--unknown", unknown, "--system", "yes Sir")
    done_with_them = {"skip": "left out", "unk": "read as <UNK>"}[unknown]
    assert (done.code, done.complaints) == (0, [])
    assert done.err.splitlines()[:3] == [
        f"the system message: 1 unknown word is {done_with_them}: 'Sir'",
        f"line 2 of the input: 5 unknown words are {done_with_them}: 'Quito', 'or', 'Lima', ...",
        f"line 3 of the input: 5 unknown words are {done_with_them}: '<', '|', 'end', ...",  # what is typed is text
    ]
    assert len(chat(b"Quito\n", "--unknown", unknown).out.splitlines()) == 1  # an answer, if to nothing


def test_what_was_saved_before_a_reset_is_not_written_over(chat, tmp_path):
    done = chat(b"what is Peru?\n/save a.json\nyes\n/save a.json\n/reset\nwhat is Peru?\n/save a.json\n")
    done.assert_refused(5, "line 7 of the input: a.json exists already: choose another name")
    assert len(json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))[0]["messages"]) > 2


def test_at_a_terminal_errors_are_shown_and_it_goes_on(chat, chat_model):
    done = chat("/help\nQuito\n/rest\n" + "yes " * 99 + "\nyes\n/reset\n\nyes\n")
    assert done.code == 0
    (answer,) = answers(chat_model, "yes")
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

    monkeypatch.setattr("nanochat.inference.chat.Chat", Interrupted)
    done = chat("no\nyes\n")
    assert done.code == 0
    assert done.out.splitlines()[0] == "half"
    assert len(done.out.splitlines()) == 2
    done = chat(b"no\nyes\n")
    assert (done.code, done.out) == (130, "half")


def test_a_model_that_cannot_chat_says_what_to_do(nanochat, chat_model, tmp_path):
    plain = WordTokenizer.train("a b c d e f g h i j k l m")
    assert plain.vocab_size == chat_model.tokenizer.vocab_size
    replace(chat_model, tokenizer=plain).save(tmp_path / "plain.json")
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


def test_in_a_pipe_an_answer_with_line_breaks_has_one_line(chat, monkeypatch):
    class Lines(Chat):
        def say(self, text):
            yield from ("a\n", "\nb\r", "c")

    monkeypatch.setattr("nanochat.inference.chat.Chat", Lines)
    assert chat(b"yes\n").out == "a b c\n"
    assert chat("yes\n").out == "a\n\nb\rc\n"


def test_each_pasted_line_is_a_message_or_a_command(chat, chat_model, monkeypatch):
    pasted = iter(["yes\n/reset\nyes\n/Étoile\nexit\nno"])
    monkeypatch.setattr("nanochat.cli.commands.run.chat._ask", lambda: next(pasted))
    done = chat("")
    assert done.out.splitlines() == answers(chat_model, "yes") * 2
    assert "the conversation begins anew" in done.err
    assert "there is no command /Étoile" in done.err


def test_bytes_that_are_no_text_are_refused_at_a_terminal_and_it_goes_on(chat, chat_model, tmp_path):
    done = chat("yes \udcff\nyes\n/save a.json\n")
    assert (done.code, done.out.splitlines()) == (0, answers(chat_model, "yes"))
    assert "the user message is no UTF-8 at character 4" in done.err
    assert (tmp_path / "a.json").exists()
    chat(b"yes\n", "--system", "\udcff bad").assert_refused(3, "the system message is no UTF-8 at character 0")


def test_a_name_that_cannot_be_saved_to_is_one_sentence(chat, tmp_path):
    (tmp_path / "file").write_text("")
    for name, part in (("a\0b", r"'a\x00b': that is no name of a file"), ("file/a", "file"), ("x" * 300, "too long")):
        done = chat(f"what is Peru?\n/save {name}\n".encode())
        done.assert_refused(8, part)
        assert "choose another name" in done.err
        assert "--out" not in done.err


def test_the_home_of_nobody_is_no_new_folder(chat, tmp_path):
    done = chat(b"what is Peru?\n/save ~nobody-of-this-name/a.json\n")
    done.assert_refused(2, "~nobody-of-this-name is the home folder of nobody here")
    assert not list(tmp_path.glob("~*"))


def test_control_characters_of_a_mistyped_command_are_spelled(chat):
    assert r"there is no command /a\x1b[31m" in chat(b"/a\x1b[31m\n").err


def test_a_model_that_no_message_fits_in_is_refused_at_the_start(chat, chat_model, tmp_path):
    config = BigramConfig(vocab_size=chat_model.tokenizer.vocab_size)
    bigram = build_model(config, "tensor", "float64")
    replace(chat_model, model=bigram, config=config, model_kind="bigram").save(tmp_path / "model.json")
    chat(b"yes\n").assert_refused(2, "a model that reads 1 token cannot hold a conversation")


@pytest.mark.parametrize("name", ["stdin", "stdout"])
def test_a_closed_stream_is_one_sentence(nanochat, chat_model, monkeypatch, name):
    monkeypatch.setattr(sys, name, None)
    done = nanochat("chat", "--run", "model.json")
    done.assert_refused({"stdin": 2, "stdout": 8}[name], f"{name} is closed")


@pytest.mark.parametrize(("layout", "n_warnings"), [("documents", 1), ("chat", 0)])
def test_a_run_remembers_whether_it_learned_from_conversations(nanochat, monkeypatch, tmp_path, layout, n_warnings):
    (tmp_path / "rows.json").write_text(
        json.dumps(["User: yes Assistant: no </s>"] * 4 if layout == "chat" else ["yes no"] * 4)
    )
    words = ("--tokenizer", "word", "--steps", 1, "--out", "run")
    assert nanochat("train", "--data", "rows.json", "--layout", layout, *words).code == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"yes\n")))
    done = nanochat("chat", "--run", "run")
    assert done.code == 0
    warning = "nanochat: this model was last trained on documents, not on conversations: tune it with"
    assert sum(line.startswith(warning) for line in done.err.splitlines()) == len(done.complaints) == n_warnings
