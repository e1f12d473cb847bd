"""Warnings and log messages of libraries: one line for each that concerns the user, all of them with --debug."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, TextIO

# Libraries whose warnings concern their caller, which is goldieval. Warnings of open_clip (weights and activation do
# not match) and of the user's own adapter concern the user.
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
# Read by these libraries when they are imported: no progress bars and no advice in the output of goldieval.
SETTINGS = {
    "DATASETS_VERBOSITY": "error",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "TORCH_CPP_LOG_LEVEL": "ERROR",  # a rank whose peers have ended would print a stack
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}


@contextmanager
def suppressed_messages(report: Callable[[str], None], debug: bool = False) -> Iterator[None]:
    """Suppress messages of libraries while a command runs, except those that concern the user.

    With ``python -W`` warnings are not suppressed.

    Args:
        report: called once with each line that concerns the user.
        debug: whether all messages are printed, with tracebacks of the exceptions that made tasks fail.
    """
    if debug:
        with _debugging():
            yield
        return
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    seen: set[str] = set()

    def report_once(line: str) -> None:
        if line and line not in seen:
            seen.add(line)
            report(line)

    handler = _UserMessages(report_once)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.showwarning = _showwarning(report_once)
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


class _UserMessages(logging.Handler):
    """Passes on log messages of level WARNING or above, except those of ``LIBRARIES``."""

    def __init__(self, report: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] not in LIBRARIES:
            self._report(_first_line(record.getMessage()))


def _showwarning(report: Callable[[str], None]) -> Callable[..., None]:
    """Return a replacement of ``warnings.showwarning``."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, UserWarning) and not _of_a_library(filename):
            report(_first_line(str(message)))

    return show


def _of_a_library(filename: str) -> bool:
    """Return whether a file belongs to one of ``LIBRARIES``, or to Python itself."""
    parts = PurePath(filename).parts
    for packages in ("site-packages", "dist-packages"):
        if packages in parts:
            package = parts[len(parts) - parts[::-1].index(packages) :][:1]
            return bool(package) and package[0].removesuffix(".py") in LIBRARIES
    return PurePath(os.__file__).parent in PurePath(filename).parents or filename.startswith("<")


def _first_line(text: Any) -> str:
    return next((line.strip() for line in str(text).splitlines() if line.strip()), "")[:300]
