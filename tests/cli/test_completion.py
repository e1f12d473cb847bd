"""Shell completion: names of tasks, models, recipes and tables, in bash as bash asks for them, without a library."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers import card, goldieval

from goldieval.cli import completion
from goldieval.cli.completion import complete_models, complete_recipes, complete_tables, complete_tasks
from goldieval.core.packaged import packaged
from goldieval.goldiclip.recipe_files import recipe_names
from goldieval.report.table_spec import shipped_specs
from goldieval.tasks.catalogue import Catalogue

pytestmark = pytest.mark.usefixtures("plain")


def _context(**params: Any) -> Any:
    return SimpleNamespace(params=params)


def test_tasks_suites_and_own_cards_of_a_list(tmp_path: Path) -> None:
    card(tmp_path / "cards", name="card")
    catalogue = Catalogue()
    assert set(complete_tasks(_context(), "")) == {*catalogue.tasks, *catalogue.suites}
    assert complete_tasks(_context(), "retrieval,cifar100,coco-kar") == ["retrieval,cifar100,coco-karpathy"]
    assert complete_tasks(_context(tasks_dir=tmp_path / "cards"), "car") == ["card", "cars"]


def test_models_by_family_name_and_file(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "epoch_1.pt").touch()
    assert complete_models(_context(), "goldi") == ["goldiclip"]
    assert "open_clip:ViT-B-32/laion2b_s34b_b79k" in complete_models(_context(), "open_clip:ViT-B-32/")
    assert complete_models(_context(), "flair:flair-cc3") == ["flair:flair-cc3m-recap"]
    assert complete_models(_context(), "open_clip:ViT-B-16@ru") == ["open_clip:ViT-B-16@run/"]
    assert complete_models(_context(), "open_clip:ViT-B-16@run/e") == ["open_clip:ViT-B-16@run/epoch_1.pt"]
    assert complete_models(_context(), "goldiclip@nowhere/") == []


def test_recipes_and_tables() -> None:
    assert complete_recipes(_context(), "") == recipe_names()
    assert complete_tables(_context(), "") == sorted([*shipped_specs(), "field"])


def _asked_by_bash(words: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("_GOLDIEVAL_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "\n".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    monkeypatch.setenv(completion.KEPT, "")
    return goldieval().out.split()


def test_bash_gets_what_follows_the_character_at_which_it_splits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert _asked_by_bash(["goldieval", "run", "--tasks", "coco-kar"], monkeypatch) == ["coco-karpathy"]
    words = ["goldieval", "run", "--model", "flair", ":", "flair-cc3"]
    assert _asked_by_bash(words, monkeypatch) == ["flair-cc3m-recap"]
    assert "flair-merged30m" in _asked_by_bash(words[:-1], monkeypatch)
    (tmp_path / "my.pt").touch()
    words = ["goldieval", "run", "--model", "open_clip", ":", "ViT-B-16", "@", "m"]
    assert _asked_by_bash(words, monkeypatch) == ["my.pt"]
    assert _asked_by_bash(["goldieval", "tr"], monkeypatch) == ["train"]
    assert "--watch-until" in _asked_by_bash(["goldieval", "run", "--watch"], monkeypatch)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_function_that_is_installed_works_in_bash(tmp_path: Path) -> None:
    """The words are those that bash makes of a line with its usual word breaks."""
    program = tmp_path / "bin" / "goldieval"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m goldieval "$@"\n')
    program.chmod(0o755)
    shown = subprocess.run(
        [program, "--show-completion", "bash"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},  # the shell is named, not found
    )
    typed = """
COMP_WORDS=(goldieval run --model open_clip : ViT-B-32-256/); COMP_CWORD=5
_goldieval_completion goldieval
echo "${COMPREPLY[*]}"
"""
    ran = subprocess.run(
        ["bash", "-c", shown.stdout + typed],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"},
    )
    assert ran.stdout.split() == ["ViT-B-32-256/datacomp_s34b_b86k"]


def test_completion_of_tasks_imports_no_library() -> None:
    code = "import sys, goldieval.cli.completion as c; c.complete_tasks(c, ''); print(*sys.modules)"
    code = code.replace("c.complete_tasks(c, '')", "c.complete_tasks(type('C', (), {'params': {}}), '')")
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "yaml", "numpy", "goldieval.tasks.catalogue"} & set(ran.stdout.split())


def test_task_files_have_the_names_of_their_tasks() -> None:
    files = {file.stem for file in packaged("tasks").glob("*.yaml")}
    assert files == {name for name, task in Catalogue().tasks.items() if task.file.parent == packaged("tasks")}
