"""Warnings and log lines of libraries: one plain line each where the user is concerned, all of them with --debug."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, TextIO

# Libraries whose warnings concern whoever calls them, which is goldieval. A warning of open_clip's (weights and
# activation do not match) or of the user's own adapter concerns the user.
LIBRARIES = {
    "PIL",
    "accelerate",
    "datasets",
    "filelock",
    "fsspec",
    "huggingface_hub",
    "matplotlib",
    "mmcv",
    "mmengine",
    "mmseg",
    "numpy",
    "pandas",
    "pyarrow",
    "pycocotools",
    "pydantic",
    "safetensors",
    "scipy",
    "sklearn",
    "tokenizers",
    "torch",
    "torchvision",
    "transformers",
    "typer",
    "urllib3",
    "webdataset",
    "yaml",
}
# Read by these libraries when they are imported: no bars and no hints on the screen of another program.
SETTINGS = {
    "DATASETS_VERBOSITY": "error",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}


@contextmanager
def kept_off(say: Callable[[str], None], debug: bool = False) -> Iterator[None]:
    """Keep the chatter of libraries off the screen while a command runs.

    Args:
        say: called with each line that concerns the user, once.   debug: everything is shown as Python shows it, and
            the exceptions that became failures of tasks with their tracebacks. So it is under ``python -W`` too.
    """
    if debug:
        with _debugging():
            yield
        return
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    seen: set[str] = set()

    def once(line: str) -> None:
        if line and line not in seen:
            seen.add(line)
            say(line)

    handler = _Plain(once)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.showwarning = _shown(once)
            yield
    finally:
        root.removeHandler(handler)


@contextmanager
def _debugging() -> Iterator[None]:
    logger, handler = logging.getLogger("goldieval"), logging.StreamHandler()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


class _Plain(logging.Handler):
    """Passes on what libraries log at level WARNING or above and the user should know."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] not in LIBRARIES:
            self._say(_first(record.getMessage()))


def _shown(say: Callable[[str], None]) -> Callable[..., None]:
    """Return what replaces ``warnings.showwarning``."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, UserWarning) and not _of_a_library(filename):
            say(_first(str(message)))

    return show


def _of_a_library(filename: str) -> bool:
    """Whether a file belongs to one of ``LIBRARIES``, or to Python itself."""
    parts = PurePath(filename).parts
    for packages in ("site-packages", "dist-packages"):
        if packages in parts:
            package = parts[len(parts) - parts[::-1].index(packages) :][:1]
            return bool(package) and package[0].removesuffix(".py") in LIBRARIES
    return PurePath(os.__file__).parent in PurePath(filename).parents or filename.startswith("<")


def _first(text: Any) -> str:
    return next((line.strip() for line in str(text).splitlines() if line.strip()), "")[:300]
