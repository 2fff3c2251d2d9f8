"""`nanochat tokenizer`: trained, asked, looked at and compared."""

import io
import json
import re

import pytest
from rich.console import Console

from nanochat.cli.display.pieces import print_pieces
from nanochat.inference.language_model import load
from nanochat.tokenizers import BPETokenizer, CharTokenizer, WordTokenizer, load_tokenizer, save_tokenizer
from nanochat.tokenizers.inspection import Piece, cut
from nanochat.training.resolve import resolve
from nanochat.training.run import run_training

TEXT = "the cat sat on the mat\nthe dog ran\n" * 12


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8")
    return "corpus.txt"


@pytest.fixture
def files(tmp_path):
    texts = TEXT.splitlines()
    save_tokenizer(CharTokenizer.train(texts), tmp_path / "char.json")
    save_tokenizer(WordTokenizer.train(texts, unknown="unk"), tmp_path / "word.json")
    save_tokenizer(BPETokenizer.train(texts, vocab_size=270), tmp_path / "bpe.json")
    return tmp_path


@pytest.fixture
def standard_input(monkeypatch):
    def give(content):
        raw = content if isinstance(content, bytes) else content.encode("utf-8")
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8"))

    return give


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("--kind char --unknown unk", CharTokenizer.train(TEXT.splitlines(), unknown="unk")),
        (
            "--kind word --vocab-size 5 --special </s>",
            WordTokenizer.train(TEXT.splitlines(), vocab_size=5, special_tokens=["</s>"]),
        ),
        ("--kind word --min-count 13", WordTokenizer.train(TEXT.splitlines(), min_count=13)),
        (
            "--kind bpe --vocab-size 265 --pattern gpt2 --special <|end|>",
            BPETokenizer.train(TEXT.splitlines(), vocab_size=265, pattern="gpt2", special_tokens=["<|end|>"]),
        ),
        (
            "--kind bpe --vocab-size 265 --form huggingface",
            BPETokenizer.train(TEXT.splitlines(), vocab_size=265),
        ),
    ],
)
def test_a_trained_tokenizer_is_that_of_the_classes(nanochat, corpus, tmp_path, flags, expected):
    done = nanochat("tokenizer", "train", *flags.split(), "--data", corpus, "--out", "new/t.json")
    assert (done.code, done.err) == (0, "")
    assert load_tokenizer(tmp_path / "new/t.json") == expected
    assert f"vocab_size={expected.vocab_size} " in done.out


def test_chat_trains_on_what_is_said(nanochat, tmp_path):
    (tmp_path / "chat.json").write_text('["User: who? Assistant: me </s>"]', encoding="utf-8")
    nanochat("tokenizer", "train", "--kind", "word", "--data", "chat.json", "--out", "t.json")
    assert load_tokenizer(tmp_path / "t.json").tokens == ("?", "me", "who")


def test_a_vocabulary_larger_than_the_text_allows_is_smaller_and_that_is_said(nanochat, corpus):
    done = nanochat(*f"tokenizer train --kind bpe --data {corpus} --out t.json --json".split())
    assert done.code == 0
    assert "the text has no more pairs that are frequent enough" in done.err
    assert json.loads(done.out)["vocab_size"] < 1024


def test_a_tokenizer_is_replaced_only_by_force(nanochat, corpus, tmp_path):
    (tmp_path / "t.json").write_text("precious", encoding="utf-8")
    words = f"tokenizer train --kind char --data {corpus} --out t.json".split()
    nanochat(*words).assert_refused(5, "t.json exists already")
    assert nanochat(*words, "--force").code == 0
    assert load_tokenizer(tmp_path / "t.json") == CharTokenizer.train(TEXT.splitlines())


def test_a_text_is_ids_and_ids_are_a_text(nanochat, files):
    for name in ("char", "word", "bpe"):
        ids = load_tokenizer(files / f"{name}.json").encode("the cat")
        done = nanochat("tokenizer", "encode", "--tokenizer", f"{name}.json", "the cat")
        assert (done.out, done.err) == (" ".join(map(str, ids)) + "\n", "")
        assert nanochat("tokenizer", "decode", "--tokenizer", f"{name}.json", *ids).out == "the cat\n"


def test_both_read_standard_input(nanochat, files, standard_input):
    text = "the cat\nünd 中\n"
    standard_input(text)
    ids = nanochat("tokenizer", "encode", "--tokenizer", "bpe.json").out
    assert list(map(int, ids.split())) == load_tokenizer(files / "bpe.json").encode(text[:-1])
    standard_input(ids)
    assert nanochat("tokenizer", "decode", "--tokenizer", "bpe.json").out == text


