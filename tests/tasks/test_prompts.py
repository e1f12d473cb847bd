"""Prompts and class names: in the card, in a file beside it, or pinned in the installed clip-benchmark."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest
from helpers import card

from goldieval.core.errors import TaskError
from goldieval.tasks.card import Task, load_card
from goldieval.tasks.catalogue import Catalogue
from goldieval.tasks.params import Pinned, ZeroshotParams
from goldieval.tasks.prompts import CLASS_NAMES, PROMPTS, _clip_benchmark, clip_benchmark_entry, digest, fill, resolve

PINS = [
    pytest.param(task, pin, file, id=f"{task.name}-{field}")
    for task in Catalogue().tasks.values()
    for field, file in (("prompts", PROMPTS), ("class_names", CLASS_NAMES))
    if isinstance(pin := getattr(task.card.params, field, None), Pinned)
]


@pytest.mark.parametrize(("task", "pin", "file"), PINS)
def test_pin_of_a_shipped_card_is_the_installed_list(task: Task, pin: Pinned, file: str) -> None:
    values = resolve(task, pin, file)
    whole = clip_benchmark_entry(pin.clip_benchmark, file)
    taken = [whole[place] for place in pin.take] if pin.take else whole
    assert digest(whole) == pin.sha256 and values == [value for value in taken if value not in pin.drop]
    if file == PROMPTS:
        assert all("{c}" in prompt for prompt in values)
    else:
        assert len(values) == task.card.expect.classes


def test_every_real_classification_card_pins_its_prompts() -> None:
    real = [task for task in Catalogue().tasks.values() if task.card.family == "zeroshot" and task.card.source.on_disk]
    assert len(real) >= 40 and all(isinstance(task.card.params, ZeroshotParams) for task in real)
    unpinned = {task.name for task in real} - {pin.values[0].name for pin in PINS}
    written = {name for name in unpinned if isinstance(Catalogue().tasks[name].card.params.prompts, list)}  # type: ignore[attr-defined]
    assert written == {"iwildcam", "fairface", "fairface-age", "utkface", "utkface-age"}
    assert unpinned - written == {"fmow"}, "whose prompts come with its data; the record holds their hash"


def test_number_of_prompts_is_the_protocols() -> None:
    found = {name: len(clip_benchmark_entry(name, PROMPTS)) for name in ("cifar10", "cifar100", "cars", "pets")}
    assert found == {"cifar10": 18, "cifar100": 18, "cars": 8, "pets": 1}


def test_an_entry_to_drop_must_be_there(tmp_path: Path) -> None:
    task, pin = _pinned(tmp_path, sha256=digest(clip_benchmark_entry("cifar10", PROMPTS)))
    with pytest.raises(TaskError, match="has no 'background' to drop"):
        resolve(task, pin.model_copy(update={"drop": ["background"]}), PROMPTS)


def _pinned(tmp_path: Path, entry: str = "cifar10", sha256: str = "0" * 64) -> tuple[Task, Pinned]:
    prompts = {"clip_benchmark": entry, "sha256": sha256, "version": "1.5.9"}
    task = load_card(card(tmp_path, params={"prompts": prompts}))
    return task, Pinned(**prompts)


def test_drift_is_an_error_that_names_entry_and_both_versions(tmp_path: Path) -> None:
    with pytest.raises(TaskError) as caught:
        resolve(*_pinned(tmp_path), PROMPTS)
    line, installed = str(caught.value), importlib.metadata.version("clip-benchmark")
    assert "\n" not in line and "card.yaml" in line and "'cifar10'" in line
    assert installed in line and "clip-benchmark==1.5.9" in line


def test_unknown_entry_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"card\.yaml: clip-benchmark .* has no entry 'cifar11'"):
        resolve(*_pinned(tmp_path, "cifar11"), PROMPTS)


def test_list_in_the_card_is_taken_as_it_is(tmp_path: Path) -> None:
    assert resolve(load_card(card(tmp_path)), ["a {c}", "a {c}", " {c} "], PROMPTS) == ["a {c}", "a {c}", " {c} "]


def test_file_beside_the_card_holds_one_prompt_a_line(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a photo of a {c}\n\n  an étude of a {c}  \n", encoding="utf-8")
    task = load_card(card(tmp_path, params={"prompts": "prompts.txt"}))
    assert resolve(task, "prompts.txt", PROMPTS) == ["a photo of a {c}", "an étude of a {c}"]


@pytest.mark.parametrize("name", ["gone.txt", "../outside.txt", "/etc/hostname"])
def test_prompt_file_that_is_missing_or_outside_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.txt").write_text("a {c}\n")
    with pytest.raises(TaskError, match=name.rpartition("/")[2]):
        resolve(load_card(card(tmp_path / "cards")), name, PROMPTS)


def test_every_placeholder_is_filled_and_braces_in_names_are_kept() -> None:
    assert fill(["a {c}, yes a {c}", "{c}"], "{x} dog") == ["a {x} dog, yes a {x} dog", "{x} dog"]


def test_digest_sees_order_and_content_and_is_fixed() -> None:
    assert digest(["a", "é"]) == "91bd7b5d30b2d6b32212d31553dcaca2b9e172330cd6325f9476e3e0ac9028cd"
    assert len({digest(["a", "b"]), digest(["b", "a"]), digest(["a", "b", "b"])}) == 3


def test_builder_of_clip_benchmark_is_never_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("clip_benchmark")]:
        monkeypatch.delitem(sys.modules, name)
    _clip_benchmark.cache_clear()
    assert clip_benchmark_entry("cifar10", PROMPTS)
    assert not [name for name in sys.modules if name.startswith("clip_benchmark.")]
