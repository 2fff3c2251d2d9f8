"""`sample`: filters, stop strings, beams and alternatives, from the flags to what is printed."""

import json
from dataclasses import replace

import pytest

from nanochat.cli.app import parse
from nanochat.cli.commands.run.sample import _row
from nanochat.cli.console import print_table
from nanochat.cli.sampling import on_one_line
from nanochat.errors import UsageError
from nanochat.inference.alternatives import Candidate, Choice
from nanochat.inference.language_model import LanguageModel
from nanochat.inference.samplers import Sampling
from nanochat.tokenizers import BPETokenizer, WordTokenizer

WORDS = WordTokenizer.train("what is the capital of Peru ? yes no [/red] x y z")


@pytest.fixture
def model(random_model) -> LanguageModel:
    return random_model(WORDS)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("--top-k -1", "top_k=-1 is too small"),
        ("--top-p 1.1", "top_p=1.1 is no share"),
        ("--min-p nan", "min_p=nan is no share"),
        ("--repetition-penalty 0", "repetition_penalty=0.0 is not"),
        ("--beam 0", "a beam of width 0 holds nothing"),
        ("--beam 5 --length-penalty -1", "length_penalty=-1.0 is not a number from 0 to 10"),
        ("--length-penalty 1", "--length-penalty 1 is for a search: give --beam 5 with it"),
        ("--beam 3 --min-p 0.1", "--beam 3 searches and draws nothing: leave out --min-p"),
        ("--beam 3 --n-samples 4", "--n-samples 4 is more than --beam 3 finds"),
        ("--beam 3 --seed 5", "--beam 3 searches and draws nothing: leave out --seed"),
        ("--beam 1001", "a beam of width 1,001 would fill the memory: give 1,000 or less"),
        ("--alternatives 0", "--alternatives 0 is too small"),
        ("--alternatives 3 --beam 3", "--alternatives 3 shows one text that is drawn: leave out --beam"),
        ("--alternatives 3 --n-samples 2", "leave out --n-samples 2"),
    ],
)
def test_sampling_flags_that_make_no_sense_are_exit_2(nanochat, words, part):
    nanochat("sample", *words.split()).assert_refused(2, part)


def test_an_empty_stop_string_is_exit_2(nanochat):
    nanochat("sample", "--stop", "").assert_refused(2, "stop='' is empty")


def test_words_become_the_settings():
    asked = parse("sample --temperature 0.5 --top-k 3 --stop a --stop b --stop a".split()).keywords
    assert asked["sampling"] == Sampling(temperature=0.5, top_k=3)
    assert (asked["limits"]["stop"], asked["beam"], asked["alternatives"]) == (("a", "b"), 0, 0)
    assert parse(["sample"]).keywords["sampling"] == parse(["chat"]).keywords["sampling"] == Sampling()
    assert parse("sample --beam 4".split()).keywords["length_penalty"] == 1.0
    with pytest.raises(UsageError):
        parse("chat --min-p 2".split())


def sampled(nanochat, *words: object) -> dict:
    done = nanochat("sample", "--run", "model.json", "--json", *words)
    assert done.code == 0, done
    return json.loads(done.out)


def test_samples_are_drawn_together_as_they_are_alone(nanochat, model):
    words = ("--prompt", "what is", "--top-k", 4, "--max-new-tokens", 60)
    many = sampled(nanochat, *words, "--n-samples", 20)["samples"]
    assert len(set(many)) > 1
    assert sampled(nanochat, *words, "--n-samples", 3)["samples"] == many[:3]
    assert sampled(nanochat, *words)["samples"] == many[:1]
    lines = nanochat("sample", "--run", "model.json", *words, "--n-samples", 20).out.splitlines()
    assert lines == many


@pytest.mark.parametrize("words", [(), ("--n-samples", 3), ("--beam", 2), ("--alternatives", 2)])
def test_json_tells_who_decoded(nanochat, model, words):
    assert sampled(nanochat, *words, "--max-new-tokens", 3)["decoder"] == "fused"


def test_a_sample_ends_before_a_stop_string(nanochat, model):
    words = ("--prompt", "what", "--max-new-tokens", 60, "--temperature", 2, "--seed", 4)
    (whole,) = sampled(nanochat, *words)["samples"]
    stop = whole[12:16]
    assert len(stop) == 4
    expected = whole[: whole.index(stop, len("what"))]
    for n in (1, 2):
        words = (*words, "--stop", stop, "--n-samples", n)
        assert sampled(nanochat, *words)["samples"][0] == expected


def test_a_beam_gives_the_likeliest_with_their_scores(nanochat, model):
    content = sampled(nanochat, "--prompt", "what", "--beam", 6, "--n-samples", 3, "--max-new-tokens", 4)
    expected = model.beam("what", width=6, max_new_tokens=4)[:3]
    assert list(zip(content["samples"], content["scores"], strict=True)) == expected
    done = nanochat("sample", "--run", "model.json", "--prompt", "what", "--beam", 6, "--max-new-tokens", 4)
    assert done.out == expected[0][0] + "\n"
    greedy = sampled(nanochat, "--prompt", "what", "--temperature", 0, "--max-new-tokens", 4)["samples"]
    assert sampled(nanochat, "--prompt", "what", "--beam", 1, "--max-new-tokens", 4)["samples"] == greedy


