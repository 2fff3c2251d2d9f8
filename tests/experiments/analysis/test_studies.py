from dataclasses import replace

import pytest

from nanochat.errors import CheckpointError, ConfigError
from nanochat.experiments.ablation.sweep import AblationConfig, CellDone, check_reuse, run_ablation
from nanochat.experiments.analysis.studies import settings_that_differ, variants_shared


def test_studies_are_compared_by_the_variants_and_seeds_that_they_share(study_of):
    one, other = study_of([2.0, 2.2], [3.0, 3.0]), study_of([2.5, 2.9], [3.0, 3.0], [1.0, 1.0])
    rows = variants_shared({"A": one, "B": other})
    assert [row["variant"] for row in rows] == ["lr=1.0", "lr=2.0"]
    assert rows[0]["A"] == pytest.approx(2.1)
    assert rows[0]["difference"] == pytest.approx(0.6)
    assert rows[0]["ci95"] == pytest.approx(12.7062 * 0.1, rel=1e-4)  # t of one degree of freedom times s / sqrt 2
    assert rows[1]["difference"] == 0
    differing = {row["field"]: (row["A"], row["B"]) for row in settings_that_differ({"A": one, "B": other})}
    assert differing == {"axis training.lr": ([1.0, 2.0], [1.0, 2.0, 3.0])}


def test_studies_that_share_nothing_are_refused(study_of, tiny_study, tmp_path):
    other = run_ablation(replace(tiny_study, seeds=1), tmp_path)
    with pytest.raises(ConfigError, match="A and B share no variant with the same seed"):
        variants_shared({"A": study_of([2.0], [2.1]), "B": other})


def test_an_axis_that_grew_reuses_the_cells_that_are_there(tiny_run, tmp_path):
    old = AblationConfig(base=tiny_run, axes={"training.lr": (0.1, 0.2)}, seeds=1)
    new = replace(old, axes={"training.lr": (0.1, 0.2, 0.3)})
    before, events = run_ablation(old, tmp_path / "old"), []
    check_reuse(new, tmp_path / "old")
    after = run_ablation(new, tmp_path / "new", reuse=tmp_path / "old", observe=events.append)
    assert [event.was_there for event in events if isinstance(event, CellDone)] == [True, True, False]
    assert after.results[:2] == before.results


def test_what_has_no_cell_of_the_study_cannot_be_reused(tiny_run, tmp_path):
    old = AblationConfig(base=tiny_run, axes={"training.lr": (0.1, 0.2)}, seeds=1)
    run_ablation(old, tmp_path / "old")
    with pytest.raises(ConfigError, match="shares no cell with this study"):
        check_reuse(replace(old, axes={"training.lr": (0.3, 0.4)}), tmp_path / "old")
    with pytest.raises(CheckpointError):
        check_reuse(old, tmp_path)
