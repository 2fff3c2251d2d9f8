"""The certificate passes, is written whole, and fails by name when a gradient is wrong."""

import json
import math
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanochat.cli import main
from nanochat.engine.tensor import functional as F
from nanochat.engine.tensor import ops
from nanochat.engine.tensor.ops.shapes import rows
from nanochat.engine.tensor.tensor import apply
from nanochat.errors import ConfigError
from nanochat.experiments.certify.certificate import (
    Certificate,
    CertificateError,
    ChangedCodeError,
    to_document,
    to_markdown,
    write_certificate,
)
from nanochat.experiments.certify.compare import cases, examine, relative_error
from nanochat.experiments.certify.edges import edge_cases, edge_errors
from nanochat.experiments.certify.finding import Finding
from nanochat.experiments.certify.models import layer_cases, model_case, reduced
from nanochat.experiments.certify.ops import NOT_COMPARED, op_cases
from nanochat.models.parameters import count_parameters
from nanochat.models.presets import PRESETS

LIST_ARRANGEMENTS = {"concat", "getitem", "merge_heads", "reshape", "split_heads", "transpose"}
CASES = {f"{case.kind} {case.name}": case for case in [*op_cases(), *layer_cases()]}
EDGES = {edge.name: edge for edge in edge_cases()}


@pytest.fixture(autouse=True)
def _few_directions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two for each parameter: a wrong gradient shows in any. The slow test takes as many as the command does."""
    if not request.node.get_closest_marker("slow"):
        monkeypatch.setattr("nanochat.experiments.certify.compare.N_DIRECTIONS", 2)


def finding(**changed: Any) -> Finding:
    numbers: dict[str, Any] = {
        "loss_error": 0.0, "gradient_errors": {"x": 0.0}, "slope_errors": {"x": 0.0}, "scalar_slope_errors": {},
        "compiled_error": 0.0,
    }  # fmt: skip
    return Finding(kind="op", name="exp", remark="", n_numbers=1, loss=1.0, **numbers | changed)


# **** it passes


@pytest.mark.parametrize("name", CASES)
def test_op_or_layer_passes(name: str) -> None:
    result = examine(CASES[name], seed=1)
    assert result.passed, result
    assert result.gradient_errors.keys() == result.slope_errors.keys() == result.scalar_slope_errors.keys()


@pytest.mark.parametrize("name", PRESETS)
def test_the_model_of_a_preset_passes(name: str) -> None:
    result = examine(model_case(name, PRESETS[name].model), seed=1)
    assert result.passed, result
    assert result.gradient_errors.keys() == PRESETS[name].model.parameters().keys() - {
        key for key in PRESETS[name].model.parameters() if key.startswith(("h.2", "h.3", "h.4", "h.5"))
    }
    assert math.isfinite(result.loss)
    assert result.loss > 0


@pytest.mark.parametrize("name", EDGES)
def test_both_engines_agree_at_the_edge(name: str) -> None:
    result = EDGES[name].examine()
    assert result.passed, result
    assert result.kind == "edge"
    assert result.n_numbers > 0


def test_losses_norms_and_clipping_stand_among_the_edges() -> None:
    names = {name.partition(" (")[0] for name in EDGES}
    assert names >= {"cross_entropy", "layer_norm", "rms_norm", "dyt", "softmax", "mean", "clip_gradients"}
    assert {edge.partition("target ")[2].rstrip(")") for edge in EDGES} >= {"0", "1", "2", "-1", "-2", "3"}


@pytest.mark.parametrize(
    ("ours", "other", "error"),
    [
        ([np.array([math.nan, 1.0])], [np.array([math.nan, 1.0])], 0.0),
        ([np.array([math.inf])], [np.array([math.inf])], 0.0),
        ([np.array([math.inf])], [np.array([-math.inf])], math.inf),
        ([np.array([math.nan])], [np.array([math.inf])], math.inf),
        ([np.array([math.nan])], [np.array([1.0])], math.inf),
        ([np.array([3.0])], [np.array([2.0])], 0.5),
        ([np.array([3.0])], [np.array([])], math.inf),
        ("ValueError", "ValueError", 0.0),
        ("ValueError", "IndexError", math.inf),
        ("ValueError", [np.array([3.0])], math.inf),
    ],
)
def test_nan_equals_nan_and_nothing_else(ours: Any, other: Any, error: float) -> None:
    assert edge_errors(ours, other) == [error]


def test_every_op_is_compared_or_listed_as_not() -> None:
    compared = {case.name.partition(" (")[0] for case in op_cases()}
    assert compared | LIST_ARRANGEMENTS | {"dropout"} == {*ops.__all__, "kl_divergence"}  # which is beside the core
    assert {name for key in NOT_COMPARED for name in key.split(", ")} >= LIST_ARRANGEMENTS | {"dropout"}


@pytest.mark.parametrize("name", PRESETS)
def test_every_gradient_of_a_model_matters(name: str) -> None:
    """No weight is zero and no gradient vanishes, or agreement would prove nothing."""
    _, tensor = model_case(name, PRESETS[name].model).build(np.random.default_rng(0))
    tensor.loss().backward()
    for key, parameter in tensor.parameters.items():
        assert (parameter.data != 0).all()
        if key != "backout":  # of two layers the second is the middle, and its share of itself the norm takes out
            assert np.abs(parameter.grad).max() > 1e-6


def test_large_presets_are_reduced_and_say_so() -> None:
    for name, preset in PRESETS.items():
        small, case = reduced(preset.model), model_case(name, preset.model)
        assert count_parameters(small.parameters()) <= 10_000
        assert ("reduced" in case.remark) == (small != preset.model)
    assert "n_layer 6 -> 2" in model_case("nanogpt-char", PRESETS["nanogpt-char"].model).remark
    assert "dropout 0.2 -> 0.0" in model_case("nanogpt-char", PRESETS["nanogpt-char"].model).remark


def test_a_case_draws_the_same_whatever_else_is_certified() -> None:
    alone = examine(CASES["op exp"], seed=5)
    assert alone == examine(CASES["op exp"], seed=5)
    assert alone.loss != examine(CASES["op exp"], seed=6).loss


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'microgpt'"):
        cases(["micro-gpt"])


# **** it can fail: the two classic faults of hand-written transformers


def failures(names: list[str]) -> set[str]:
    """Which of these ops, layers and models fail"""
    chosen = [CASES.get(name) or model_case(name, PRESETS[name].model) for name in names]
    return {case.name for case in chosen if not examine(case, seed=1).passed}


def test_a_mean_that_is_rounding_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one key has all the weight the slope of q and k is 0, and that of an unlucky rounding times 1e8."""
    monkeypatch.setattr(import_module("nanochat.engine.tensor.ops.attention"), "_HUGE", math.inf)
    saturated = ["op attention (saturated)", "op attention (one key)"]
    assert failures([*saturated, "op attention"]) == {name.removeprefix("op ") for name in saturated}


