"""Warnings and log messages of libraries: one plain line if they concern the user, otherwise only with --debug."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from helpers import Ran, card, class_folders, goldieval, one_line, toy_model

from goldieval.cli.library_messages import suppressed_messages

NOISY = """
import logging
import warnings

import numpy as np


def load(spec, options):
    import {toy} as toy

    warnings.warn("activation does not match the weights\\nsecond line")
    warnings.warn("activation does not match the weights\\nsecond line")
    warnings.warn("old call", DeprecationWarning)
    np.zeros(1) / np.zeros(1)
    logging.getLogger("transformers.models").warning("some weights were not used")
    logging.getLogger("open_clip").warning("initialised at random")
    return toy.load(spec, options)
"""


@pytest.fixture
def noisy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    toy_model(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "noisy.py").write_text(NOISY.format(toy="toy_model"))
    class_folders(tmp_path / "data", {"cat": 2, "dog": 1})
    return ["run", "--model", f"{tmp_path / 'noisy.py'}:load", "--tasks", str(card(tmp_path)), "--out", "out"]


def run(*arguments: str) -> Ran:
    """Run as in a fresh interpreter, without warning filters."""
    with warnings.catch_warnings():
        warnings.resetwarnings()
        return goldieval(*arguments)


def test_one_plain_line_for_what_concerns_the_user(noisy: list[str]) -> None:
    ran = run(*noisy)
    assert ran.code == 0 and "Warning" not in ran.out + ran.err
    assert ran.err.splitlines() == [
        "warning: activation does not match the weights",
        "warning: initialised at random",
    ]


def test_debug_shows_all(noisy: list[str]) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        ran = goldieval("--debug", *noisy)
    assert ran.code == 0
    assert {warning.category for warning in seen} >= {UserWarning, DeprecationWarning, RuntimeWarning}


def test_previous_settings_are_restored() -> None:
    before = warnings.showwarning, logging.getLogger().handlers[:], warnings.filters[:]
    with suppressed_messages(lambda _: None):
        assert warnings.showwarning is not before[0]
    assert (warnings.showwarning, logging.getLogger().handlers, warnings.filters) == before


@pytest.mark.parametrize(
    ("category", "file", "shown"),
    [
        (UserWarning, "/x/site-packages/torch/nn/functional.py", False),
        (UserWarning, "/x/site-packages/PIL/Image.py", False),
        (UserWarning, "/x/site-packages/open_clip/factory.py", True),
        (UserWarning, "/home/me/my_model.py", True),
        (RuntimeWarning, "/home/me/my_model.py", False),
        (FutureWarning, "/x/site-packages/open_clip/factory.py", False),
        (UserWarning, os.__file__, False),
    ],
)
def test_whose_warnings_are_shown(category: type[Warning], file: str, shown: bool) -> None:
    lines: list[str] = []
    with suppressed_messages(lines.append):
        warnings.showwarning("look", category, file, 1)
    assert lines == (["look"] if shown else [])


def test_the_python_interface_leaves_the_filters_of_its_caller_alone(noisy: list[str]) -> None:
    from goldieval import evaluate

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        with pytest.raises(Exception, match="activation does not match"):
            evaluate(noisy[2], noisy[4], out=None)


# Whose fault


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "OSError: No space left on device: /x."),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "PermissionError: Permission denied: /x."),
        (MemoryError(), "out of memory (MemoryError)"),
        (ModuleNotFoundError("No module named 'mmseg'", name="mmseg"), "No module named 'mmseg': a package is missing"),
        (ImportError("cannot import name 'x'", name="goldieval.x"), "a bug in goldieval"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero (a bug in goldieval"),
    ],
)
def test_only_internal_errors_are_reported_as_such(
    monkeypatch: pytest.MonkeyPatch, error: Exception, line: str
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("goldieval.engine.run.evaluate", broken)
    ran = goldieval("run", "--model", "random", "--tasks", "shapes")
    output = one_line(ran.err) if "bug in goldieval" not in line else ran.err
    assert ran.code == 2 and line in output and ("bug in goldieval" in line or "bug in goldieval" not in output)


def test_a_reader_that_closes_the_pipe_gets_no_traceback() -> None:
    command = f"{sys.executable} -m goldieval ls tasks | head -n 1"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in ended.stderr and "bug in goldieval" not in ended.stderr
