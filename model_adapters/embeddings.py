"""Embeddings computed outside goldieval: ``embeddings:FOLDER``.

The folder contains image_embeddings.npy with image_ids.txt, and text_embeddings.npy with text_ids.txt (an id per line).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from goldieval.core.errors import GoldievalError, TaskError, first_line, listing
from goldieval.core.limits import JSON_BYTES
from goldieval.core.reading import check_regular
from goldieval.data.text_files import read_text_file
from goldieval.models.adapter import LoadOptions, Model, ModelInfo
from goldieval.models.spec import ModelSpec


def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Read the arrays and their ids.

    Raises:
        GoldievalError: The folder or a file is missing, an array is not a plain float matrix, or the number of ids
            differs from the number of rows.
    """
    if not spec.name or spec.where:
        raise GoldievalError(f"model {spec.text!r}: write embeddings:FOLDER.")
    folder = Path(spec.name).expanduser()
    if not folder.is_dir():
        raise GoldievalError(f"model {spec.text!r}: no folder {folder}.")
    return PrecomputedEmbeddings(spec.text, _Side(folder, "image"), _Side(folder, "text"))


class PrecomputedEmbeddings:
    """Looks up embeddings by sample id; for class prompts, the id is the filled-in prompt."""

    def __init__(self, spec: str, images: _Side, texts: _Side) -> None:
        self._spec, self._images, self._texts = spec, images, texts

    def describe(self) -> ModelInfo:
        fingerprint = hashlib.sha256((self._images.sha256 + self._texts.sha256).encode()).hexdigest()
        return ModelInfo(self._spec, "embeddings", fingerprint, image_identity="", text_identity="")

    def image_embeddings(self, ids: Sequence[str], subset: bool = False) -> np.ndarray:
        return self._images.look_up(ids, subset)

    def text_embeddings(self, ids: Sequence[str], subset: bool = False) -> np.ndarray:
        return self._texts.look_up(ids, subset)


class _Side:
    """One array with the ids of its rows."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.kind, self.folder = kind, folder
        self.array = _matrix(folder / f"{kind}_embeddings.npy")
        names = folder / f"{kind}_ids.txt"
        try:
            ids = read_text_file(names, JSON_BYTES).splitlines()
        except TaskError as error:
            raise GoldievalError(f"{error} It gives the id of each row, one per line.") from error
        self.row_of = {id: row for row, id in enumerate(ids)}
        if len(ids) != len(self.array) or len(self.row_of) != len(ids):
            twice = len(ids) - len(self.row_of)
            raise GoldievalError(f"{names}: {len(ids):,} ids ({twice:,} twice) for {len(self.array):,} rows.")
        self.sha256 = hashlib.sha256(np.ascontiguousarray(self.array).data).hexdigest()
        self.sha256 = hashlib.sha256(f"{self.sha256} {'|'.join(ids)}".encode()).hexdigest()

    def look_up(self, ids: Sequence[str], subset: bool) -> np.ndarray:
        missing = [id for id in ids if id not in self.row_of]
        extra = 0 if subset else len(self.row_of) - (len(ids) - len(missing))
        if missing or extra:
            examples = f", for example {listing(missing)}" if missing else ""
            raise TaskError(
                f"{self.kind} ids do not match one to one: the task has {len(ids):,}, {self.folder} has "
                f"{len(self.row_of):,}; {len(missing):,} of the task's are missing there{examples}, {extra:,} are more."
            )
        with np.errstate(over="ignore"):  # overflow gives infinity, which is refused later
            return self.array[[self.row_of[id] for id in ids]].astype(np.float32)


def _matrix(file: Path) -> np.ndarray:
    try:
        check_regular(file)
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # for damaged headers, NumPy raises OverflowError, TokenError, BadZipFile …
        raise GoldievalError(f"cannot read {file} as a plain array: {first_line(error)}") from error
    if not isinstance(array, np.ndarray):
        raise GoldievalError(f"{file}: expected one plain array, but it is an archive of arrays.")
    if array.ndim != 2 or array.dtype.kind != "f":
        raise GoldievalError(f"{file}: expected float rows, shape (n, dim), but it is {array.dtype} {array.shape}.")
    return np.asarray(array)