def test_a_loss_that_drops_a_nan_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = F.cross_entropy

    def wrong(logits: Any, **options: Any) -> Any:
        return right(apply(lambda z: (np.nan_to_num(z), lambda g: (g,)), logits), **options)

    monkeypatch.setattr(F, "cross_entropy", wrong)
    assert not EDGES["cross_entropy (target 0)"].examine().passed
    assert not EDGES["cross_entropy (rows)"].examine().passed


def test_attention_gradient_without_the_root_of_d_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = import_module("nanochat.engine.tensor.ops.attention").attend

    def wrong(q: np.ndarray, *rest: Any, **options: Any) -> Any:
        back = right(q, *rest, **options)

        def wrong_back(g: np.ndarray, gq: np.ndarray, gk: np.ndarray, gv: np.ndarray) -> None:
            back(g, gq, gk, gv)
            gq *= math.sqrt(q.shape[-1])
            gk *= math.sqrt(q.shape[-1])

        return wrong_back

    for module in ("attention", "self_attention"):
        monkeypatch.setattr(import_module(f"nanochat.engine.tensor.ops.{module}"), "attend", wrong)
    flat = {"op attention (saturated)", "op attention (one key)"}  # any factor of 0 is right
    attentions = [name for name in CASES if "ttention" in name and name not in flat]
    others = ["op linear", "op softmax", "op layer_norm", "layer MLP (relu)", "layer LayerNorm gain bias", "bigram"]
    models = ["microgpt"]
    assert len(attentions) == 9
    assert failures([*attentions, *others, *models]) == {*(name.partition(" ")[2] for name in attentions), *models}


