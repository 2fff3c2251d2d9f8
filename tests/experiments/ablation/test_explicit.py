import csv
from dataclasses import replace

import pytest

from nanochat.errors import ConfigError
from nanochat.experiments.ablation.budget import share_budget
from nanochat.experiments.ablation.explicit import parse_variants
from nanochat.experiments.ablation.grid import AblationConfig, ablation_from_dict, ablation_to_dict
from nanochat.experiments.ablation.named import make_study, read_study_file
from nanochat.experiments.ablation.sweep import run_ablation
from nanochat.experiments.analysis.findings import analyse
from nanochat.experiments.reports.study.report import study_report
from nanochat.models.parameters import count_parameters
from nanochat.training.prepare import prepare
from nanochat.training.resolve import resolve

SWIGLU = "swiglu: activation=swiglu mlp_width=42"


@pytest.fixture(scope="module")
def gpt(tiny_text):
    return resolve({"preset": "mini-gpt", "mode": "tensor", "data": {"source": str(tiny_text)}})


def test_a_variant_is_a_name_and_the_settings_that_change_together(gpt):
    study = AblationConfig(base=gpt, axes={}, explicit=parse_variants([SWIGLU]), seeds=1)
    assert list(study.variants) == ["baseline", "swiglu"]
    assert study.variants["baseline"] == gpt
    assert study.variants["swiglu"] == replace(gpt, model=replace(gpt.model, activation="swiglu", mlp_width=42))
    assert study.varied == ("model.activation", "model.mlp_width")


def test_variants_stand_beside_the_grid_whose_baseline_they_change(gpt):
    axes = {"model.norm": ("layer", "rms")}
    study = AblationConfig(base=gpt, axes=axes, explicit=parse_variants([SWIGLU]), seeds=1)
    assert list(study.variants) == ["norm=layer", "norm=rms", "swiglu"]
    assert study.variants["swiglu"].model.norm == "layer"


def test_a_study_without_such_variants_is_written_as_before(tiny_study, gpt):
    assert not {"explicit", "widths"} & ablation_to_dict(tiny_study).keys()
    study = AblationConfig(base=gpt, axes={}, explicit=parse_variants([SWIGLU]), seeds=1)
    assert ablation_from_dict(ablation_to_dict(study)) == study


def test_a_file_may_spell_variants_out(tmp_path, gpt):
    path = tmp_path / "mlp.toml"
    path.write_text('[variants.swiglu]\nactivation = "swiglu"\nmodel.mlp_width = 42\n', encoding="utf-8")
    assert make_study(gpt, read_study_file(path)).explicit == parse_variants([SWIGLU])
    path.write_text('variants.swiglu = "activation"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="no table of tables"):
        read_study_file(path)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["swiglu"], "changes nothing: write"),
        (["a: lr=0.1", "a: lr=0.2"], "variant a is given twice"),
        (["a: lr=0.1 training.lr=0.2"], "a sets training.lr twice"),
        (["a: lrr=0.1"], "there is no setting 'lrr'"),
        (["a: lr="], "'lr=' is no setting"),
        (["a b: lr=0.1"], "has no good name"),
    ],
)
def test_a_text_that_is_no_variant_is_refused(texts, message):
    with pytest.raises(ConfigError, match=message):
        parse_variants(texts)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: seed=3", "variant a: seed is no axis"),
        ("a: n_embd=wide", "variant a: model.n_embd=wide does not fit"),
        ("a: momentum=0.5", "variant a: training.momentum has no effect with training.optimizer=adamw"),
        ("a: dropout=0.0", "variant a has the settings of baseline"),
        ("baseline: dropout=0.1", "variant baseline is given twice"),
        ("a: block_size=8", "on other tokens of the text"),
    ],
)
def test_a_variant_that_compares_nothing_is_refused(gpt, text, message):
    with pytest.raises(ConfigError, match=message):
        AblationConfig(base=gpt, axes={}, explicit=parse_variants([text]), seeds=1)


def test_variants_are_no_part_of_a_grid_to_draw_from(gpt):
    with pytest.raises(ConfigError, match="is no part of one"):
        AblationConfig(base=gpt, axes={}, explicit=parse_variants([SWIGLU]), seeds=1, max_cells=2)


def test_equal_parameters_are_reached_by_the_width_of_the_mlp(gpt):
    study = AblationConfig(base=gpt, axes={"model.activation": ("gelu", "swiglu")}, seeds=1, budget="parameters")
    shared = share_budget(study)
    sizes = [count_parameters(prepare(config).config.model.parameters()) for config in shared.variants.values()]
    assert sizes == list(shared.budget_given.values())
    assert shared.budget_asked == sizes[0]
    step = 3 * gpt.model.n_embd  # a hidden unit more of swiglu: two rows in, one column out
    assert abs(sizes[1] - sizes[0]) <= step / 2
    assert list(shared.widths) == ["activation=swiglu"]
    assert share_budget(shared) == shared


def test_a_width_that_is_varied_cannot_be_found(gpt, tiny_run):
    study = AblationConfig(base=gpt, axes={"model.mlp_width": (32, 64)}, seeds=1, budget="parameters")
    with pytest.raises(ConfigError, match="mlp_width is varied"):
        share_budget(study)
    with pytest.raises(ConfigError, match="a bigram has none"):
        share_budget(AblationConfig(base=tiny_run, seeds=1, budget="parameters"))


def test_the_tables_and_the_report_say_what_was_spelled_out(tiny_run, tmp_path):
    explicit = parse_variants(["fast: lr=0.1 weight_decay=0.0"])
    study = run_ablation(AblationConfig(base=tiny_run, axes={}, explicit=explicit, seeds=1), tmp_path)
    with (tmp_path / "ablation.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["variant"], row["lr"], row["weight_decay"]) for row in rows] == [
        ("baseline", "0.030000", "0.010000"),
        ("fast", "0.100000", "0.000000"),
    ]
    report = study_report(analyse(study))
    assert "`fast` (training.lr=0.1, training.weight_decay=0.0)" in report
    assert "--variant 'fast: training.lr=0.1 training.weight_decay=0.0'" in report