def test_ids_may_be_json_with_what_they_stand_for(nanochat, files):
    found = json.loads(nanochat("tokenizer", "encode", "--tokenizer", "word.json", "the bat", "--json").out)
    assert found == {"ids": [8, 1], "tokens": ["the", "<UNK>"], "n_unknown": 1}
    assert json.loads(nanochat("tokenizer", "decode", "--tokenizer", "word.json", 8, "--json").out) == {"text": "the"}


@pytest.mark.parametrize(
    ("name", "flags", "out", "err"),
    [
        ("word", [], "8 1 1\n", "2 unknown words are read as <UNK>: 'quick', 'xi'\n"),
        ("word", ["--unknown", "skip"], "8\n", "2 unknown words are left out: 'quick', 'xi'\n"),
        ("char", ["--unknown", "skip"], None, "6 unknown characters are left out: 'q', 'u', 'i', ...\n"),
        ("bpe", [], None, ""),
    ],
)
def test_unknown_words_are_counted(nanochat, files, name, flags, out, err):
    done = nanochat("tokenizer", "encode", "--tokenizer", f"{name}.json", *flags, "the quick xi")
    assert (done.code, done.err) == (0, err)
    assert out is None or done.out == out


def test_an_unknown_word_is_refused_where_the_policy_says_so(nanochat, files):
    words = ("tokenizer", "encode", "--tokenizer", "word.json", "--unknown", "error", "a bat")
    nanochat(*words).assert_refused(3, "word 'a' at position 0 is not among the 7 tokens")


def test_a_vocabulary_is_shown_with_its_longest_tokens(nanochat, files):
    done = nanochat("tokenizer", "inspect", "bpe.json", "--longest", 2)
    lines = [line.split() for line in done.out.splitlines()]
    for row in (["kind", "bpe"], ["vocab", "size", "270"], ["special", "tokens", "<|bos|>", "0"], ["merges", "13"]):
        assert row in lines
    assert len(lines) - lines.index([]) == 4
    assert "\x1b" not in done.out


def test_a_text_is_shown_cut_with_bars_off_a_terminal(nanochat, files):
    done = nanochat("tokenizer", "inspect", "bpe.json", "the zoo\n")
    assert done.out.splitlines()[0] == "the| |z|o|o|\\n"
    assert "6 tokens, 8 bytes, 1.33 bytes per token" in done.out
    assert "3 tokens, 11 bytes, 3.67 bytes per token, 1 unknown" in nanochat(
        "tokenizer", "inspect", "word.json", "the zoo mat"
    ).out  # fmt: skip


def test_an_inspection_measures_on_data_and_may_be_json(nanochat, files, corpus):
    words = ("tokenizer", "inspect", "word.json", "the mat", "--data", corpus)
    assert ["bytes", "per", "token", "3.6667"] in [line.split() for line in nanochat(*words).out.splitlines()]
    found = json.loads(nanochat(*words, "--json").out)
    assert found["pieces"] == [{"id": 8, "token": "the"}, {"id": 4, "token": "mat"}]
    assert (found["unknown"], found["measured"]["unknown"]) == ("unk", 0)
    assert found["longest_tokens"][0] == {"id": 2, "token": "cat"}


def test_tokenizers_are_compared_on_the_same_data(nanochat, files, corpus):
    words = ("tokenizer", "compare", "char.json", "word.json", "bpe.json", "--data", corpus)
    done = nanochat(*words)
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == ["corpus.txt:", "24", "texts,", "396", "bytes"]
    assert [line[0] for line in lines[3:]] == ["char.json", "word.json", "bpe.json"]
    rows = json.loads(nanochat(*words, "--json").out)
    assert rows[0]["bytes_per_token"] == 1
    assert [row["restored"] for row in rows] == ["100.0%"] * 3
    assert rows[1]["tokens"] == 12 * 9
    assert len({row["bytes"] for row in rows}) == 1


def test_a_comparison_goes_on_where_words_are_unknown(nanochat, files):
    rows = json.loads(nanochat(*"tokenizer compare char.json word.json --data builtin:facts --json".split()).out)
    assert all(row["unknown"] > 0 for row in rows)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of one step."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "t.txt").write_text("ab" * 50, encoding="utf-8")
    settings = {"steps": 1, "eval_tokens": 16}
    config = {"preset": "bigram", "data": {"source": str(folder / "t.txt")}, "training": settings}
    run_training(resolve(config), out=folder / "run")
    return folder / "run"


def test_a_tokenizer_is_found_in_a_run_its_checkpoints_and_a_model_file(nanochat, run, tmp_path):
    *_, step = sorted((run / "checkpoints").glob("step-*"))
    files = [tmp_path / name for name in ("model.json", "model.safetensors", "model.json.gz")]
    for file in files:
        load(run).save(file)
    for place in (run, run / "tokenizer.json", step, *files):
        assert nanochat("tokenizer", "encode", "--tokenizer", place, "abba").out == "1 2 2 1\n"


