"""`nanochat checkpoint`: looking at models on disk, writing them otherwise, comparing, verifying and removing them."""

import json
import shlex
from dataclasses import replace

import numpy as np
import pytest

from nanochat.checkpoints.directory import list_checkpoints, save_directory
from nanochat.checkpoints.formats.arrays import FORMATS, write_arrays
from nanochat.checkpoints.gpt2.folder import save_gpt2
from nanochat.checkpoints.weights import load_snapshot, save_snapshot
from nanochat.cli.app import parse
from nanochat.cli.commands.file import checkpoint
from nanochat.inference.language_model import LanguageModel, load
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.storage.atomic import write_json
from nanochat.tokenizers import BPETokenizer, CharTokenizer
from nanochat.training.resolve import resolve
from nanochat.training.run import run_training

CONFIG = GPTConfig(vocab_size=4, block_size=5, n_embd=4, n_head=2, norm="layer", final_norm=True, activation="gelu")
NAMES = [command.name for command in checkpoint.commands.registered_commands]


def language_model(seed=0, *, config=CONFIG, tokenizer=None, mode="tensor") -> LanguageModel:
    model = build_model(config, mode)
    rng = np.random.default_rng(seed)
    model.load_state_dict({name: rng.normal(size=p.shape) for name, p in config.parameters().items()})
    return LanguageModel(model, tokenizer or CharTokenizer("abc"), config, "gpt", mode, stops_at_bos=True)


def save_checkpoint(parent, step, *, format="safetensors"):
    snapshot = replace(language_model(step).snapshot(), origin={"step": step, "preset": "gpt", "seed": 1337})

    def write_files(draft):
        save_snapshot(draft / f"model.{format}", snapshot)
        memory = {f"{slot}/{name}": np.ones_like(w) for slot in "mv" for name, w in snapshot.weights.items()}
        write_arrays(draft / f"optimizer.{format}", memory)
        best = {"step": 2, "val_loss": 1.0}
        write_json(draft / "state.json", {"step": step, "tokens": 8 * step, "lr": 0.5, "best": best, "evaluations": []})

    return save_directory(parent, step, write_files)


