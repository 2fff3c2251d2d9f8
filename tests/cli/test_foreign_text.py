"""One nasty text goes in by every door (names, corpora, answers, recipes, flags), and is inert wherever it comes out.

And names of files that are no text, or none in this locale: written, read and reported all the same.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from nanochat.data.chat import ChatTemplate
from nanochat.tokenizers import BPETokenizer, WordTokenizer, save_tokenizer

posix = pytest.mark.skipif(sys.platform == "win32", reason="names are text there, without < > | and controls")
NASTY = "$x^{$ <b>|`code`*a*[c](d)\x1b]0;x\x07\x9b1m\u202e"
OBEYED = set(map(chr, [*range(32), *range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F)])) - set("\n\t")
SHORT = ("--steps", 2, "--eval-every", 0, "--batch-size", 2, "--set", "training.eval_tokens=16")
TINY = ("--mode", "tensor", "--set", "model.n_embd=8", "--set", "model.n_layer=1")


def assert_inert(folder: Path) -> None:
    """No document in the folder has markup that its texts brought in, and every JSON file is UTF-8."""
    documents = list(folder.rglob("*.md"))
    assert documents
    for path in documents:
        text = path.read_text(encoding="utf-8")
        assert not OBEYED.intersection(text), path
        tokens = MarkdownIt("commonmark").enable("table").parse(text)
        parts = [part for token in tokens for part in token.children or []]
        html = "".join(one.content for one in [*tokens, *parts] if one.type in ("html_block", "html_inline"))
        assert "<b>" not in html, path
        assert "em_open" not in {part.type for part in parts}, path
        assert "d" not in {part.attrGet("href") for part in parts}, path
        for token in tokens:
            if token.type == "inline":
                code = "".join(part.content for part in token.children or [] if part.type == "code_inline")
                assert token.content.count("$") == code.count("$"), path
    for path in folder.rglob("*.json"):
        json.loads(path.read_bytes().decode("utf-8"))
    for path in folder.rglob("log.txt"):
        assert not OBEYED.intersection(path.read_text(encoding="utf-8"))


@pytest.fixture
def at_terminal(nanochat, monkeypatch):
    """Run a command as at a terminal, without colors; whatever it shows there is checked."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")

    def run(*words: object, code: int = 0):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        done = nanochat(*words)
        assert done.code == code, done
        assert "Traceback" not in done.err
        assert not OBEYED.intersection(done.out + done.err), done
        return done

    return run


@posix
def test_a_run_of_nasty_names_and_text_is_inert_everywhere(at_terminal, tmp_path):
    corpus = tmp_path / f"{NASTY}.txt"
    corpus.write_text("".join(f"{i} {NASTY}\n" for i in range(40)), encoding="utf-8")
    out = tmp_path / f"run {NASTY}"
    at_terminal("train", "--data", corpus, "--out", out, *SHORT, *TINY)
    at_terminal("train", "--resume", out, "--override", "--steps", 3)
    at_terminal("train", "--from", out, "--data", corpus, "--out", tmp_path / f"on {NASTY}", *SHORT)
    at_terminal("report", out)
    at_terminal("eval", "--run", out)
    for form in ((), ("--json",), ("--n-samples", 3), ("--alternatives", 2), ("--beam", 2)):
        at_terminal("sample", "--run", out, "--prompt", "1 $x^{$ <b>", "--max-new-tokens", 30, *form)
    at_terminal("runs", "list", "--root", tmp_path)
    at_terminal("runs", "compare", out, tmp_path / f"on {NASTY}", "--figure", tmp_path / f"{NASTY}.png")
    at_terminal("tokenizer", "inspect", out, NASTY, "--data", corpus)
    at_terminal("tokenizer", "decode", "--tokenizer", out, *range(20))
    at_terminal("checkpoint", "inspect", out)
    at_terminal("data", "stats", corpus)
    assert_inert(tmp_path)


@posix
def test_questions_and_answers_are_inert(at_terminal, tmp_path):
    talk = [
        {"messages": [{"role": "user", "content": f"{NASTY} {i}?"}, {"role": "assistant", "content": f"{i} {NASTY}"}]}
        for i in range(12)
    ]
    (tmp_path / "talk.json").write_text(json.dumps(talk), encoding="utf-8")
    at_terminal("train", "--data", "talk.json", "--tokenizer", "bpe", "--out", "talk", *SHORT, *TINY)
    at_terminal("eval", "--run", "talk", "--data", "talk.json")
    assert "&lt;b&gt;" in (tmp_path / "talk" / "evaluation.md").read_text(encoding="utf-8")
    assert_inert(tmp_path)


@posix
def test_a_recipe_is_inert(at_terminal, tmp_path):
    recipe = f"""
        title = {json.dumps(NASTY)}
        caveats = [{json.dumps(NASTY)}]
        prompts = [{json.dumps(NASTY)}]
        [[phase]]
        name = "one"
        about = {json.dumps(NASTY)}
        preset = "nanochat-words"
        data = {{ source = "builtin:facts" }}
        model = {{ n_embd = 8, n_layer = 1 }}
        training = {{ steps = 1, eval_every = 0, eval_tokens = 16 }}
    """
    path = tmp_path / f"{NASTY}.toml"
    path.write_text(recipe.replace("\x9b", "\\u009b"), encoding="utf-8")
    at_terminal("train", "--recipe", path, "--out", tmp_path / f"recipe {NASTY}")
    assert_inert(tmp_path)


