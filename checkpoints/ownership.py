"""What may be replaced or removed in a folder: what we can prove that we wrote. Nothing is ours for its name alone.

A file of a run or a study   where the folder's config.json (of a recipe: recipe.json) says what only we write
A step-N folder              where a manifest of ours lies in it, and nothing that is not on its list
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from ..errors import CheckpointError, GuardError, was_not_read
from ..storage.atomic import linked, read_json, writing
from ..storage.lock import LOCK
from .directory import discard, list_checkpoints
from .manifest import NewerVersionError, read_manifest
from .names import CONFIG, MANIFEST, STATE, TOKENIZER, step_of

RUN, STUDY = {"preset", "model_kind", "training"}, {"base", "axes", "seeds"}
"""Keys that a config.json of ours has, whatever version wrote it."""
RECIPE = {"phases", "prompts", "questions"}
"""Keys of a recipe.json."""
_DRAFT = re.compile(r"\..+\.\d{1,10}\.(tmp|new|old|gone)")


def is_ours(path: Path, *kinds: Collection[str]) -> bool:
    """A JSON object with all the keys of one of the kinds lies at `path`.

    Raises CheckpointError where it may not be read: it may be one.
    """
    try:
        content = read_json(path, follow=False)
    except CheckpointError as error:
        if was_not_read(error):
            raise
        return False
    return isinstance(content, dict) and any(content.keys() >= set(keys) for keys in kinds)


def check_folder(
    folder: Path, names: Iterable[str], *, proven: bool, inside: str = "", other: str = "", owns: bool = True
) -> None:
    """Raises GuardError, naming it, for what would be replaced in `folder` and is not ours, and for a link there.

    names    Files that are about to be written, or to be removed.
    proven   The files of these names are ours.
    inside   A folder in it that is about to be filled: what else lies there is a stranger's where nothing is proven.
    other    The file that proves results of another kind, beside which nothing is written: whoever looks for the ones
             would find the others.
    owns     The whole folder is about to be filled: never the current one, where something lies already. An empty path
             leads there, and nobody means that.
    """
    names = tuple(names)
    with writing(folder):
        for name in (*names, *filter(None, [inside])):
            if (folder / name).is_symlink():
                raise linked(folder / name)
        if other and (folder / other).exists():
            raise GuardError(f"{folder} holds results of another kind, as {other} in it says: choose another --out")
        if (folder / MANIFEST).exists():  # it would not be whole any more: a file that is not on its list is damage
            raise GuardError(f"{folder} is a checkpoint, to which nothing is added: choose another --out")
        if proven:
            return
        stranger = next(_strangers(folder, names, inside, owns=owns), None)
    if stranger is not None:
        raise GuardError(
            f"{stranger} is in the way, and not known to be written by nanochat: choose another --out, or move it away"
        )


def check_pair(folder: Path, stem: str, keys: Collection[str]) -> None:
    """Raises GuardError for a `stem`.json or .md in `folder` that is not ours: the .json proves both by its `keys`."""
    names = (f"{stem}.json", f"{stem}.md")
    check_folder(folder, names, proven=is_ours(folder / names[0], keys), owns=False)


def _strangers(folder: Path, names: Collection[str], inside: str, *, owns: bool) -> Iterator[Path]:
    if not folder.is_dir():
        return
    all_of_it = owns and folder.samefile(Path())
    for path in sorted(folder.iterdir()):
        if path.name == inside and path.is_dir():
            yield from (
                entry for entry in sorted(path.iterdir()) if not (_DRAFT.fullmatch(entry.name) or is_step(entry))
            )
        elif (
            path.name in names
            or path.name == inside
            or (all_of_it and path.name != LOCK and not _DRAFT.fullmatch(path.name))
        ):
            yield path


def is_step(folder: Path) -> bool:
    """A checkpoint that we wrote, damaged or not, with nothing in it but what its manifest lists."""
    if folder.is_symlink() or step_of(folder) < 0:
        return False
    try:
        listed = {MANIFEST, *read_manifest(folder)["files"]}
    except NewerVersionError:
        return False
    except CheckpointError:
        listed = _USUAL if (folder / MANIFEST).is_file() else set()
    return all(path.name in listed or _DRAFT.fullmatch(path.name) for path in folder.iterdir())


def remove_steps(parent: Path, *, after: int = -1) -> None:
    """Remove our checkpoints of later steps, the newest first; what is not ours stays. Raises WriteError."""
    with writing(parent):
        for folder in reversed(list_checkpoints(parent)):
            if step_of(folder) > after and is_step(folder):
                discard(folder, if_read=True)


_USUAL = {MANIFEST, STATE, CONFIG, TOKENIZER} | {
    f"{stem}{ending}" for stem in ("model", "optimizer") for ending in (".safetensors", ".json", ".json.gz")
}
