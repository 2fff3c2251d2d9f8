"""What lies beside a tokenizer and changes its ids is read as `transformers` reads it, or refused by name."""

import json

import pytest

from nanochat.errors import TokenizerError
from nanochat.tokenizers import BPETokenizer, load_tokenizer, save_tokenizer
from nanochat.tokenizers.pieces import spell

PLAIN = BPETokenizer.train("low lower lowest", vocab_size=260, pattern="gpt2")
FLAGS = {"lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True}


@pytest.fixture(params=["tokenizer.json", "vocab.json"])
def folder(request, tmp_path):
    """A tokenizer of 260 ids in either layout."""
    if request.param == "tokenizer.json":
        save_tokenizer(PLAIN, tmp_path / "tokenizer.json", form="huggingface")
    else:
        vocab = {spell(token) or "<|endoftext|>": id_ for id_, token in enumerate(PLAIN.tokens)}
        merges = [f"{spell(PLAIN.tokens[a])} {spell(PLAIN.tokens[b])}" for a, b in PLAIN.merges]
        (tmp_path / "vocab.json").write_text("\ufeff" + json.dumps(vocab), encoding="utf-8")
        (tmp_path / "merges.txt").write_bytes("\ufeff#version: 0.2\r\n".encode() + "\r\n".join(merges).encode())
    return tmp_path


def write(folder, **files):
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    "files",
    [
        {"added_tokens": {"<pad>": 260}},
        {"special_tokens_map": {"pad_token": "<pad>"}},
        {"special_tokens_map": {"pad_token": FLAGS | {"content": "<pad>"}}},
        {"tokenizer_config": {"pad_token": "<pad>", "unk_token": None}},
        {"tokenizer_config": {"added_tokens_decoder": {"260": FLAGS | {"content": "<pad>"}}}},
        {"tokenizer_config": {"additional_special_tokens": ["<pad>"]}},
        {"tokenizer_config": {"extra_special_tokens": {"image_token": "<pad>"}}},
        {"added_tokens": {"<pad>": 260}, "tokenizer_config": {"pad_token": "<pad>"}},
    ],
)
def test_a_token_that_a_file_beside_adds_has_an_id(folder, files):
    write(folder, **files)
    tokenizer = load_tokenizer(folder)
    assert tokenizer.vocab_size == 261
    assert tokenizer.encode("low<pad>") == [*PLAIN.encode("low"), 260]
    assert tokenizer.bos_id == 0


def test_ids_of_added_tokens_json_are_kept_over_a_gap(folder):
    write(folder, added_tokens={"<pad>": 262})
    assert load_tokenizer(folder).encode("<pad>") == [262]
    assert load_tokenizer(folder).unused_ids == (260, 261)


def test_several_new_names_have_ids_in_the_order_of_their_roles(folder):
    write(folder, special_tokens_map={"additional_special_tokens": ["<x>"], "pad_token": "<pad>", "sep_token": "<s>"})
    tokenizer = load_tokenizer(folder)
    assert tokenizer.encode("<x><pad><s>") == [262, 261, 260]
    assert tokenizer.bos_id == 0  # though <s> is a usual name for it


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"tokenizer_config": {"add_prefix_space": True}}, "add_prefix_space=True of tokenizer_config.json"),
        ({"tokenizer_config": {"add_bos_token": True}}, "add_bos_token=True of tokenizer_config.json"),
        ({"tokenizer_config": {"split_special_tokens": True}}, "split_special_tokens=True"),
        ({"special_tokens_map": {"mask_token": {"content": "<m>", "lstrip": True}}}, "mask_token.lstrip=True"),
        ({"tokenizer_config": {"added_tokens_decoder": {"260": FLAGS | {"content": "<m>", "rstrip": True}}}}, "rstrip"),
        ({"tokenizer_config": {"added_tokens_decoder": {"x": FLAGS | {"content": "<m>"}}}}, "id='x'"),
        ({"tokenizer_config": {"added_tokens_decoder": [1]}}, "is no table of tokens by id"),
        ({"tokenizer_config": {"pad_token": 7}}, "pad_token=7 of tokenizer_config.json is no token"),
        ({"tokenizer_config": {"additional_special_tokens": 7}}, "additional_special_tokens=7"),
        ({"special_tokens_map": {"eos_token": "z"}}, "special token 'z' is also a byte"),
        ({"added_tokens": {"<pad>": "260"}}, "id='260'"),
        ({"added_tokens": {"<pad>": 5}}, "have the same id 5"),
        (
            {"added_tokens": {"<m>": 260}, "tokenizer_config": {"added_tokens_decoder": {"261": {"content": "<m>"}}}},
            "'<m>' has id 260 in added_tokens.json and 261 in tokenizer_config.json",
        ),
    ],
)
def test_what_changes_ids_otherwise_is_refused_by_name(folder, files, sentence):
    write(folder, **files)
    with pytest.raises(TokenizerError, match=sentence):
        load_tokenizer(folder)


def test_settings_that_change_no_id_are_left_alone(folder):
    write(
        folder,
        tokenizer_config={"model_max_length": 4, "errors": "replace", "add_prefix_space": False, "pad_token": None},
        special_tokens_map={},
    )
    assert load_tokenizer(folder).encode("low<pad>") == PLAIN.encode("low<pad>")


def test_files_beside_a_tokenizer_of_ours_say_nothing_of_it(tmp_path):
    save_tokenizer(PLAIN, tmp_path / "tokenizer.json")
    write(tmp_path, tokenizer_config={"add_prefix_space": True, "pad_token": "<pad>"})
    assert load_tokenizer(tmp_path) == PLAIN
