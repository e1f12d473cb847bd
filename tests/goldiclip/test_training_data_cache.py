"""Drawn scenes are kept: read back as they were drawn, drawn again whenever anything is doubtful."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from goldieval.core.errors import GoldievalError
from goldieval.data.shapes import EVERY_BACKGROUND, opacity
from goldieval.goldiclip.data import foregrounds, shapes, training_scenes
from goldieval.goldiclip.data.shapes import ShapesCorpus, shapes_corpus
from goldieval.goldiclip.data.shapes_cache import cached, file_of, foregrounds_file
from goldieval.goldiclip.data.training_scenes import training_scene
from goldieval.goldiclip.tokenizer import Tokenizer

SCENES, SIDE = 6, 16


@cache
def tokenizer(merges: int = 100) -> Tokenizer:
    return Tokenizer(merges, 77)


def same(left: ShapesCorpus, right: ShapesCorpus) -> bool:
    return (
        torch.equal(left.pictures, right.pictures)
        and left.sentences == right.sentences
        and left.questions == right.questions
        and left.foils == right.foils
    )


def make(scenes: int = SCENES) -> ShapesCorpus:
    return shapes_corpus(scenes, SIDE, tokenizer())


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(*_: object, **__: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(shapes, "_chunk", drawn)


def test_scenes_are_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = make()
    file = file_of(SCENES, SIDE, tokenizer())
    assert file.is_file()
    forbid(monkeypatch)
    again = make()
    assert same(drawn, again) and all(isinstance(pair, tuple) for own in again.questions for pair in own)
    with pytest.raises(AssertionError, match="drawn again"):
        make(SCENES + 1)


def test_scenes_may_begin_later() -> None:
    """Scene 2 of the split is the first of those that begin with it, and no other scenes are found in the cache."""
    whole, later = make(), shapes_corpus(SCENES - 2, SIDE, tokenizer(), first=2)
    assert len(later) == SCENES - 2
    assert torch.equal(later.pictures, whole.pictures[2:]) and later.foils == whole.foils[2:]
    assert later.sentences == whole.sentences[2:] and later.questions == whole.questions[2:]
    assert not torch.equal(make(SCENES - 2).pictures, later.pictures)
    with pytest.raises(GoldievalError, match="80,001 scenes requested, but the train split has 1 to 80,000"):
        shapes_corpus(SCENES, SIDE, tokenizer(), first=80_001 - SCENES)


def test_groups_of_foils_keep_their_sizes(tmp_path: Path) -> None:
    """Those of the drawn world are four each; those of another one need not be."""
    drawn, file = make(), tmp_path / "scenes.safetensors"
    uneven = [[group[: 2 + place] for place, group in enumerate(own)] for own in drawn.foils]
    assert {len(group) for own in uneven for group in own} == {2, 3}
    content = (drawn.pictures, drawn.sentences, drawn.questions, uneven)
    cached(file, SCENES, SIDE, lambda: content)
    assert cached(file, SCENES, SIDE, lambda: pytest.fail("drawn again"))[3] == uneven


def test_everything_that_changes_the_content_changes_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {file_of(scenes, side, tokenizer(n)) for scenes in (6, 7) for side in (16, 32) for n in (100, 101)}
    files.add(file_of(SCENES, SIDE, tokenizer(), first=1))
    monkeypatch.setattr("PIL.__version__", "0.0")
    assert len({*files, file_of(SCENES, SIDE, tokenizer())}) == 10


def test_foregrounds_are_drawn_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe that does not redraw backgrounds has the files, the memory and the start that it had before."""
    plain, file = make(), foregrounds_file(SCENES, SIDE)
    assert plain.foregrounds is None and plain.sample(0).foreground is None and not file.exists()
    drawn = shapes_corpus(SCENES, SIDE, tokenizer(), foregrounds=True)
    assert same(plain, drawn) and len([*file.parent.glob("*.safetensors")]) == 2
    for row in range(SCENES):
        scene, found = training_scene(row), drawn.sample(row).foreground
        assert found is not None and EVERY_BACKGROUND[found.background] == scene.background
        assert torch.equal(found.opacity, torch.from_numpy(opacity(scene, SIDE)))
    with monkeypatch.context() as patch:
        patch.setattr(foregrounds, "_chunk", lambda *_, **__: pytest.fail("drawn again"))
        again = shapes_corpus(SCENES, SIDE, tokenizer(), foregrounds=True).foregrounds
    assert again is not None and drawn.foregrounds is not None
    assert torch.equal(again.opacities, drawn.foregrounds.opacities)
    with_a_flipped_bit(file)
    anew = shapes_corpus(SCENES, SIDE, tokenizer(), foregrounds=True).foregrounds
    assert anew is not None and torch.equal(anew.opacities, drawn.foregrounds.opacities)
    others = [foregrounds_file(SCENES + 1, SIDE), foregrounds_file(SCENES, SIDE + 1), foregrounds_file(SCENES, SIDE, 1)]
    assert len({file, *others}) == 4
    later = shapes_corpus(SCENES - 1, SIDE, tokenizer(), first=1, foregrounds=True).foregrounds
    assert later is not None and torch.equal(later.opacities, drawn.foregrounds.opacities[1:])


