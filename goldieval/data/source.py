"""What all readers share: where the files lie, what must be there, how to get it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from goldieval.core.containment import contained
from goldieval.core.errors import TaskError
from goldieval.core.paths import LinkOutError
from goldieval.core.text import shell_argument
from goldieval.data.derive.steps import Prepare, digest
from goldieval.data.roots import default_root, inside
from goldieval.data.samples import Dataset, ImageSample
from goldieval.data.text_files import read_text_file


class Download(BaseModel):
    """One file on the web that a source consists of.

    to: where it goes below the source's folder (a file name; with ``unpack`` the folder its members go into).
    sha256, md5: of the file, where its publisher or we know it.   bytes: its size.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, Field(pattern="^https?://")]
    to: str = "."
    unpack: bool = False
    sha256: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""
    md5: Annotated[str, Field(pattern="^([0-9a-f]{32})?$")] = ""
    bytes: Annotated[int, Field(ge=1)] | None = None


def _below_the_data_root(id: str) -> str:
    if id and not re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*", id):
        raise ValueError(f"{id[:60]!r} is no folder below the data root; write letters, digits, '.', '_', '-' and '/'")
    return id


class Source(BaseModel):
    """A task card's ``source`` block. ``reader`` picks the subclass; the rest is checked by it.

    id: folder below the data root.   path: or a folder below the card's own, or an absolute one.
    hub, revision: dataset repository on the Hugging Face Hub whose files these are.   hub_files: globs, all by default.
    urls: files on the web.   megabytes: download size of all.
    manual: what to do where no command can fetch the files.
    prepare: steps between what was read and what is run.   prepared_sha256: of their output, where it is known.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    reader: str
    id: Annotated[str, AfterValidator(_below_the_data_root)] = ""
    path: str = ""
    hub: str = ""
    revision: str = "main"
    hub_files: list[str] = []
    urls: list[Download] = []
    megabytes: int | None = None
    manual: str = ""
    prepare: Prepare | None = None
    prepared_sha256: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""

    @model_validator(mode="after")
    def _one_place(self) -> Source:
        if bool(self.id) == bool(self.path) and self.on_disk:
            raise ValueError("give either id (a folder below the data root) or path (a folder beside the card)")
        return self

    @property
    def on_disk(self) -> bool:
        """False for a source that is made, not read."""
        return True

    def folder(self, root: Path, card_folder: Path) -> Path:
        """Return the folder of this source's files, absolute: below the data root or the card's folder, or as named.

        Raises:
            TaskError: the path leaves the card's folder without being absolute, or a link leads out.
        """
        if self.id:
            return inside(root, self.id)
        return Path(os.path.abspath(self.path)) if os.path.isabs(self.path) else inside(card_folder, self.path)

    def leads_elsewhere(self, card: Path) -> bool:
        """Whether a card names a folder that lies neither beside it nor below the data root, which the user is told."""
        return os.path.isabs(self.path) and not Path(os.path.abspath(self.path)).is_relative_to(card.parent.absolute())

    def needs(self) -> list[str]:
        """Return the files and folders, relative to ``folder``, that must exist before reading."""
        raise NotImplementedError

    def missing(self, folder: Path) -> list[str]:
        """Return what ``needs`` names and ``folder`` lacks; empty when the data are present."""
        return [name for name in self.needs() if not is_there(folder, name)]

    def how_to_get(self, folder: Path, task: str) -> str:
        """Return the one command or instruction that brings the data of a task (its id, or the path of its card)."""
        if not (self.hub or self.urls):
            return self.manual or f"put its files into {tilde(folder)}"
        command = f"goldieval data get {task}{self._root_option(folder)}"
        return f"{command} (what it cannot fetch, by hand: {self.manual})" if self.manual else command

    def _root_option(self, folder: Path) -> str:
        """Return ``--data-dir``, where the folder is not below the root that a command without it would take."""
        if not self.id or folder == inside(default_root(), self.id):
            return ""
        return f" --data-dir {shell_argument(tilde(folder.parents[len(Path(self.id).parts) - 1]))}"

    def read(self, folder: Path) -> Dataset:
        """Read the samples. Raises TaskError naming file, row and key for whatever is wrong."""
        raise NotImplementedError

    def prepared(self, folder: Path) -> tuple[Dataset, str]:
        """Read the samples and take the ``prepare`` steps; return also the hash of their output, "" without steps.

        Raises:
            TaskError: as ``read``, or the output is not what the card pins.
        """
        with contained(f"reading {tilde(folder)}"):
            dataset = self.read(folder.absolute())
        if self.prepare is None:
            return dataset, ""
        dataset = self.prepare.apply(dataset)
        made = digest(dataset)
        if self.prepared_sha256 and made != self.prepared_sha256:
            raise TaskError(
                f"what `prepare` makes of {tilde(folder)} has SHA-256 {made[:12]}…, the card pins "
                f"{self.prepared_sha256[:12]}…: these are other texts or other ids. Get the data again."
            )
        return dataset, made

    def image_samples(self, folder: Path) -> list[ImageSample]:
        """Return the pictures alone, for whoever wants to look at some. Raises TaskError as ``prepared`` does."""
        return self.prepared(folder)[0].images


def is_there(folder: Path, name: str) -> bool:
    """Whether there is such a file; one behind a link that is not followed is, and its reader says why it is not.

    Raises:
        TaskError: the name leaves the folder.
    """
    try:
        return inside(folder, name).exists()
    except LinkOutError:
        return os.path.exists(os.path.normpath(os.path.join(folder, name)))
    except OSError:  # a name that is too long
        return False


def tilde(path: Path) -> str:
    """Return a path with the home folder written as ``~``, as one would type it."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def read_lines(file: Path) -> list[str]:
    """Return the stripped, non-empty lines of a text file (templates, file names). Raises TaskError."""
    return [line.strip() for line in read_text_file(file).splitlines() if line.strip()]


def read_names(file: Path) -> list[str]:
    """Return class names, one per line: a line's place is the number of its class.

    Raises:
        TaskError: an empty line between others, behind which every class would be another.
    """
    lines = [line.strip() for line in read_text_file(file).rstrip().splitlines()]
    if "" in lines:
        raise TaskError(
            f"{file}:{lines.index('') + 1}: an empty line among the class names, so it is not clear which number the "
            "next has. Take it out, or write the name that is missing."
        )
    return lines