def test_layer_norm_gradient_without_centring_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = ops.layer_norm

    def wrong(x: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> Any:
        """dL/dx = (gn - n mean(gn n)) / sqrt(var + eps): mean(gn) is forgotten"""
        y, vjp = right(x, weight, bias, eps=eps)
        rstd = 1 / np.sqrt(rows(x).var(-1) + eps)

        def wrong_vjp(g: np.ndarray) -> Any:
            gx, *rest = vjp(g)
            gn = g if weight is None else g * weight
            return gx + gn.mean(-1, keepdims=True) * rstd.reshape(*x.shape[:-1], 1), *rest

        return y, wrong_vjp

    monkeypatch.setattr(ops, "layer_norm", wrong)
    monkeypatch.setattr(F, "layer_norm", partial(apply, wrong))
    norms = [
        name for name in CASES if "layer_norm" in name.lower() or "post-LayerNorm" in name or "LayerNorm gain" in name
    ]
    others = ["op rms_norm", "op attention", "layer RMSNorm gain", "microgpt"]
    models = ["rustgpt"]
    assert failures([*norms, *others, *models]) == {*(name.partition(" ")[2] for name in norms), *models}


def test_a_failed_certificate_names_what_failed_and_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(F, "exp", partial(apply, lambda x: (np.exp(x), lambda g: (g,))))
    findings = tuple(examine(CASES[f"op {name}"], seed=1) for name in ("tanh", "exp"))
    certificate = Certificate(seed=1, findings=findings, not_compared=NOT_COMPARED)
    assert certificate.failures == ["op exp"]
    for changed, error, whose, code in (
        ([], CertificateError, "no file of nanochat was changed, so this is a bug", 1),
        (None, CertificateError, "if you changed no file", 1),
        (["engine/scalar/value.py"], ChangedCodeError, "since it was installed, engine/scalar/value.py changed", 9),
    ):
        monkeypatch.setattr("nanochat.experiments.certify.installed.changed_files", lambda changed=changed: changed)
        with pytest.raises(error, match=f"first op exp: .*{whose}") as caught:
            certificate.check()
        assert caught.value.exit_code == code
    write_certificate(certificate, tmp_path)
    assert json.loads((tmp_path / "certificate.json").read_text(encoding="utf-8"))["failures"] == ["op exp"]
    assert "FAILED: op exp" in (tmp_path / "certificate.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "changed",
    [
        {"loss_error": 2e-10},
        {"gradient_errors": {"x": 0.0, "y": 2e-10}},
        {"slope_errors": {"x": 2e-6}},
        {"scalar_slope_errors": {"x": 2e-6}},
        {"loss_error": math.nan},
        {"compiled_error": 2e-10},
        {"compiled_error": math.nan},
        {"gradient_errors": {"x": math.nan, "y": 0.0}},
        {"slope_errors": {"x": 0.0, "y": math.nan}},
    ],
)
def test_an_error_above_its_tolerance_fails_and_nan_fails(changed: dict[str, Any]) -> None:
    certificate = Certificate(seed=0, findings=(finding(), finding(**changed)), not_compared={})
    assert finding().passed
    assert not certificate.passed
    assert "FAIL" in to_markdown(certificate, to_document(certificate)["environment"])
    json.dumps(to_document(certificate), allow_nan=False)


def test_the_error_is_relative_above_1_and_absolute_below() -> None:
    assert relative_error([1.0, 200.0], [1.0, 100.0]) == pytest.approx(1.0)
    assert relative_error([0.3], [0.1]) == pytest.approx(0.2)
    assert math.isnan(relative_error([math.nan], [1.0]))


# **** what is written


def test_the_files_say_what_was_compared_and_with_what(tmp_path: Path) -> None:
    certificate = Certificate(seed=7, findings=(examine(CASES["op exp"], 7),), not_compared=NOT_COMPARED)
    write_certificate(certificate, tmp_path / "new")
    content = json.loads((tmp_path / "new" / "certificate.json").read_text(encoding="utf-8"))
    text = (tmp_path / "new" / "certificate.md").read_text(encoding="utf-8")
    assert content["passed"] is True
    assert content["seed"] == 7
    assert content["tolerances"] == {"scalar_tensor": 1e-10, "finite_differences": 1e-6}
    assert content["directions"] == 32
    assert content["environment"]["packages"]["numpy"] == np.__version__
    assert content["findings"][0]["gradient_errors"].keys() == {"x"}
    for part in ("**passed**", "1e-10", "1e-06", "Seed 7", "| exp | x 3x5 | 15 |", "Not compared", "dropout"):
        assert part in text
    assert "1 of 1 pass" in certificate.summary()


@pytest.mark.slow
def test_the_command_writes_the_certificate_and_prints_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["certify", "--preset", "bigram", "--out", str(tmp_path), "--seed", "3"]
    some = [case for case in op_cases() if case.name in ("exp", "linear")]  # all of them pass above, one by one
    monkeypatch.setattr("nanochat.experiments.certify.compare.op_cases", lambda: some)
    monkeypatch.setattr("nanochat.experiments.certify.compare.layer_cases", list)
    monkeypatch.setattr("nanochat.experiments.certify.compare.edge_cases", lambda: [EDGES["softmax"]])
    monkeypatch.setattr("nanochat.experiments.certify.installed.changed_files", list)
    with pytest.raises(SystemExit) as left:
        main(words)
    out = capsys.readouterr().out
    assert left.value.code == 0
    assert out.count("\n") == 1
    assert out.endswith(f"{tmp_path / 'certificate.md'}\n")
    names = [f["name"] for f in json.loads((tmp_path / "certificate.json").read_text(encoding="utf-8"))["findings"]]
    assert names == ["exp", "linear", "bigram", "softmax"]

    monkeypatch.setattr(F, "exp", partial(apply, lambda x: (np.exp(x), lambda g: (g,))))
    with pytest.raises(SystemExit) as left:
        main([*words, "--json"])
    captured = capsys.readouterr()
    assert left.value.code == 1
    assert json.loads(captured.out)["failures"] == ["op exp"]
    assert "op exp" in captured.err.splitlines()[-1]


def test_an_unknown_preset_on_the_command_line_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["certify", "--preset", "bigrm"])
    assert left.value.code == 2
    assert "did you mean 'bigram'" in capsys.readouterr().err


def test_one_name_is_certified_alone_and_replaces_no_certificate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["certify", "--only", "RELU2", "--out", str(tmp_path)])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("3 of 3 pass")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SystemExit) as left:
        main(["certify", "--only", "atention"])
    assert left.value.code == 2
    assert "did you mean 'attention'?" in capsys.readouterr().err
