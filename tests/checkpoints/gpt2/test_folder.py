"""GPT-2 folders without `transformers`: what we wrote we read, what our GPT does not compute is refused by name."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from nanochat.checkpoints.gpt2.folder import is_huggingface, load_gpt2, read_gpt2, save_gpt2
from nanochat.checkpoints.gpt2.layout import gpt2_name
from nanochat.errors import CheckpointError, ConfigError, GuardError
from nanochat.inference.language_model import LanguageModel, load
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.build import build_model
from nanochat.models.presets import PRESETS
from nanochat.tokenizers import BPETokenizer, CharTokenizer
from nanochat.tokenizers.pieces import spell

BPE = BPETokenizer.train("low lower lowest", vocab_size=260)
GPT2 = replace(  # nanoGPT's model is GPT-2's, without biases
    PRESETS["nanogpt-cpu"].model,
    vocab_size=260,
    block_size=6,
    n_embd=8,
    n_layer=2,
    n_head=2,
    norm_bias=True,
    attn_bias=True,
    mlp_bias=True,
)
PLAIN = replace(GPT2, norm_gain=False, norm_bias=False, attn_bias=False, mlp_bias=False)


def language_model(config=GPT2, tokenizer=BPE, *, mode="tensor", dtype="float32", documents=True) -> LanguageModel:
    model = build_model(config, mode, dtype)
    rng = np.random.default_rng(2)
    model.load_state_dict({name: rng.normal(0.0, 0.5, p.shape) for name, p in config.parameters().items()})
    return LanguageModel(model, tokenizer, config, "gpt", mode, stops_at_bos=documents)


@pytest.fixture
def folder(tmp_path):
    """A GPT-2 as others would have written it, two layers wide."""
    save_gpt2(tmp_path / "gpt2", language_model().snapshot())
    return tmp_path / "gpt2"


def change_config(folder, **changed):
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(content | changed), encoding="utf-8")


def change_weights(folder, change):
    arrays = load_file(folder / "model.safetensors")
    save_file(change(arrays), folder / "model.safetensors", metadata={"format": "pt"})


def refusal(folder) -> str:
    """The sentence with which the folder is refused."""
    with pytest.raises(CheckpointError) as refused:
        load(folder)
    assert str(folder) in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("documents", [True, False])
def test_what_is_loaded_is_what_was_saved(tmp_path, tied, dtype, documents):
    model = language_model(replace(GPT2, tie_lm_head=tied, dropout=0.25), dtype=dtype, documents=documents)
    save_gpt2(tmp_path, model.snapshot())
    again = load(tmp_path)
    assert (again.config, again.tokenizer, again.mode) == (model.config, BPE, "tensor")
    assert again.stops_at_bos == documents
    np.testing.assert_array_equal(again.logits([0, 3, 259]), model.logits([0, 3, 259]))
    assert again.logits([0]).dtype == dtype


def test_the_layout_is_that_of_hugging_face(folder):
    arrays = load_file(folder / "model.safetensors")
    weights = language_model().model.state_dict()
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    np.testing.assert_array_equal(arrays["transformer.h.1.attn.c_attn.weight"], weights["h.1.attn.qkv.weight"].T)
    np.testing.assert_array_equal(arrays["transformer.h.0.mlp.c_proj.weight"], weights["h.0.mlp.proj.weight"].T)
    np.testing.assert_array_equal(arrays["transformer.wpe.weight"], weights["wpe.weight"])
    np.testing.assert_array_equal(arrays["transformer.ln_f.bias"], weights["norm_f.bias"])
    assert arrays.keys() == {gpt2_name(name) for name in weights}
    assert len(arrays) == 2 + 2 * 12 + 2


def test_saving_twice_gives_the_same_bytes(folder, tmp_path):
    save_gpt2(tmp_path / "again", language_model().snapshot())
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


@pytest.mark.parametrize("mode", ["tensor", "scalar"])
def test_a_model_without_biases_and_gains_gets_some_that_change_nothing(tmp_path, mode):
    model = language_model(PLAIN, mode=mode, dtype="float64")
    save_gpt2(tmp_path, model.snapshot())
    again = load(tmp_path)
    assert again.config == GPT2
    np.testing.assert_allclose(again.logits([0, 3, 259]), model.logits([0, 3, 259]), rtol=0, atol=1e-12)


def test_config_and_weights_are_had_without_a_tokenizer(folder):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    assert "has no tokenizer: put its tokenizer.json, or vocab.json and merges.txt" in refusal(folder)
    config, weights = read_gpt2(folder)
    assert config == GPT2
    assert weights.keys() == config.parameters().keys()


def test_the_two_files_of_a_gpt2_vocabulary_are_read(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    vocab = {spell(token) or "<|endoftext|>": id_ for id_, token in enumerate(BPE.tokens)}
    merges = [f"{spell(BPE.tokens[a])} {spell(BPE.tokens[b])}" for a, b in BPE.merges]
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    again = load(folder)
    assert again.tokenizer.encode("slowest") == BPE.encode("slowest")
    assert again.stops_at_bos
    assert again.generate("low", temperature=0, max_new_tokens=2) == language_model().generate(
        "low", temperature=0, max_new_tokens=2
    )


@pytest.mark.parametrize(
    ("eos", "of_generation", "stops_at_bos", "end_ids"),
    [
        (0, None, True, ()),
        (5, None, False, (5,)),
        (None, None, False, ()),
        ([0, 5], None, True, (5,)),
        ([], None, False, ()),
        (5, 0, True, (5,)),
        (0, [7, 5, 0], True, (5, 7)),
        (None, [7], False, (7,)),
        ([50256, -1, 5], None, False, (5,)),
    ],
)
def test_every_id_that_ends_a_text_is_kept_and_written_back(folder, eos, of_generation, stops_at_bos, end_ids):
    change_config(folder, eos_token_id=eos)
    if of_generation is not None:
        content = json.dumps({"eos_token_id": of_generation, "temperature": 0.7})
        (folder / "generation_config.json").write_text(content, encoding="utf-8")
    model = load(folder)
    assert (model.stops_at_bos, model.end_ids) == (stops_at_bos, end_ids)
    model.save(folder.parent / "one.safetensors")
    assert load(folder.parent / "one.safetensors").end_ids == end_ids
    save_gpt2(folder, model.snapshot())
    assert not (folder / "generation_config.json").exists()
    again = load(folder)
    assert (again.stops_at_bos, again.end_ids) == (stops_at_bos, end_ids)


@pytest.mark.parametrize("content", ["[]", "{", '{"eos_token_id": "5"}', '{"eos_token_id": 0.5}'])
def test_a_damaged_generation_config_is_one_sentence(folder, content):
    (folder / "generation_config.json").write_text(content, encoding="utf-8")
    assert "generation_config.json" in refusal(folder)


def test_the_end_of_a_turn_is_written_for_others_to_stop_at(tmp_path):
    chat = BPE.with_special_tokens(["<|end|>"])
    save_gpt2(tmp_path, language_model(replace(GPT2, vocab_size=261), chat).snapshot())
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["eos_token_id"] == [0, 260]
    assert (load(tmp_path).stops_at_bos, load(tmp_path).end_ids) == (True, ())


def test_bos_is_no_end_where_the_config_says_so_whatever_its_name(folder):
    tokenizer = BPETokenizer(BPE.tokens, BPE.merges, {"<|endoftext|>": 0}, "<|endoftext|>")
    save_gpt2(folder, language_model(tokenizer=tokenizer, documents=False).snapshot())
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["eos_token_id"] is None
    assert not load(folder).stops_at_bos


def test_a_text_ends_at_the_ids_of_the_config(folder):
    """Greedy text of the model without an end, up to the id that is made one."""
    change_config(folder, eos_token_id=None)
    free = load(folder)
    ids = free.tokenizer.encode(free.generate("low", temperature=0, max_new_tokens=5))
    change_config(folder, eos_token_id=[ids[-1], 9999])
    first = ids.index(ids[-1], len(free.tokenizer.encode("low")))
    assert load(folder).generate("low", temperature=0, max_new_tokens=5) == free.tokenizer.decode(ids[:first])


def test_a_tokenizer_with_more_ids_than_the_model_is_refused(folder):
    (folder / "added_tokens.json").write_text('{"<|end|>": 260}', encoding="utf-8")
    assert "its tokenizer has 261 tokens, its model 260" in refusal(folder)


def test_rows_that_pad_an_embedding_are_kept_and_never_drawn(tmp_path):
    """As if nobody had padded it, even where the padding is what the model likes best."""
    config = replace(GPT2, vocab_size=320)
    padded = language_model(config, BPE.padded(320))
    weights = padded.model.state_dict()
    weights["wte.weight"][260:] = weights["wte.weight"][:60] * 9
    padded.model.load_state_dict(weights)
    save_gpt2(tmp_path, padded.snapshot())
    again = load(tmp_path)
    assert again.config.vocab_size == again.tokenizer.vocab_size == 320
    assert again.tokenizer.unused_ids == tuple(range(260, 320))
    np.testing.assert_array_equal(again.logits([0, 3]), padded.logits([0, 3]))
    small = language_model()
    small.model.load_state_dict(weights | {"wte.weight": weights["wte.weight"][:260]})
    for seed in range(3):
        options = {"seed": seed, "temperature": 3.0, "max_new_tokens": 4}
        assert again.generate("low", **options) == small.generate("low", **options)
    assert all(c.drawn.id < 260 for c in again.alternatives("low", temperature=3.0, max_new_tokens=9))


def test_an_id_without_a_token_that_ends_a_text_may_be_drawn(tmp_path):
    model = replace(language_model(replace(GPT2, vocab_size=262), BPE.padded(262)), end_ids=(261,))
    limits = model.limits()
    assert 261 in limits["stop_ids"]
    assert (260 in limits["banned"], 261 in limits["banned"]) == (True, False)


def test_the_general_names_of_fields_are_read(folder):
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    general = {"n_embd": "hidden_size", "n_layer": "num_hidden_layers", "n_head": "num_attention_heads"}
    renamed = {general.get(name, name): value for name, value in content.items()}
    (folder / "config.json").write_text(json.dumps(renamed), encoding="utf-8-sig")
    assert load(folder).config == GPT2
    (folder / "config.json").write_text(json.dumps(content | {"hidden_size": 16}), encoding="utf-8")
    assert "n_embd=8 and hidden_size=16, which mean the same: remove one" in refusal(folder)


def test_names_may_lack_their_prefix_and_masks_are_ignored(folder):
    mask = np.tril(np.ones((1, 1, 6, 6), np.float32))
    change_weights(
        folder,
        lambda arrays: (
            {name.removeprefix("transformer."): array for name, array in arrays.items()}
            | {"h.0.attn.bias": mask, "h.1.attn.masked_bias": np.array(-1e4, np.float32)}
        ),
    )
    np.testing.assert_array_equal(load(folder).logits([0, 1]), language_model().logits([0, 1]))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8, np.bool_, np.int64, np.int8])
def test_buffers_are_left_out_whatever_their_type(folder, dtype):
    mask = np.tril(np.ones((1, 1, 6, 6))).astype(dtype)
    buffers = {f"transformer.h.{i}.attn.{name}": mask for i in (0, 1) for name in ("bias", "masked_bias")}
    buffers["transformer.position_ids"] = np.arange(6).astype(dtype)
    change_weights(folder, lambda arrays: arrays | buffers)
    np.testing.assert_array_equal(load(folder).logits([0, 1]), language_model().logits([0, 1]))


def test_a_weight_of_whole_numbers_is_not_read(folder):
    change_weights(folder, lambda arrays: arrays | {"transformer.ln_f.bias": np.zeros(8, np.int8)})
    assert "ln_f.bias is int8, the model floating point" in refusal(folder)


def test_a_name_with_and_without_prefix_is_refused(folder):
    change_weights(folder, lambda arrays: arrays | {"wte.weight": arrays["transformer.wte.weight"]})
    assert "holds wte.weight with and without transformer." in refusal(folder)


def test_half_precision_is_widened(folder):
    change_weights(folder, lambda arrays: {name: array.astype(np.float16) for name, array in arrays.items()})
    assert load(folder).logits([0]).dtype == np.float32


def test_a_tied_head_may_be_there_twice_but_not_in_two_versions(folder):
    change_weights(folder, lambda arrays: arrays | {"lm_head.weight": arrays["transformer.wte.weight"].copy()})
    np.testing.assert_array_equal(load(folder).logits([0, 1]), language_model().logits([0, 1]))
    change_weights(folder, lambda arrays: arrays | {"lm_head.weight": arrays["transformer.wte.weight"] + 1})
    assert "lm_head.weight that is not wte.weight: set tie_word_embeddings to false" in refusal(folder)


def test_every_weight_that_does_not_fit_is_named(folder):
    def change(arrays):
        del arrays["transformer.wpe.weight"]
        arrays["transformer.h.0.attn.c_attn.weight"] = arrays["transformer.h.0.attn.c_attn.weight"].T.copy()
        return arrays | {"score.weight": np.zeros((2, 8), np.float32)}

    change_weights(folder, change)
    sentence = refusal(folder)
    for part in ("wpe.weight", "h.0.attn.c_attn.weight", "(24, 8)", "(8, 24)", "score.weight"):
        assert part in sentence


def test_a_weight_that_is_no_number_is_refused(folder):
    change_weights(folder, lambda arrays: arrays | {"transformer.ln_f.bias": np.full(8, np.nan, np.float32)})
    assert "ln_f.bias" in refusal(folder)


@pytest.mark.parametrize(
    ("field", "value", "part"),
    [
        ("model_type", "llama", "model_type='llama': only gpt2 is read"),
        ("model_type", None, "model_type=None: only gpt2 is read"),
        ("activation_function", "gelu", "activation_function='gelu', which our GPT does not compute: it has gelu_new"),
        ("scale_attn_weights", False, "scale_attn_weights=False"),
        ("scale_attn_by_inverse_layer_idx", True, "scale_attn_by_inverse_layer_idx=True"),
        ("add_cross_attention", True, "add_cross_attention=True"),
        ("n_head", 3, "n_embd=8 is not divisible by n_head=3"),
        ("n_head", "two", "n_head='two'"),
        ("n_layer", 0, "n_layer=0"),
        ("n_layer", 10**9, "n_layer=1000000000"),
        ("n_layer", 1, "h.1.attn.c_attn.weight"),
        pytest.param("n_embd", 10**400, "n_embd=1000", id="n_embd-1e400"),
        ("n_positions", 10**12, "wpe.weight"),
        ("vocab_size", 10**12, "wte.weight"),
        ("layer_norm_epsilon", -1.0, "norm_eps=-1.0"),
        ("layer_norm_epsilon", 0.0, "layer_norm_epsilon=0.0, which our GPT does not compute"),
        ("resid_pdrop", 2.0, "dropout=2.0"),
    ],
)
def test_a_setting_that_we_do_not_have_is_named(folder, field, value, part):
    change_config(folder, **{field: value})
    assert part in refusal(folder)


def test_settings_that_decide_nothing_are_left_alone(folder):
    change_config(folder, summary_type="cls_index", reorder_and_upcast_attn=True, task_specific_params={"a": 1})
    np.testing.assert_array_equal(load(folder).logits([0, 1]), language_model().logits([0, 1]))


@pytest.mark.parametrize("name", ["model.safetensors.index.json", "pytorch_model.bin"])
def test_other_files_of_weights_are_refused_by_name(folder, name):
    (folder / "model.safetensors").rename(folder / name)
    assert f"{name} is not read: save the model to one model.safetensors" in refusal(folder)


def test_where_weights_are_missing_the_sentence_says_which(folder):
    (folder / "model.safetensors").unlink()
    assert "there is no" in refusal(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff" * 99, b"[]", b"9" * 5000], ids=["empty", "cut", "noise", "list", "digits"]
)
def test_a_damaged_file_is_one_sentence(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError):
        load_gpt2(folder)


def test_a_run_of_ours_is_not_taken_for_one_of_theirs(folder, tmp_path):
    assert is_huggingface(folder)
    assert not is_huggingface(tmp_path / "nowhere")
    (folder / "checkpoints").mkdir()
    assert not is_huggingface(folder)
    (tmp_path / "config.json").write_text('{"preset": "microgpt"}', encoding="utf-8")
    assert not is_huggingface(tmp_path)


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"norm": "rms", "norm_bias": False}, "norm=rms has no place in GPT-2's layout, which is for norm=layer"),
        ({"norm_position": "post"}, "norm_position=post"),
        ({"final_norm": False}, "final_norm=false has no place in GPT-2's layout, which is for final_norm=true"),
        ({"input_rmsnorm": True}, "input_rmsnorm=true"),
        ({"qk_norm": True}, "qk_norm=true"),
        ({"positions": "rope"}, "positions=rope"),
        ({"attn_proj": False}, "attn_proj=false"),
        ({"tie_lm_head": False, "head_bias": True}, "head_bias=true"),
        ({"window": 3}, "window=3"),
        ({"logit_softcap": 2.0}, "logit_softcap=2.0"),
        ({"norm_eps": 0.0}, "norm_eps=0.0 has no place in GPT-2's layout, which is for a number above 0"),
        ({"attn_scale": 2.0}, "attn_scale=2.0 has no place in GPT-2's layout, which is for attn_scale=1.0"),
        ({"head_dim": 8}, "head_dim=8 has no place in GPT-2's layout, which is for n_embd / n_head = 4"),
        ({"n_kv_head": 1}, "n_kv_head=1 has no place in GPT-2's layout, which is for as many as n_head"),
        ({"activation": "swiglu"}, "activation=swiglu has no place in GPT-2's layout, which is for silu"),
    ],
)
def test_a_model_that_is_no_gpt2_is_not_written(tmp_path, changed, part):
    with pytest.raises(ConfigError) as refused:
        save_gpt2(tmp_path / "out", language_model(replace(GPT2, **changed)).snapshot())
    assert part in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_bigram_is_not_written(tmp_path):
    config = BigramConfig(vocab_size=260)
    model = LanguageModel(build_model(config, "tensor"), BPE, config, "bigram", "tensor", stops_at_bos=True)
    with pytest.raises(ConfigError, match="a bigram has no attention"):
        save_gpt2(tmp_path, model.snapshot())


@pytest.mark.parametrize("activation", ["relu", "relu2", "silu", "gelu"])
def test_every_activation_comes_back(tmp_path, activation):
    save_gpt2(tmp_path, language_model(replace(GPT2, activation=activation, mlp_width=12)).snapshot())
    config, _ = read_gpt2(tmp_path)
    assert (config.activation, config.mlp_width) == (activation, 12)


def test_weights_that_are_missing_are_named(tmp_path):
    snapshot = language_model().snapshot()
    weights = {name: weight for name, weight in snapshot.weights.items() if name != "wpe.weight"}
    with pytest.raises(CheckpointError, match=r"wpe\.weight \(6, 8\) is missing"):
        save_gpt2(tmp_path / "out", replace(snapshot, weights=weights))
    with pytest.raises(CheckpointError, match="n_layer=1000000000"):
        save_gpt2(tmp_path / "out", replace(snapshot, model=snapshot.model | {"n_layer": 10**9}))
    assert not (tmp_path / "out").exists()


def test_a_model_in_the_folder_is_replaced_with_its_tokenizer(folder):
    config = replace(GPT2, vocab_size=4)
    save_gpt2(folder, language_model(config, CharTokenizer("abc")).snapshot())
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert read_gpt2(folder)[0] == config


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "config.json").write_text('{"preset": "microgpt"}', encoding="utf-8")
    with pytest.raises(GuardError, match="holds something else than a GPT-2"):
        save_gpt2(tmp_path, language_model().snapshot())
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_char_tokenizer_is_left_out(tmp_path):
    config = replace(GPT2, vocab_size=4)
    save_gpt2(tmp_path, language_model(config, CharTokenizer("abc")).snapshot())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    assert read_gpt2(tmp_path)[0] == config
