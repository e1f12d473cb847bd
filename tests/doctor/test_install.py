"""Checks of the installation: a clean checkout passes, and every common problem is reported."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from goldieval.core.errors import GoldievalError
from goldieval.doctor import cards, install, names
from goldieval.doctor.check import Check
from goldieval.tasks import catalogue as registry
from goldieval.tasks.catalogue import Catalogue, load_task


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in a temporary folder with its own store."""
    monkeypatch.setenv("GOLDIEVAL_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("GOLDIEVAL_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def package(root: Path, name: str, content: str = "") -> Path:
    place = root / name
    place.mkdir(parents=True)
    (place / "__init__.py").write_text(content)
    return place


def test_this_install_has_nothing_wrong(tmp_path: Path) -> None:
    result = {check.name: check for check in install.checks()}
    assert [check for check in result.values() if check.passed is False] == []
    assert {"packages", "requirements", "devices", "results folder", "embedding store", "data folder"} <= set(result)
    assert {"import goldieval", "import model_adapters", "import mmseg", "task cards", "prompts"} <= set(result)
    assert f"torch {importlib.metadata.version('torch')}" in result["packages"].found
    assert result["devices"].found.startswith("cpu (")
    assert result["data folder"].passed is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["work"] and not list(Path.cwd().iterdir())


def test_importing_the_doctor_is_light() -> None:
    code = "import sys, goldieval.doctor; print([name for name in ('torch', 'goldieval.cli') if name in sys.modules])"
    root = Path(install.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "[]"


def test_a_second_model_adapters_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names.import_name("model_adapters").passed is True
    other = package(tmp_path / "lib", "model_adapters")
    monkeypatch.syspath_prepend(str(other.parent))
    late = names.import_name("model_adapters")  # ours is imported already
    assert late.passed is False and str(other) in late.found and "PYTHONPATH" in late.found
    for name in [name for name in sys.modules if name.partition(".")[0] == "model_adapters"]:
        monkeypatch.delitem(sys.modules, name)
    first = names.import_name("model_adapters")  # now Python would take the other one
    assert first.passed is False and f"{other} is not that of goldieval" in first.found


def test_a_second_mmseg_in_the_current_folder(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(elsewhere, "mmseg")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    assert names.import_name("mmseg").passed is True  # not on the path of an installed command
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    check = names.import_name("mmseg")
    assert check.passed is False and "run from another folder" in check.found


def test_a_module_counts_and_a_folder_without_init_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mmseg").mkdir()
    assert names.import_name("mmseg").passed is True
    (tmp_path / "mmseg.py").write_text("")
    assert names.import_name("mmseg").passed is False


def distribution(root: Path, name: str, provides: str) -> None:
    place = root / f"{name}-1.2.2.dist-info"
    place.mkdir()
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.2\n")
    (place / "top_level.txt").write_text(provides)


def test_mmseg_of_two_distributions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path, "mmsegmentation", "mmseg\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    check = names.import_name("mmseg")
    assert check.passed is False and "mmsegmentation and onedl-mmsegmentation" in check.found
    assert "pip uninstall mmsegmentation, then" in check.found


def test_a_name_that_nothing_provides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "places", lambda name: [])
    assert names.import_name("mmseg").passed is None
    assert names.import_name("model_adapters").passed is False


def test_an_adapter_that_does_not_import(monkeypatch: pytest.MonkeyPatch) -> None:
    point = importlib.metadata.EntryPoint("broken", "no_such_module:load", "goldieval.models")
    monkeypatch.setattr(names, "families", lambda: {"broken": point})
    check = names.model_families(None)
    assert check.passed is False and "broken (no_such_module:load): ModuleNotFoundError" in check.found
    monkeypatch.setattr(names, "families", dict)
    assert names.model_families(None).passed is False


def test_packages_that_are_too_old_or_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    true_version = importlib.metadata.version

    def version(name: str) -> str:
        if name == "pandas":
            raise importlib.metadata.PackageNotFoundError(name)
        return "2.7.1" if name == "torch" else true_version(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    check = install.requirements(None)
    assert check.passed is False
    assert "torch 2.7.1 instead of >=2.8" in check.found and "pandas is not installed" in check.found


def test_a_version_that_changes_numbers_and_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "versions", lambda: {"python": "3.11.7", "torchvision": "not installed"})
    assert install.packages(None) == Check(
        "packages", False, "torchvision not installed: uv sync, or pip install goldieval"
    )


def test_folders_that_cannot_be_written(elsewhere: Path) -> None:
    (elsewhere / "file").write_text("")
    for place in (elsewhere / "file", elsewhere / "file" / "results"):
        check = install.writable("results folder", place, "name another with --out")
        assert check.passed is False and "--out" in check.found
    assert install.writable("results folder", elsewhere / "a" / "b", "").passed is True
    assert not (elsewhere / "a").exists()


def test_the_data_folder(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert install.data_folder(None).passed is None
    real = sum(task.card.source.on_disk for task in Catalogue().tasks.values())
    first = install.data_folder(elsewhere)
    assert first.passed is True and f" 0 of {real} tasks" in first.found
    source = load_task("dtd").card.source
    for name in source.needs():
        file = elsewhere / "dtd" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("0")
    assert f" 1 of {real} tasks" in install.data_folder(elsewhere).found
    monkeypatch.setenv("GOLDIEVAL_DATA", str(elsewhere / "nowhere"))
    wrong = install.data_folder(None)
    assert wrong.passed is False and "$GOLDIEVAL_DATA" in wrong.found
    with pytest.raises(GoldievalError, match="--data-dir"):
        install.checks(elsewhere / "nowhere")


def test_a_drifted_prompt_pin() -> None:
    task = load_task("cifar10")
    assert cards.prompts([task]).passed is True
    pin = {"clip_benchmark": "cifar10", "version": "1.6.2", "sha256": "0" * 64}
    check = cards.prompts([task.override({"prompts": pin})])
    assert check.passed is False and "cifar10" in check.found and "clip-benchmark==1.6.2" in check.found
    unknown = cards.prompts([task.override({"prompts": pin | {"clip_benchmark": "cifar11"}})])
    assert unknown.passed is False and "no entry 'cifar11'" in unknown.found


def test_a_card_that_does_not_parse(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "mine.yaml").write_text("name: mine\nfamily: retrieval\ncolour: red\n")
    monkeypatch.setattr(registry, "plugin_folders", lambda: [elsewhere])
    (check,) = cards.checks()
    assert check.passed is False and "mine.yaml" in check.found and "colour: unknown key" in check.found


def test_a_suite_of_unknown_tasks(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "suites").mkdir()
    (elsewhere / "suites" / "s.yaml").write_text("suite: s\ntitle: S\ntasks: [cifar11]\n")
    monkeypatch.setattr(registry, "plugin_folders", lambda: [elsewhere])
    (check,) = cards.checks()
    assert check.passed is False and "suite s: no task 'cifar11'" in check.found