@pytest.fixture
def run(tmp_path):
    """A run with checkpoints of steps 1 to 4, of which step 2 had the least validation loss."""
    for step in range(1, 5):
        save_checkpoint(tmp_path / "run" / "checkpoints", step)
    lines = [json.dumps({"step": step, "val_loss": 1.0 + (step - 2) ** 2}) for step in range(5)]
    (tmp_path / "run" / "metrics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path / "run"


@pytest.fixture
def model(tmp_path):
    language_model().save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def damage(path):
    """Turn one bit in the middle of a file."""
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def steps_in(run):
    return [int(path.name.removeprefix("step-")) for path in list_checkpoints(run / "checkpoints")]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help_with_an_example_that_parses(nanochat, name):
    done = nanochat("checkpoint", name, "--help")
    assert (done.code, done.err) == (0, "")
    (command,) = [c for c in checkpoint.commands.registered_commands if c.name == name]
    assert command.epilog in " ".join(done.out.split())
    words = shlex.split(command.epilog.removeprefix("Example: nanochat "))
    assert parse(words).func.__module__ == checkpoint.__name__


# inspect


def test_inspect_says_what_a_model_is(nanochat, model):
    done = nanochat("checkpoint", "inspect", model)
    assert (done.code, done.err) == (0, "")
    lines = {line.split("  ")[0]: line.rstrip() for line in done.out.splitlines()}
    assert lines["model"].endswith("gpt, tensor, float32 (nanochat-model 2)")
    assert "kind=char  vocab_size=4  bos_id=0" in lines["tokenizer"]
    assert "n_embd=4" in lines["config"]
    row = lines["h.0.attn.qkv.weight"].split()
    weight = language_model().model.state_dict()["h.0.attn.qkv.weight"]
    assert row[1:5] == ["12", "x", "4", "float32"]
    assert row[5:] == [f"{weight.min():.4g}", f"{weight.max():.4g}", f"{np.linalg.norm(weight):.4g}", "192"]


def test_inspect_as_json_has_every_figure(nanochat, run):
    done = nanochat("checkpoint", "inspect", run, "--json")
    found = json.loads(done.out)
    assert done.err == ""
    assert (found["kind"], found["described"], found["step"]) == ("run", "step-00000004", 4)
    assert len(found["checkpoints"]) == 4
    assert (found["format"], found["version"]) == ("nanochat-checkpoint", 2)
    assert found["model"]["config"] == json.loads(json.dumps(CONFIG.__dict__))
    assert found["model"]["origin"] == {"step": 4, "preset": "gpt", "seed": 1337}
    assert found["optimizer"]["m"] | {"norm": 0} == {"tensors": 6, "numbers": found["parameters"], "norm": 0}
    assert found["state"]["tokens"] == 32
    assert sum(np.prod(tensor["shape"]) for tensor in found["tensors"]) == found["parameters"]
    assert found["bytes"] == 4 * found["parameters"]
    assert found["files"].keys() == {"model.safetensors", "optimizer.safetensors", "state.json"}


def test_inspect_reads_a_checkpoint_in_any_format(nanochat, tmp_path):
    tables = []
    for format in ("safetensors", "json", "json.gz"):
        folder = save_checkpoint(tmp_path / format, 7, format=format)
        tables.append(json.loads(nanochat("checkpoint", "inspect", folder, "--json").out))
    for table in tables:
        assert table["tensors"] == tables[0]["tensors"] or sorted(table["tensors"], key=lambda t: t["name"]) == sorted(
            tables[0]["tensors"], key=lambda t: t["name"]
        )
        assert table["optimizer"] == tables[0]["optimizer"]


def test_inspect_reads_arrays_that_are_no_model(nanochat, tmp_path):
    write_arrays(tmp_path / "a.safetensors", {"x": np.array([[3.0, -4.0]], np.float32), "empty": np.zeros(0)})
    found = json.loads(nanochat("checkpoint", "inspect", "a.safetensors", "--json").out)
    assert found["kind"] == "file"
    assert "model" not in found
    tensors = {tensor.pop("name"): tensor for tensor in found["tensors"]}
    assert tensors["x"] == {"shape": [1, 2], "dtype": "float32", "min": -4.0, "max": 3.0, "norm": 5.0, "n_bytes": 8}
    assert tensors["empty"]["norm"] == 0.0


def test_inspect_reads_a_gpt2(nanochat, tmp_path):
    save_gpt2(tmp_path / "gpt2", language_model().snapshot())
    found = json.loads(nanochat("checkpoint", "inspect", "gpt2", "--json").out)
    assert (found["kind"], found["model"]["format"], found["model"]["config"]["n_embd"]) == ("gpt2", "gpt2", 4)
    assert nanochat("checkpoint", "inspect", "gpt2").code == 0


def test_inspect_of_a_real_run(nanochat, tmp_path, abab):
    settings = {"steps": 2, "eval_tokens": 16}
    run_training(
        resolve({"preset": "mini-gpt", "data": {"source": str(abab)}, "training": settings}), out=tmp_path / "r"
    )
    done = nanochat("checkpoint", "inspect", "r")
    assert done.code == 0
    assert "step-00000002" in done.out


# convert


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("start", ["run", "model", "checkpoint"])
def test_convert_keeps_every_bit(nanochat, run, model, ending, start):
    source = {"run": run, "model": model, "checkpoint": run / "checkpoints" / "step-00000004"}[start]
    done = nanochat("checkpoint", "convert", source, f"out{ending}")
    assert (done.code, done.err) == (0, "")
    size = model.with_name(f"out{ending}").stat().st_size
    assert done.out == f"target=out{ending} format={ending[1:]} parameters=228 bytes={size}\n"
    done = nanochat("checkpoint", "diff", source, f"out{ending}")
    assert (done.code, done.out) == (
        0,
        "identical: every setting, and 6 weights with 228 numbers, bit for bit\n",
    )


def test_there_and_back_gives_the_same_bytes(nanochat, model):
    nanochat("checkpoint", "convert", model, "a.json")
    nanochat("checkpoint", "convert", "a.json", "b.json", "--compress", "gzip")
    nanochat("checkpoint", "convert", "b.json.gz", "c.safetensors")
    assert model.read_bytes() == model.with_name("c.safetensors").read_bytes()


def test_convert_writes_and_reads_gpt2(nanochat, tmp_path):
    tokenizer = BPETokenizer.train("low lower lowest", vocab_size=260)
    mine = language_model(config=replace(CONFIG, vocab_size=260), tokenizer=tokenizer)
    mine.save(tmp_path / "mine.json")
    done = nanochat("checkpoint", "convert", "mine.json", "gpt2", "--to", "gpt2")
    assert (done.code, done.err) == (0, "")
    assert nanochat("checkpoint", "convert", "gpt2", "again.safetensors").code == 0
    again = load(tmp_path / "again.safetensors")
    np.testing.assert_allclose(again.logits([0, 5]), mine.logits([0, 5]), rtol=0, atol=1e-5)
    assert again.tokenizer == tokenizer


def test_convert_to_gpt2_says_where_the_tokenizer_stays_behind(nanochat, model):
    done = nanochat("checkpoint", "convert", model, "gpt2", "--to", "gpt2", "--json")
    assert json.loads(done.out)["format"] == "gpt2"
    done = nanochat("checkpoint", "convert", model, "gpt2", "--to", "gpt2", "--force")
    assert done.code == 0
    assert "has none for char" in done.err


def test_convert_writes_over_nothing_unless_forced(nanochat, model, tmp_path):
    (tmp_path / "out.json").write_text("mine", encoding="utf-8")
    nanochat("checkpoint", "convert", model, "out.json").assert_refused(5, "pass --force")
    assert (tmp_path / "out.json").read_text(encoding="utf-8") == "mine"
    assert nanochat("checkpoint", "convert", model, "out.json", "--force").code == 0
    assert load_snapshot(tmp_path / "out.json").model["n_embd"] == 4


def test_a_model_that_gpt2_has_no_place_for_is_refused(nanochat, tmp_path):
    language_model(config=replace(CONFIG, norm="rms")).save(tmp_path / "m.json")
    nanochat("checkpoint", "convert", "m.json", "out", "--to", "gpt2").assert_refused(
        3, "norm=rms has no place in GPT-2"
    )
    assert not (tmp_path / "out").exists()


# diff


def test_diff_names_settings_and_measures_weights(nanochat, model, tmp_path):
    other = language_model().snapshot()
    weights = dict(other.weights) | {"wpe.weight": other.weights["wpe.weight"] + np.float32(0.5)}
    del weights["norm_f.weight" if "norm_f.weight" in weights else "h.0.mlp.proj.weight"]
    weights["extra.weight"] = np.zeros(3, np.float32)
    save_snapshot(tmp_path / "other.json", replace(other, stops_at_bos=False, weights=weights))
    done = nanochat("checkpoint", "diff", model, "other.json")
    done.assert_refused(4, "are not identical: 1 settings, 2 weights that do not match, 1 weights with other numbers")
    lines = {line.split()[0]: line.split() for line in done.out.splitlines() if line}
    assert lines["stops_at_bos"] == ["stops_at_bos", "True", "False"]
    assert lines["extra.weight"] == ["extra.weight", "none", "3"]
    assert lines["wpe.weight"][1:4] == ["20", "0", "0.5"]

    found = json.loads(nanochat("checkpoint", "diff", model, "other.json", "--json").out)
    assert not found["identical"]
    assert found["fields"] == {"stops_at_bos": [True, False]}
    assert found["unmatched"]["extra.weight"] == [None, [3]]
    changed = next(weight for weight in found["weights"] if weight["name"] == "wpe.weight")
    norm = np.linalg.norm(other.weights["wpe.weight"])
    assert changed["relative"] == pytest.approx(0.5 * np.sqrt(20) / norm, rel=1e-5)
    assert all(w["n_equal"] == w["size"] for w in found["weights"] if w is not changed)


def test_diff_of_steps_shows_their_origin(nanochat, run):
    done = nanochat("checkpoint", "diff", *sorted((run / "checkpoints").iterdir())[:2])
    assert done.code == 4
    assert ["origin.step", "1", "2"] in [line.split() for line in done.out.splitlines()]


def test_diff_counts_bits_not_values(nanochat, tmp_path):
    snapshot = language_model().snapshot()
    for name, zero in (("a.json", 0.0), ("b.json", -0.0)):
        table = snapshot.weights["wte.weight"].copy()
        table[0, 0] = zero
        save_snapshot(tmp_path / name, replace(snapshot, weights=dict(snapshot.weights) | {"wte.weight": table}))
    done = nanochat("checkpoint", "diff", "a.json", "b.json")
    assert done.code == 4
    assert ["wte.weight", "16", "15", "0", "0"] in [line.split() for line in done.out.splitlines()]


# verify


def test_verify_reads_a_run_a_checkpoint_and_files(nanochat, run, model):
    done = nanochat("checkpoint", "verify", run, run / "checkpoints" / "step-00000001", model)
    assert (done.code, done.err) == (0, "")
    assert done.out.count("whole") == 6
    assert "damage" not in done.out


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json", "MANIFEST.json"])
def test_verify_finds_one_turned_bit_in_any_file_of_a_run(nanochat, run, name):
    damage(run / "checkpoints" / "step-00000003" / name)
    done = nanochat("checkpoint", "verify", run, "--json")
    done.assert_refused(4, "1 of 4 are damaged: ")
    assert [row["state"] for row in json.loads(done.out)] == ["whole", "whole", "damaged", "whole"]
    done = nanochat("checkpoint", "verify", run)
    assert done.code == 4
    assert done.out.count("damaged") >= 1


def test_verify_finds_damage_in_single_files(nanochat, tmp_path):
    for ending in FORMATS:
        path = tmp_path / f"m{ending}"
        language_model().save(path)
        assert nanochat("checkpoint", "verify", path).code == 0
        path.write_bytes(path.read_bytes()[:-7])
        nanochat("checkpoint", "verify", path).assert_refused(4, "1 of 1 are damaged")


def test_verify_reads_a_gpt2(nanochat, tmp_path):
    save_gpt2(tmp_path / "gpt2", language_model().snapshot())
    assert nanochat("checkpoint", "verify", "gpt2").code == 0
    (tmp_path / "gpt2" / "tokenizer.json").write_text("{}", encoding="utf-8")
    nanochat("checkpoint", "verify", "gpt2").assert_refused(4, "tokenizer.json has neither a kind nor a model")
    (tmp_path / "gpt2" / "tokenizer.json").unlink()
    (tmp_path / "gpt2" / "model.safetensors").write_bytes(b"")
    nanochat("checkpoint", "verify", "gpt2").assert_refused(4, "1 of 1 are damaged")


# prune


def test_prune_keeps_the_last_and_the_best(nanochat, run):
    planned = nanochat("checkpoint", "prune", run, "--keep-last", 1, "--dry-run", "--json")
    assert steps_in(run) == [1, 2, 3, 4]
    done = nanochat("checkpoint", "prune", run, "--keep-last", 1, "--json")
    assert steps_in(run) == [2, 4]
    assert {row["step"]: row["what"] for row in json.loads(done.out)} == {
        1: "removed",
        2: "best",
        3: "removed",
        4: "kept",
    }
    assert [row["step"] for row in json.loads(planned.out) if row["what"] == "would be removed"] == [1, 3]
    assert nanochat("checkpoint", "prune", run, "--keep-last", 1).code == 0
    assert steps_in(run) == [2, 4]


@pytest.mark.parametrize("keep_last", [1, 2, 3, 9])
@pytest.mark.parametrize("broken", [(), (4,), (2, 4), (1, 2, 3)])
def test_a_dry_run_says_what_will_be_done(nanochat, run, keep_last, broken):
    for step in broken:
        damage(run / "checkpoints" / f"step-{step:08d}" / "model.safetensors")
    words = ["checkpoint", "prune", run, "--keep-last", keep_last, "--json"]
    planned = json.loads(nanochat(*words, "--dry-run").out)
    nanochat(*words)
    assert [row["step"] for row in planned if row["what"] != "would be removed"] == steps_in(run)
    assert len(set(steps_in(run)) - set(broken)) >= min(keep_last, 4 - len(broken))


# what is given wrongly


@pytest.mark.parametrize(
    ("line", "code", "part"),
    [
        ("inspect nowhere", 3, "there is no nowhere"),
        ("convert nowhere a.json", 3, "there is no nowhere"),
        ("diff nowhere model.safetensors", 3, "there is no nowhere"),
        ("verify model.safetensors nowhere", 3, "there is no nowhere"),
        ("prune nowhere", 3, "there is no nowhere"),
        (
            "convert model.safetensors out.bin",
            2,
            "DST out.bin names no format: end it in .safetensors, .json, .json.gz",
        ),
        ("convert model.safetensors out --to onnx", 2, "invalid value for '--to'"),
        ("convert model.safetensors out.json --to gpt2", 2, "DST out.json does not go with --to gpt2"),
        ("convert model.safetensors out --to gpt2 --compress gzip", 2, "--compress gzip does not go with --to gpt2"),
        ("convert model.safetensors a.safetensors --compress gzip", 2, "only .json is packed"),
        ("convert model.safetensors a.json --compress xz", 2, "invalid value for '--compress'"),
        ("convert model.safetensors", 2, "missing argument"),
        ("prune .", 4, "holds no checkpoints"),
        ("prune model.safetensors", 4, "holds no checkpoints"),
        ("prune . --keep-last 0", 2, "--keep-last 0 is too small: give 1 or more"),
        ("prune . --keep-last -1", 2, "--keep-last -1 is too small"),
        ("prune", 2, "missing argument"),
        ("inspect .", 4, "holds no run, no checkpoint and no GPT-2"),
        ("verify .", 4, "holds no run, no checkpoint and no GPT-2"),
        ("convert empty a.json", 4, "there is no model"),
        ("diff model.safetensors", 2, "missing argument"),
        ("inspect", 4, "train one with `nanochat train`"),
        ("inspct", 2, "Did you mean 'inspect'?"),
        ("inspect text.txt", 3, "text.txt is unknown: give a name that ends in"),
        ("convert text.txt a.json", 3, "text.txt is unknown: give a name that ends in"),
        ("inspect empty.json", 4, "empty.json cannot be read as JSON"),
        ("convert empty.json a.json", 4, "empty.json cannot be read as JSON"),
        ("diff empty.json model.safetensors", 4, "empty.json cannot be read as JSON"),
        ("convert model.safetensors text.txt/a.json", 8, "cannot write"),
    ],
)
def test_a_bad_line_is_one_sentence_and_the_right_code(nanochat, tmp_path, model, line, code, part):
    (tmp_path / "text.txt").write_text("words", encoding="utf-8")
    (tmp_path / "empty.json").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.iterdir())
    done = nanochat("checkpoint", *line.split())
    done.assert_refused(code, part)
    assert done.out == ""
    assert sorted(tmp_path.iterdir()) == before


def test_latest_is_the_newest_run(nanochat, tmp_path, run):
    folder = tmp_path / "results" / "runs" / "a"
    folder.parent.mkdir(parents=True)
    run.rename(folder)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    for words in (["inspect"], ["verify"], ["prune", "latest"], ["convert", "latest", "a.json"]):
        assert nanochat("checkpoint", *words).code == 0


def test_a_command_is_a_frozen_value():
    prune = parse(["checkpoint", "prune", "a"])
    assert (prune.args, prune.keywords) == ((), {"run": "a", "keep_last": 2, "dry_run": False, "json": False})
    assert str(parse("checkpoint convert a b.json --compress gzip".split()).keywords["target"]) == "b.json.gz"
