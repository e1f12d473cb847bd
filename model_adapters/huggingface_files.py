"""Folders with a model of transformers: on disk, in the Hub's cache, or downloaded, and checked before loading."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from goldieval.core.errors import GoldievalError, first_line
from goldieval.core.limits import RECORD_BYTES
from goldieval.core.offline import is_offline
from goldieval.core.reading import read_json
from goldieval.core.reads import note_network, note_read, note_tree
from goldieval.models.adapter import LoadOptions
from goldieval.models.spec import ModelSpec, split_part
from model_adapters.locate import ENDINGS
from model_adapters.weights_files import SHARD_INDEX, shards_of, weights_place

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
# Besides the weights; neither Python nor pickles. The only templates are those of chats.
WANTED = ("*.json", "*.txt", "*.model", "chat_template.jinja", "model-*.safetensors")


def locate_model(spec: ModelSpec) -> tuple[str, str, Path | None]:
    """Return folder or repository, revision, and the file with other weights if WHERE is one.

    Raises:
        GoldievalError: NAME is neither, or the folder does not exist.
    """
    weights = Path(spec.where) if spec.name and _is_place(split_part(spec.where)[0]) else None
    name, revision = (spec.name, "" if weights else spec.where) if spec.name else (spec.where, "")
    expanded = str(Path(name).expanduser())
    for place in filter(None, (expanded, spec.where, split_part(spec.where)[0])):
        note_read(Path(place))
    if not name or (not Path(expanded).is_dir() and (not spec.name or name.count("/") != 1 or name[0] in "./~")):
        raise GoldievalError(
            f"model {spec.text!r}: no folder {name or '(none named)'}. Write {spec.family}:OWNER/REPO or a folder."
        )
    return (expanded, "main", weights) if Path(expanded).is_dir() else (name, revision or "main", weights)


def weights_of_spec(spec: ModelSpec, options: LoadOptions) -> Path:
    """Return the file or folder with the weights of FAMILY:OWNER/REPO@REVISION, FAMILY:FOLDER or FAMILY@FILE.

    Raises:
        GoldievalError: The spec names none of these, the folder does not exist, or the repository cannot be fetched.
    """
    if not spec.name and not spec.where:
        raise GoldievalError(
            f"model {spec.text!r}: write {spec.family}:OWNER/REPO, {spec.family}:FOLDER or {spec.family}@FILE."
        )
    if not spec.name:
        return Path(spec.where)
    place, revision, weights = locate_model(spec)
    return weights or (Path(place) if Path(place).is_dir() else fetched_folder(place, revision, options))


def _is_place(where: str) -> bool:
    """Return whether WHERE is a file or a folder with weights, and not a revision."""
    return where.endswith(ENDINGS) or Path(where).is_file() or ("/" in where and weights_place(Path(where)).is_file())


def bytes_of_weights(folder: Path, weights: Path | None) -> int:
    """Return the size of the files with the weights: a file, a folder, or those of the model's own folder."""
    place = Path(split_part(str(weights))[0]) if weights else folder
    files = [place] if place.is_file() and not place.name.endswith(SHARD_INDEX) else shards_of(weights_place(place))
    return sum(file.stat().st_size for file in files if file.is_file())


def check_folder(folder: Path, weights: Path | None = None) -> None:
    """Raise GoldievalError for a folder without a config, or with only pickled weights, unless they are elsewhere."""
    note_tree(folder)
    if not (folder / "config.json").is_file():
        raise GoldievalError(f"{folder} holds no config.json: it is not a model of transformers.")
    if weights:
        return
    if not any((folder / name).is_file() for name in WEIGHTS):
        pickled = next(iter(sorted(folder.glob("*.bin"))), None)
        why = f"{pickled.name} is pickled and is not loaded" if pickled else "there is no model.safetensors"
        raise GoldievalError(f"{folder}: {why}. Save it again with model.save_pretrained(FOLDER).")
    for index in folder.glob("*.index.json"):
        _check_index(index)


def _check_index(index: Path) -> None:
    """Raise GoldievalError for an index that refers to files elsewhere, or not to safetensors."""
    try:
        names = set(read_json(index, RECORD_BYTES)["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GoldievalError(f"{index} is not an index of weights: {first_line(error)}") from error
    invalid = [str(name) for name in names if not re.fullmatch(r"[^/\\\0]+\.safetensors", str(name))]
    if invalid:
        raise GoldievalError(f"{index} names {min(invalid)[:80]!r}, which is not a safetensors file beside it.")


def fetched_folder(repository: str, revision: str, options: LoadOptions, weights: Sequence[str] = WEIGHTS) -> Path:
    """Return the folder of a repository in the Hub's cache, downloaded if necessary: weights, JSON and vocabularies.

    Args:
        repository: OWNER/REPO.
        revision: Its revision.
        options: How the model is loaded.
        weights: Names that its weights may have; the first that exists is fetched.

    Raises:
        GoldievalError: It is not cached and network access is forbidden, or the download failed.
    """
    from huggingface_hub import hf_hub_url, snapshot_download, try_to_load_from_cache

    from goldieval.data.remote import first_there, note_repository

    note_repository(repository)
    note_network()
    cached = [name for name in weights if isinstance(try_to_load_from_cache(repository, name, revision=revision), str)]
    if not cached:
        addresses = [hf_hub_url(repository, name, revision=revision) for name in weights]
        if is_offline():
            raise GoldievalError(f"{repository} is not on this machine and --offline is set ({addresses[0]}).")
        place, size = first_there(addresses)
        cached = [weights[addresses.index(place)]]
        options.announce(f"fetching {repository}: {size / 1e6:,.0f} MB from {place}")
    try:
        return Path(
            snapshot_download(
                repository,
                revision=revision,
                allow_patterns=[*WANTED, cached[0]],
                ignore_patterns=["*/*"],
                local_files_only=is_offline(),
            )
        )
    except Exception as error:  # from the Hub library and the HTTP library that it uses
        raise GoldievalError(f"cannot fetch {repository}: {informative_line(error)}") from error


def informative_line(error: BaseException) -> str:
    """Return the first informative line, with the next if it ends with a colon; transformers writes many lines."""
    lines = [line.strip() for line in str(error).splitlines()]
    lines = [line for line in lines if len(line) > 10][:2]
    shown = " ".join(lines) if lines and lines[0].endswith(":") else "".join(lines[:1])
    return f"{type(error).__name__}: {shown}"[:300]