def test_alternatives_are_those_of_the_sample(nanochat, model):
    words = ("--prompt", "what", "--alternatives", 3, "--max-new-tokens", 4, "--temperature", 1.1)
    tokens = sampled(nanochat, *words)["tokens"]
    (text,) = sampled(nanochat, "--prompt", "what", "--max-new-tokens", 4, "--temperature", 1.1)["samples"]
    assert WORDS.decode(WORDS.encode("what") + [token["id"] for token in tokens]) == text
    for token in tokens:
        ps = [other["p"] for other in token["likeliest"]]
        assert ps == sorted(ps, reverse=True)
        assert len(ps) == 3
        assert sum(ps) < 1
    lines = nanochat("sample", "--run", "model.json", *words).out.splitlines()
    assert lines[0].split() == ["token", "p", "1", "2", "3"]
    assert [line.split()[0] for line in lines[1:]] == [json.dumps(token["text"]) for token in tokens]


def test_tokens_have_no_power_over_the_table(capsys):
    candidates = tuple(Candidate(i, text, 0.5) for i, text in enumerate(["[/red]", "[bold]", "\n", '"']))
    print_table([_row(Choice(candidates[0], candidates))])
    assert capsys.readouterr().out.splitlines()[1].split() == [
        *('"[/red]"', "0.5000"),
        *('"[/red]"', "0.5000", '"[bold]"', "0.5000", '"\\n"', "0.5000", '"\\""', "0.5000"),
    ]


@pytest.mark.parametrize("unknown", ["skip", "unk"])
def test_unknown_words_of_the_prompt_are_counted_and_kept_apart_from_what_follows(nanochat, random_model, unknown):
    random_model(replace(WordTokenizer.train("what is x y z", unknown="unk"), unknown=unknown))
    words = ("sample", "--run", "model.json", "--prompt", "what is Quito or Lima", "--max-new-tokens", 3)
    done = nanochat(*words)
    done_with_them = {"skip": "left out", "unk": "read as <UNK>"}[unknown]
    assert done.err == f"the prompt: 3 unknown words are {done_with_them}: 'Quito', 'or', 'Lima'\n"
    assert done.out.startswith("what is Quito or Lima ")
    assert nanochat(*words, "--json").err == done.err
    for more in ((), ("--beam", 2), ("--alternatives", 2)):
        assert sampled(nanochat, *words[3:], *more)["n_unknown"] == 3
    assert nanochat(*words[:4], "what", *words[5:]).err == ""


def test_a_model_of_conversations_points_to_chat_unless_the_prompt_is_one(nanochat, chat_model):
    words = ("sample", "--run", "model.json", "--max-new-tokens", 3, "--prompt")
    hint = "this model answers questions in `nanochat chat --run model.json`: here it goes on from a text\n"
    assert nanochat(*words, "what").err == hint
    assert nanochat(*words, "<|user|>what<|end|><|assistant|>").err == ""


@pytest.mark.parametrize("prompt", ["", " ", "\n"])
@pytest.mark.parametrize("more", [(), ("--n-samples", 2), ("--beam", 2)])
def test_a_prompt_without_words_is_begun_at_bos(nanochat, model, prompt, more):
    words = ("--temperature", 0) if "--beam" not in more else ()
    begun = sampled(nanochat, "--max-new-tokens", 4, *words, *more)["samples"]
    assert sampled(nanochat, "--max-new-tokens", 4, *words, *more, "--prompt", prompt)["samples"] == [
        prompt + text for text in begun
    ]


@pytest.mark.parametrize("more", [(), ("--n-samples", 2), ("--beam", 2)])
def test_no_tokens_more_are_the_prompt(nanochat, model, more):
    texts = sampled(nanochat, "--prompt", "what", "--max-new-tokens", 0, *more)["samples"]
    assert set(texts) == {"what"}


def test_a_beam_needs_its_width_and_the_help_names_one(nanochat):
    nanochat("sample", "--beam").assert_refused(2, "option '--beam' requires an argument")
    assert "5 is usual" in " ".join(nanochat("sample", "--help").out.split())


def test_in_a_pipe_each_of_several_samples_has_one_line(nanochat, random_model):
    random_model(BPETokenizer.train("", vocab_size=257))
    words = ("--prompt", "a\r\nb\n\n", "--max-new-tokens", 0)
    for more in (("--n-samples", 2), ("--n-samples", 2, "--beam", 3)):
        (text, *_) = sampled(nanochat, *words, *more)["samples"]
        assert text == "a\r\nb\n\n"
        lines = nanochat("sample", "--run", "model.json", *words, *more).out
        assert set(lines.split("\n")) == {"a b ", ""}
    assert nanochat("sample", "--run", "model.json", *words).out == "a\r\nb\n\n\n"  # one is shown as it is


@pytest.mark.parametrize(
    ("pieces", "expected"), [(["a\r", "\nb"], "a b"), (["\n", "\n"], " "), (["\n", "", "\n\n", "c\n"], " c "), ([], "")]
)
def test_line_breaks_that_follow_each_other_are_one_space_wherever_they_are_cut(pieces, expected):
    assert "".join(on_one_line(pieces)) == expected


def test_a_model_of_documents_does_not_point_to_chat(nanochat, chat_model, tmp_path):
    for layout, n in (("documents", 0), ("chat", 1)):
        replace(chat_model, origin={"layout": layout}).save(tmp_path / "model.json")
        assert len(nanochat("sample", "--run", "model.json", "--max-new-tokens", 1).err.splitlines()) == n
