"""GPT-2 in the folders of Hugging Face, read into our GPT and written from it.

    config.json  model.safetensors  and a tokenizer: tokenizer.json, or vocab.json and merges.txt

gpt2_layout.py knows what is called what. Downloads nothing, reads no pickle and no model in several files.
"""

from __future__ import annotations

import re
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np

from ...data.chat import end_ids
from ...errors import CheckpointError, ConfigError, GuardError, NanochatError
from ...models.gpt.config import GPTConfig
from ...storage.atomic import make_directory, read_json, remove_files, write_bytes, write_json, writing
from ...storage.reading import reading
from ...tokenizers.bpe import BPETokenizer
from ...tokenizers.files import load_tokenizer, save_tokenizer, tokenizer_from_dict
from ...tokenizers.foreign.added_tokens import BESIDE
from ...validation import read_dataclass
from ..formats.binary import read_binary
from ..names import CHECKPOINTS, MANIFEST
from ..weights import Snapshot, not_finite, structure_problems
from .layout import (
    AFFINE,
    PREFIX,
    Ends,
    GPT2Config,
    canonical,
    gpt2_name,
    our_config,
    their_config,
    their_shape,
    turned,
)

CONFIG, WEIGHTS = "config.json", "model.safetensors"
_GENERATION = "generation_config.json"
_TOKENIZERS = ("tokenizer.json", "vocab.json")
_BUFFER = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)|(.+\.)?position_ids")  # no weights: older files hold them


def is_huggingface(path: Path) -> bool:
    """`path` is a folder in that layout, of whatever model: no run of ours, and its config.json has a model_type.

    Raises CheckpointError where config.json is damaged.
    """
    if not (path / CONFIG).is_file() or (path / CHECKPOINTS).is_dir() or (path / MANIFEST).is_file():
        return False
    content = read_json(path / CONFIG, is_foreign=True)
    return isinstance(content, dict) and "model_type" in content


def load_gpt2(folder: Path) -> Snapshot:
    """The model of a folder with its tokenizer, ready to be built.

    Its documents end in the mark of the beginning, <|endoftext|>, unless that is none of the eos_token_id of
    config.json and generation_config.json; the others end a text, too. Raises CheckpointError.
    """
    config, weights = read_gpt2(folder)
    if not has_tokenizer(folder):
        raise CheckpointError(
            f"{folder} has no tokenizer: put its tokenizer.json, or vocab.json and merges.txt, beside {WEIGHTS}, "
            "or read config and weights alone with nanochat.checkpoints.gpt2.folder.read_gpt2"
        )
    try:
        tokenizer = load_tokenizer(folder)
        if isinstance(tokenizer, BPETokenizer):
            tokenizer = tokenizer.padded(config.vocab_size)  # rows that nobody reads, as to a multiple of 64
    except NanochatError as error:
        raise CheckpointError(str(error)) from error
    ends = _read_ends(folder, config.vocab_size)
    is_double = any(weight.dtype == np.float64 for weight in weights.values())
    return Snapshot(
        model_kind="gpt",
        mode="tensor",
        dtype="float64" if is_double else "float32",
        model=asdict(config),
        tokenizer=tokenizer.to_dict(),
        stops_at_bos=tokenizer.bos_id in ends,
        weights={name: weight.astype(np.float64) for name, weight in weights.items()} if is_double else weights,
        end_ids=tuple(sorted(ends - {tokenizer.bos_id, *end_ids(tokenizer)})),
    )


def has_tokenizer(folder: Path) -> bool:
    """Some file of a tokenizer lies beside the weights."""
    return any((folder / name).is_file() for name in _TOKENIZERS)


def read_gpt2(folder: Path) -> tuple[GPTConfig, dict[str, np.ndarray]]:
    """Config and weights, both by our names, without a tokenizer. `dropout` is their resid_pdrop.

    Raises CheckpointError.
    """
    content = _read_config(folder)
    config = our_config(content, folder / CONFIG)
    arrays = _read_weights(folder)
    if config.n_layer > len(arrays):  # before its parameters are listed: a small file must not ask for a long list
        raise CheckpointError(
            f"{folder / CONFIG} has n_layer={config.n_layer}, and {WEIGHTS} only {len(arrays)} arrays"
        )
    head, embedding = arrays.get("lm_head.weight"), arrays.get("wte.weight")
    if config.tie_lm_head and head is not None and embedding is not None:
        if not np.array_equal(head, embedding):
            raise CheckpointError(
                f"{folder / WEIGHTS} has a lm_head.weight that is not wte.weight: set tie_word_embeddings to false"
            )
        del arrays["lm_head.weight"]
    names = {gpt2_name(name).removeprefix(PREFIX): name for name in config.parameters()}
    shapes = {theirs: their_shape(ours, config.parameters()[ours]) for theirs, ours in names.items()}
    if problems := structure_problems(shapes, arrays):
        raise CheckpointError(f"{folder / WEIGHTS} does not fit its config.json: " + "; ".join(problems))
    return config, {ours: turned(ours, arrays[theirs]) for theirs, ours in names.items()}