def damaged(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:200])


def foreign(file: Path) -> None:
    save_file({"a": torch.zeros(2)}, file)


def of_other_scenes(file: Path) -> None:
    parts = load_file(file)
    save_file({**parts, "pictures": parts["pictures"][:-1].contiguous()}, file)


def without_a_question(file: Path) -> None:
    parts = load_file(file)
    save_file({**parts, "question_counts": parts["question_counts"][:-1].contiguous()}, file)


def with_a_flipped_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-7] ^= 1
    file.write_bytes(content)


def of_another_name(file: Path) -> None:
    """As many scenes of the same size, cached under another name: of another tokenizer, or drawn by other code."""
    other = file.with_name("other.safetensors")
    sentences = [[[1, 2]]] * SCENES
    drawn = (torch.zeros(SCENES, SIDE, SIDE, 3, dtype=torch.uint8), sentences, [[]] * SCENES, [[]] * SCENES)
    cached(other, SCENES, SIDE, lambda: drawn)  # type: ignore[arg-type, return-value]
    other.replace(file)


SPOILS = [damaged, foreign, of_other_scenes, without_a_question, with_a_flipped_bit, of_another_name, Path.unlink]


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_doubtful_file_is_drawn_again(spoil: object, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, file = make(), file_of(SCENES, SIDE, tokenizer())
    spoil(file)  # type: ignore[operator]
    assert same(drawn, make())
    forbid(monkeypatch)
    assert same(drawn, make())  # and kept again


def test_without_a_writable_cache_scenes_are_drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn = make()
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert same(drawn, make())


def test_a_full_disk_costs_the_file_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("goldieval.goldiclip.data.shapes_cache.atomic_write", full)
    assert len(make()) == SCENES and not file_of(SCENES, SIDE, tokenizer()).exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="drawn in one process where there is no fork")
def test_many_processes_draw_what_one_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    monkeypatch.setattr(training_scenes, "cores", lambda: 1)
    one = make()
    file_of(SCENES, SIDE, tokenizer()).unlink()
    monkeypatch.setattr(training_scenes, "cores", lambda: 2)
    monkeypatch.setattr(training_scenes, "CHUNK", 2)
    many = shapes_corpus(SCENES, SIDE, tokenizer(), notes.append, foregrounds=True)
    assert same(one, many) and many.foregrounds is not None
    backgrounds = [EVERY_BACKGROUND[number] for number in many.foregrounds.backgrounds.tolist()]
    assert backgrounds == [training_scene(row).background for row in range(SCENES)]
    assert len(notes) == 2 and "drawing 6 scenes in 2 processes" in notes[0]
    assert "drawing the foregrounds of 6 scenes in 2 processes" in notes[1]
