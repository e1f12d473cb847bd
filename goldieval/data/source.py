"""Options common to all readers: location of the files, required files, and how to get them."""

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
    """One file on the web that belongs to a source.

    Attributes:
        url: Address of the file.
        to: Destination below the source's folder: a file name or, with ``unpack``, the folder of its members.
        unpack: Whether the file is an archive to unpack.
        sha256: SHA-256 of the file, if known.
        md5: MD5 of the file, if known.
        bytes: Size of the file.
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
        raise ValueError(f"{id[:60]!r} is not a folder below the data root; use letters, digits, '.', '_', '-' and '/'")
    return id


class Source(BaseModel):
    """A task card's ``source`` block; ``reader`` selects the subclass, which validates the other keys.

    Attributes:
        reader: Name of the reader.
        id: Folder below the data root.
        path: Instead of ``id``, a folder below the card's own, or an absolute one.
        hub: Dataset repository on the Hugging Face Hub that contains the files.
        revision: Revision of that repository.
        hub_files: Glob patterns of files in the repository; all by default.
        urls: Files on the web.
        megabytes: Total download size.
        manual: Instructions, if no command can fetch the files.
        prepare: Steps between reading and evaluation.
        prepared_sha256: Hash of the output of these steps, if known.
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
        """Whether the data are read from files; false for generated data."""
        return True

    def folder(self, root: Path, card_folder: Path) -> Path:
        """Return the absolute folder of this source's files: below the data root or the card's folder, or as given.

        Raises:
            TaskError: A relative path leaves the card's folder, or a link points outside it.
        """
        if self.id:
            return inside(root, self.id)
        return Path(os.path.abspath(self.path)) if os.path.isabs(self.path) else inside(card_folder, self.path)

    def leads_elsewhere(self, card: Path) -> bool:
        """Return whether a card names a folder that is neither beside it nor below the data root."""
        return os.path.isabs(self.path) and not Path(os.path.abspath(self.path)).is_relative_to(card.parent.absolute())

    @property
    def candidates_per_query(self) -> tuple[int, int]:
        """Number of candidates of every query, and how many of them are true; zeros where the data say."""
        return 0, 0

    def needs(self) -> list[str]:
        """Return the files and folders, relative to ``folder``, that must exist before reading."""
        raise NotImplementedError

    def missing(self, folder: Path) -> list[str]:
        """Return the entries of ``needs`` that ``folder`` lacks; empty if the data are present."""
        return [name for name in self.needs() if not is_there(folder, name)]

    def how_to_get(self, folder: Path, task: str) -> str:
        """Return the command or instruction that gets the data of a task (given by its name or its card's path)."""
        if not (self.hub or self.urls):
            return self.manual or f"put its files into {tilde(folder)}"
        command = f"goldieval data get {task}{self._root_option(folder)}"
        return f"{command} (the rest by hand: {self.manual})" if self.manual else command

    def _root_option(self, folder: Path) -> str:
        """Return ``--data-dir``, if the folder is not below the default data root."""
        if not self.id or folder == inside(default_root(), self.id):
            return ""
        return f" --data-dir {shell_argument(tilde(folder.parents[len(Path(self.id).parts) - 1]))}"

    def read(self, folder: Path) -> Dataset:
        """Read the samples. Raises TaskError that names file, row and key of any problem."""
        raise NotImplementedError

    def prepared(self, folder: Path) -> tuple[Dataset, str]:
        """Read the samples and apply the ``prepare`` steps; also return the hash of their output, or "" without steps.

        Raises:
            TaskError: As for ``read``, or the output differs from the hash in the card.
        """
        with contained(f"reading {tilde(folder)}"):
            dataset = self.read(Path(os.path.abspath(folder)))  # without "..", as ``inside`` returns paths
        if self.prepare is None:
            return dataset, ""
        dataset = self.prepare.apply(dataset)
        made = digest(dataset)
        if self.prepared_sha256 and made != self.prepared_sha256:
            raise TaskError(
                f"the output of `prepare` for {tilde(folder)} has SHA-256 {made[:12]}…, but the card pins "
                f"{self.prepared_sha256[:12]}…: texts or ids differ. Get the data again."
            )
        return dataset, made

    def image_samples(self, folder: Path) -> list[ImageSample]:
        """Return only the images, for display. Raises TaskError like ``prepared``."""
        return self.prepared(folder)[0].images


def is_there(folder: Path, name: str) -> bool:
    """Return whether a file exists, also behind a link that is not followed; its reader reports the link.

    Raises:
        TaskError: The name leaves the folder.
    """
    try:
        return inside(folder, name).exists()
    except LinkOutError:
        return os.path.exists(os.path.normpath(os.path.join(folder, name)))
    except OSError:  # the name is too long
        return False


def tilde(path: Path) -> str:
    """Return a path with the home folder abbreviated to ``~``."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def read_lines(file: Path) -> list[str]:
    """Return the stripped, non-empty lines of a text file, such as templates or file names. Raises TaskError."""
    return [line.strip() for line in read_text_file(file).splitlines() if line.strip()]


def read_names(file: Path, unnamed: bool = False) -> list[str]:
    """Return class names, one per line: the position of a line is the number of its class.

    Args:
        file: The file.
        unnamed: Whether an empty line is a class without a name.

    Raises:
        TaskError: There is an empty line between others, so that the following numbers are ambiguous.
    """
    text = read_text_file(file)
    lines = [line.strip() for line in (text if unnamed else text.rstrip()).splitlines()]
    if "" in lines and not unnamed:
        raise TaskError(
            f"{file}:{lines.index('') + 1}: an empty line among the class names, so the numbers of the next "
            "classes are ambiguous. Remove it, or write the missing name."
        )
    return lines