def save_gpt2(folder: Path, snapshot: Snapshot, *, new: bool = False) -> None:
    """Write config.json, model.safetensors and, for BPE, the tokenizer; config.json, which makes it a model, last.

    A folder that holds a model in this layout is written over, unless it is to be `new`. Raises ConfigError, naming the
    field, for a model that the layout has no place for, CheckpointError where weights are missing, GuardError where
    something else is in the folder, and WriteError.
    """
    from safetensors.numpy import save

    config, arrays = _their_arrays(snapshot)
    tokenizer = tokenizer_from_dict(dict(snapshot.tokenizer))
    own = [tokenizer.bos_id] if snapshot.stops_at_bos else []
    ends = list(dict.fromkeys([*own, *end_ids(tokenizer), *snapshot.end_ids]))
    content = their_config(config) | {
        "bos_token_id": tokenizer.bos_id,
        "eos_token_id": (ends[0] if len(ends) == 1 else ends) if ends else None,
        "dtype": snapshot.dtype,
    }
    make_directory(folder, new=new)
    with writing(folder):
        if any(folder.iterdir()) and not is_huggingface(folder):
            raise GuardError(f"{folder} holds something else than a GPT-2: choose an empty or a new folder")
    remove_files(folder, (CONFIG, _GENERATION, *_TOKENIZERS, "merges.txt", *BESIDE))
    if isinstance(tokenizer, BPETokenizer):
        save_tokenizer(tokenizer, folder / "tokenizer.json", form="huggingface")
        marks = {"bos_token": tokenizer.bos_token, "eos_token": tokenizer.bos_token}
        write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"} | marks)
    write_bytes(folder / WEIGHTS, save(arrays, metadata={"format": "pt"}))  # transformers asks for this key
    write_json(folder / CONFIG, content)


def _their_arrays(snapshot: Snapshot) -> tuple[GPTConfig, dict[str, np.ndarray]]:
    """The configuration, and the weights by their names and the way they lie there, biases and gains completed."""
    if snapshot.model_kind == "bigram":
        raise ConfigError("a bigram has no attention, so it is no GPT-2: write it to a .safetensors or .json file")
    if snapshot.model_kind == "upstream":
        raise ConfigError("model_kind=upstream has parts that GPT-2 has not: write it to a .safetensors or .json file")
    config = read_dataclass(GPTConfig, snapshot.model, "model")
    if config.n_layer > len(snapshot.weights):
        raise CheckpointError(f"the model has n_layer={config.n_layer} and {len(snapshot.weights)} weights: restore it")
    table = config.parameters()
    if problems := structure_problems({name: parameter.shape for name, parameter in table.items()}, snapshot.weights):
        raise CheckpointError("the weights do not fit the configuration: " + "; ".join(problems))
    arrays = {}
    for name, parameter in replace(config, **AFFINE).parameters().items():
        weight = np.asarray(snapshot.weights[name]) if name in table else np.full(parameter.shape, parameter.scale)
        arrays[gpt2_name(name)] = np.ascontiguousarray(turned(name, weight), dtype=snapshot.dtype)
    return config, arrays


def _read_config(folder: Path) -> GPT2Config:
    path = folder / CONFIG
    content = read_json(path, is_foreign=True)
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is no table of settings: restore it from a copy")
    if content.get("model_type") != "gpt2":
        raise CheckpointError(f"{path} has model_type={content.get('model_type')!r}: only gpt2 is read")
    content = canonical(content, path)
    known = {field.name for field in fields(GPT2Config)}
    return read_dataclass(GPT2Config, {k: v for k, v in content.items() if k in known}, str(path), CheckpointError)


def _read_ends(folder: Path, vocab_size: int) -> set[int]:
    """The ids that end a text there, as far as there are such ids. Raises CheckpointError."""
    said = [_read_config(folder).eos_token_id]
    if (path := folder / _GENERATION).is_file():
        content = read_json(path, is_foreign=True)
        if not isinstance(content, dict):
            raise CheckpointError(f"{path} is no table of settings: restore it from a copy")
        one = {name: value for name, value in content.items() if name == "eos_token_id"}
        said.append(read_dataclass(Ends, one, str(path), CheckpointError).eos_token_id)
    ends = {id_ for ids in said if ids is not None for id_ in ([ids] if isinstance(ids, int) else ids)}
    return ends.intersection(range(vocab_size))


def _read_weights(folder: Path) -> dict[str, np.ndarray]:
    """Arrays by their names without prefix. Raises CheckpointError."""
    if not (folder / WEIGHTS).is_file():
        for name in (f"{WEIGHTS}.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5"):
            if (folder / name).is_file():
                raise CheckpointError(f"{folder / name} is not read: save the model to one {WEIGHTS}")
        raise CheckpointError(f"there is no {folder / WEIGHTS}: a GPT-2 folder holds {CONFIG} and {WEIGHTS}")
    arrays: dict[str, np.ndarray] = {}
    with reading(folder / WEIGHTS) as source:
        found, _ = read_binary(source, lambda full: _BUFFER.fullmatch(full.removeprefix(PREFIX)) is not None)
    for full, array in found.items():
        name = full.removeprefix(PREFIX)
        if name in arrays:
            raise CheckpointError(f"{folder / WEIGHTS} holds {name} with and without {PREFIX}: remove one of them")
        arrays[name] = array
    if damaged := not_finite(arrays):
        raise CheckpointError(
            f"{folder / WEIGHTS} is damaged ({damaged} holds a number that is not finite): restore it"
        )
    return arrays