@pytest.mark.parametrize(
    ("line", "code", "part"),
    [
        ("train --kind char --data corpus.txt", 2, "missing option '--out'"),
        ("train --kind lines --data corpus.txt --out t.json", 2, "invalid value for '--kind'"),
        ("train --kind char --vocab-size 9 --data corpus.txt --out t.json", 2, "--vocab-size has no meaning for"),
        ("train --kind bpe --unknown unk --data corpus.txt --out t.json", 2, "--unknown has no meaning for --kind bpe"),
        ("train --kind word --pattern gpt2 --data corpus.txt --out t.json", 2, "--pattern has no meaning for"),
        ("train --kind word --form huggingface --data corpus.txt --out t.json", 2, "--form huggingface holds bpe only"),
        ("train --kind bpe --vocab-size 0 --data corpus.txt --out t.json", 2, "--vocab-size 0 is too small"),
        ("train --kind bpe --vocab-size 99 --data corpus.txt --out t.json", 3, "has no room for BOS, 256 bytes"),
        ("train --kind word --min-count 99 --data corpus.txt --out t.json", 3, "no word occurs --min-count 99 times"),
        ("train --kind char --data none.txt --out t.json", 3, "there is no file none.txt"),
        ("train --kind char --data corpus.txt --out corpus.txt/t.json", 8, "cannot write"),
        ("encode text", 2, "missing option '--tokenizer'"),
        ("encode --tokenizer none.json text", 3, "there is no file none.json"),
        ("encode --tokenizer corpus.txt text", 3, "corpus.txt is no JSON"),
        ("encode --tokenizer latest text", 4, "there is no run"),
        ("encode --tokenizer char.json zoo", 3, "character 'z' (U+007A) at position 0"),
        ("encode --tokenizer char.json zoo --unknown unk", 3, "unknown='unk' needs a tokenizer trained with it"),
        ("encode --tokenizer bpe.json zoo --unknown skip", 3, "--unknown skip has no meaning for a bpe"),
        ("encode --tokenizer none.safetensors text", 4, "none.safetensors"),
        ("decode --tokenizer bpe.json 270", 3, "id 270 at position 0 is outside 0 to 269"),
        ("decode --tokenizer bpe.json one", 2, "invalid value for 'ids'"),
        ("inspect bpe.json --longest -1", 2, "--longest -1 is too small"),
        ("inspect bpe.json --data none.txt", 3, "there is no file none.txt"),
        ("compare --data corpus.txt", 2, "missing argument 'FILE...'"),
        ("compare bpe.json", 2, "missing option '--data'"),
    ],
)  # fmt: skip
def test_wrong_words_are_one_sentence(nanochat, files, corpus, line, code, part):
    done = nanochat("tokenizer", *line.split())
    assert (done.code, "Traceback" in done.err) == (code, False), done
    assert part.lower() in done.err.lower()
    assert len(done.complaints) == 1
    assert not (files / "t.json").exists()


def test_standard_input_that_is_no_text_or_no_ids_is_one_sentence(nanochat, files, standard_input, monkeypatch):
    standard_input(b"caf\xe9")
    nanochat("tokenizer", "encode", "--tokenizer", "bpe.json").assert_refused(3, "is not UTF-8 at byte 3")
    standard_input("1 two")
    nanochat("tokenizer", "decode", "--tokenizer", "bpe.json").assert_refused(3, "'two' on standard input is no id")
    standard_input("")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    nanochat("tokenizer", "encode", "--tokenizer", "bpe.json").assert_refused(2, "there are no words to read")


def drawn(pieces, **options):
    console = Console(file=io.StringIO(), force_terminal=True, width=20, legacy_windows=False, **options)
    print_pieces(pieces, console)
    return console.file.getvalue()


def test_in_a_terminal_pieces_are_coloured_and_stand_over_their_ids():
    pieces = [
        Piece(5, "Hel"),
        Piece(1234, "lo"),
        Piece(7, " wor"),
        Piece(8, "ld"),
        Piece(9, "\u4e2d"),
        Piece(10, "x" * 30),
    ]
    shown = drawn(pieces, color_system="standard")
    assert "\x1b[30;10" in shown
    bare = re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()
    assert bare[0].rstrip() == "Hel lo    wor ld \u4e2d"
    assert bare[1].rstrip() == "5   1234 7    8  9"
    assert bare[2].startswith("xxxxxxxxxx")
    assert all(len(line) <= 20 for line in bare)


def test_without_colours_pieces_are_parted_by_bars():
    pieces = cut(CharTokenizer.train("ab[]"), "ab[a]")
    assert drawn(pieces, color_system=None) == "a|b|[|a|]\n"
    assert drawn(pieces, no_color=True, color_system="standard") == "a|b|[|a|]\n"
    assert drawn([], color_system=None) == "\n"
