"""`ablate --ladder`: what it prints and writes, going on, and what it refuses."""

import json

import pytest

TINY = "ablate --jobs 1 --mode tensor --seeds 3 --eval-every 0 --batch-size 1 --set eval_tokens=16 --out study".split()


@pytest.fixture
def ladder(nanochat, abab):
    return lambda *words: nanochat(*TINY, "--data", abab, "--axis", "lr=0.1,0.2", *words)


def test_a_ladder_ends_with_a_report_and_a_prediction_and_goes_on_above(ladder, nanochat, tmp_path):
    done = ladder("--ladder", "steps=1,2,4,8", "--json")
    assert done.code == 0, done.err
    content = json.loads(done.out)
    assert content["rungs"] == [1, 2, 4, 8]
    assert [one["rung"] for one in content["foretold"]] == [16, 16]
    assert all((tmp_path / "study" / f"steps={n}" / "report.md").is_file() for n in (1, 2, 4, 8))
    more = ladder("--ladder", "steps=1,2,4,8,16")
    assert more.code == 0, more.err
    assert more.err.count("(there already)") == 24
    report = (tmp_path / "study" / "report.md").read_text(encoding="utf-8")
    assert nanochat("report", "study").code == 0
    assert (tmp_path / "study" / "report.md").read_text(encoding="utf-8") == report


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--ladder", "steps=4"], 3, "one rung"),
        (["--ladder", "steps=4,2"], 3, "do not rise"),
        (["--ladder", "steps=2,4", "--tune", "steps=2,4"], 3, "varied or tuned"),
        (["--ladder", "steps=2,4", "--reuse", "old"], 2, "run already"),
        (["--ladder", "steps=2,4", "--dry-run", "--json"], 2, "a document for each rung"),
    ],
)
def test_what_no_ladder_can_be_is_one_sentence_and_writes_nothing(ladder, tmp_path, words, code, said):
    done = ladder(*words)
    assert (done.code, done.err.count("\n")) == (code, 1), done.err
    assert said in done.err
    assert not (tmp_path / "study").exists()