@posix
@pytest.mark.slow
def test_a_study_is_inert(at_terminal, tmp_path):
    corpus = tmp_path / f"{NASTY}.txt"
    corpus.write_text("ab" * 200, encoding="utf-8")
    at_terminal("ablate", "--data", corpus, "--seeds", 2, "--out", tmp_path / NASTY, *SHORT)
    at_terminal("report", tmp_path / NASTY)
    assert_inert(tmp_path)


@posix
def test_sentences_about_what_is_wrong_are_inert(at_terminal, tmp_path):
    for words, code in {
        ("sample", "--run", NASTY): 3,
        ("train", "--data", NASTY): 3,
        ("train", "--tokenizer", f"{NASTY}.json"): 3,
        ("train", "--set", f"{NASTY}=1"): 3,
        ("train", f"--{NASTY}"): 2,
        ("train", "--recipe", f"{NASTY}.toml"): 3,
        (NASTY,): 2,
        ("checkpoint", "inspect", NASTY): 3,
        ("ablate", "--axis", f"{NASTY}=1"): 3,
        ("graph", NASTY): 2,
    }.items():
        at_terminal(*words, code=code)


@posix
def test_tokens_are_inert(at_terminal, tmp_path):
    tokenizer = BPETokenizer.train(f"{NASTY} " * 9, vocab_size=300, special_tokens=("<|bos|>", NASTY))
    save_tokenizer(tokenizer, tmp_path / "bpe.json")
    save_tokenizer(WordTokenizer.train([NASTY, "a"]), tmp_path / "word.json")
    for name in ("bpe.json", "word.json"):
        at_terminal("tokenizer", "inspect", name, f"{NASTY} {NASTY}")
        at_terminal("tokenizer", "encode", "--tokenizer", name, NASTY, "--json")


def test_a_model_cannot_command_the_terminal_and_a_file_gets_its_text_as_it_is(
    nanochat, at_terminal, random_model, tmp_path, monkeypatch
):
    random_model(WordTokenizer.train([" ".join("\x1b[31m \x9b2J \u202e \x07".split(" "))]))
    drawn = ("sample", "--run", "model.json", "--max-new-tokens", 30)
    shown = at_terminal(*drawn).out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    raw = nanochat(*drawn).out
    assert "\x1b" in raw or "\x9b" in raw or "\u202e" in raw
    assert shown != raw
    assert shown.encode().decode("unicode_escape") == raw


@pytest.mark.figures
@posix
@pytest.mark.slow
def test_names_of_any_bytes_are_written_read_and_reported_in_any_locale(tmp_path):
    """Through the shell's door; all commands, other bytes and locales: tests/reliability, in one process a locale."""
    name, locale = "caf\u00e9 \u65e5".encode(), {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    def run(*words: object) -> str:
        raw = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        command = [os.fsencode(sys.executable), b"-P", b"-W", b"error::UserWarning", b"-m", b"nanochat", *raw]
        done = subprocess.run(command, cwd=tmp_path, env={**os.environ, **locale}, capture_output=True, check=False)
        assert done.returncode == 0, (words, done.stderr.decode("utf-8"))
        return done.stdout.decode("utf-8")

    (tmp_path / os.fsdecode(b"text" + name)).write_bytes(b"".join(b"line %d\n" % i for i in range(60)))
    paths = ("--data", b"text" + name, "--set", b"data.cache=cache" + name, "--out", b"a" + name)
    trained = json.loads(run("train", *paths, *SHORT, *TINY, "--json"))
    trained["run"].encode("utf-8")
    run("runs", "compare", trained["run"], b"a" + name, "--figure", b"c" + name + b".png")
    run("ablate", "--data", b"text" + name, "--out", b"d" + name, "--seeds", 1, *SHORT)
    for path in tmp_path.rglob("*.json"):
        json.loads(path.read_bytes().decode("utf-8"))
    assert len(list(tmp_path.rglob("report.md"))) == 2


@pytest.mark.slow
@posix
def test_text_is_the_same_text_in_any_locale(tmp_path):
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = [sys.executable, "-P", "-m", "nanochat", "graph", "\u00e9 * 2", "\u00e9=3"]
    shown = [
        subprocess.run(words, cwd=tmp_path, env={**os.environ, **one}, capture_output=True, check=True).stdout
        for one in ({}, locale)
    ]
    assert "\u00e9".encode() in shown[0]
    assert shown[0] == shown[1]


@posix
def test_a_file_named_as_a_report_names_it_is_found_again(nanochat, tmp_path):
    path = tmp_path / os.fsdecode(b"\xff%41\n.txt")
    path.write_text("ab\nba\n" * 40, encoding="utf-8")
    done = nanochat("train", "--data", "file:%FF%2541%0A.txt", "--out", "run", *SHORT, *TINY)
    assert done.code == 0, done
    report = (tmp_path / "run" / "report.md").read_text(encoding="utf-8")
    assert "--data file:%FF%2541%0A.txt" in report
    assert json.loads((tmp_path / "run" / "config.json").read_text())["data"]["source"] == "file:%FF%2541%0A.txt"


def test_chat_shows_an_answer_and_obeys_nothing_of_it(nanochat, random_model, monkeypatch, tmp_path):
    random_model(ChatTemplate().added_to(WordTokenizer.train([" ".join(["a", *map(chr, range(0x86, 0xA0))])])))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\n" * 5)))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    done = nanochat("chat", "--run", "model.json", "--max-new-tokens", 12)
    assert done.code == 0, done
    assert "\\x" in done.out
    assert not OBEYED.intersection(done.out), done
