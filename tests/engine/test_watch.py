"""Watching a folder for checkpoints: complete ones are evaluated once, broken ones do not end the watch."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from goldieval.core.errors import GoldievalError
from goldieval.engine import watch as module
from goldieval.engine.checkpoint_files import checkpoints_in
from goldieval.engine.reporter import Reporter
from goldieval.engine.watch import Watch, WatchOptions, pattern_of

WHOLE = b"a whole checkpoint"


class Lines(Reporter):
    """Keeps what is reported."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)

    def model_failed(self, spec: str, reason: str) -> None:
        self.lines.append(f"FAILED {spec}: {reason}")


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_LOOKS_S", 0.05)
    monkeypatch.setattr(module, "GRACE_S", 0.4)


def _watch(
    folder: Path,
    model: str = "goldiclip",
    recorded: Callable[[str, float], bool] = lambda spec, changed: False,
    **how: float,
) -> tuple[Watch, list[str], Lines]:
    evaluated: list[str] = []
    lines = Lines()

    def evaluate(spec: str) -> None:
        file = Path(spec.partition("@")[2])
        content = (file / "model.safetensors" if file.is_dir() else file).read_bytes()
        if content != WHOLE:
            raise GoldievalError(f"{file.name} is cut off")
        evaluated.append(file.name)

    options = WatchOptions(folder, **({"every": 0.05, "idle": 1.0} | how))  # type: ignore[arg-type]
    return Watch(model, options, evaluate, recorded, lines), evaluated, lines


def _old(path: Path) -> Path:
    os.utime(path, (time.time() - 100,) * 2)
    return path


def _run_beside(watch: Watch, write: Callable[[], None]) -> None:
    writer = threading.Thread(target=write)
    writer.start()
    watch.run()
    writer.join()


def test_checkpoints_are_evaluated_as_they_appear(tmp_path: Path) -> None:
    (tmp_path / "first.pt").write_bytes(WHOLE)
    _old(tmp_path / "first.pt")
    watch, evaluated, lines = _watch(tmp_path)

    def write() -> None:
        time.sleep(0.2)
        (tmp_path / "second.safetensors").write_bytes(WHOLE)
        (tmp_path / "notes.txt").write_text("no checkpoint")
        (tmp_path / ".hidden.pt").write_bytes(WHOLE)
        (tmp_path / "third.pt.tmp").write_bytes(WHOLE)
        time.sleep(0.3)
        (tmp_path / "step-000500").mkdir()
        (tmp_path / "step-000500" / "model.safetensors").write_bytes(WHOLE)
        (tmp_path / "results").mkdir()
        (tmp_path / "results" / "record.json").write_text("{}")
        (tmp_path / "latest").symlink_to("step-000500")

    _run_beside(watch, write)
    assert evaluated == ["first.pt", "second.safetensors", "step-000500"]
    assert watch.done.evaluated[0] == f"goldiclip@{tmp_path}/first.pt" and not watch.done.broken
    assert lines.lines[0].startswith(f"watching {tmp_path} for ")


def test_a_file_that_is_written_slowly_is_evaluated_when_it_is_whole(tmp_path: Path) -> None:
    watch, evaluated, _ = _watch(tmp_path)

    def write() -> None:
        with (tmp_path / "slow.pt").open("wb") as file:
            for byte in WHOLE:
                file.write(bytes([byte]))
                file.flush()
                time.sleep(0.02)

    _run_beside(watch, write)
    assert evaluated == ["slow.pt"] and not watch.done.broken


def test_a_file_whose_writing_stalls_is_tried_again_and_has_not_failed(tmp_path: Path) -> None:
    watch, evaluated, lines = _watch(tmp_path)

    def write() -> None:
        (tmp_path / "half.pt").write_bytes(WHOLE[:5])
        time.sleep(0.3)
        (tmp_path / "half.pt").write_bytes(WHOLE)

    _run_beside(watch, write)
    assert evaluated == ["half.pt"] and not watch.done.broken
    told = [line for line in lines.lines if "half.pt" in line]
    assert len(told) <= 1 and not any("FAILED" in line for line in told)


def test_a_broken_checkpoint_is_reported_once_and_the_watch_goes_on(tmp_path: Path) -> None:
    (tmp_path / "broken.pt").write_bytes(b"?")
    _old(tmp_path / "broken.pt")
    watch, evaluated, lines = _watch(tmp_path)

    def write() -> None:
        time.sleep(0.2)
        (tmp_path / "good.pt").write_bytes(WHOLE)

    _run_beside(watch, write)
    assert evaluated == ["good.pt"]
    assert list(watch.done.broken) == [f"goldiclip@{tmp_path}/broken.pt"]
    assert [line for line in lines.lines if "broken.pt" in line] == [
        f"FAILED goldiclip@{tmp_path}/broken.pt: broken.pt is cut off (it is tried again when it changes)"
    ]


def test_a_replaced_checkpoint_is_evaluated_again(tmp_path: Path) -> None:
    (tmp_path / "latest.pt").write_bytes(WHOLE)
    watch, evaluated, _ = _watch(tmp_path)

    def write() -> None:
        time.sleep(0.5)
        (tmp_path / "latest.pt").write_bytes(WHOLE)
        os.utime(tmp_path / "latest.pt", (time.time() + 1,) * 2)

    _run_beside(watch, write)
    assert evaluated == ["latest.pt", "latest.pt"] and len(watch.done.evaluated) == 1


def test_what_has_records_is_skipped(tmp_path: Path) -> None:
    for name in ("a.pt", "b.pt"):
        (tmp_path / name).write_bytes(WHOLE)
        _old(tmp_path / name)
    watch, evaluated, lines = _watch(tmp_path, recorded=lambda spec, changed: spec.endswith("a.pt"), idle=0.2)
    watch.run()
    assert evaluated == ["b.pt"] and watch.done.recorded == [f"goldiclip@{tmp_path}/a.pt"]
    assert f"goldiclip@{tmp_path}/a.pt: has its records already" in lines.lines


def test_the_watch_ends_after_so_many_checkpoints(tmp_path: Path) -> None:
    for name in ("a.pt", "b.pt", "c.pt"):
        (tmp_path / name).write_bytes(WHOLE)
        _old(tmp_path / name)
    watch, evaluated, _ = _watch(tmp_path, until=2)
    watch.run()
    assert evaluated == ["a.pt", "b.pt"]


def test_the_time_of_an_evaluation_is_not_time_without_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(WHOLE)
    _old(tmp_path / "a.pt")
    evaluated: list[str] = []

    def evaluate(spec: str) -> None:
        evaluated.append(spec.rpartition("/")[2])
        if len(evaluated) == 1:
            time.sleep(0.6)
            (tmp_path / "b.pt").write_bytes(WHOLE)

    options = WatchOptions(tmp_path, every=0.05, idle=0.4)
    Watch("goldiclip", options, evaluate, lambda spec, changed: False, Lines()).run()
    assert evaluated == ["a.pt", "b.pt"]


def test_one_look_ends_when_everything_is_settled(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(WHOLE)
    watch, evaluated, _ = _watch(tmp_path, once=True, idle=100.0)
    watch.run()
    assert evaluated == ["a.pt"]


def test_a_pattern_selects_and_options_stay_behind_the_place(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("epoch_1.pt", "optimizer.pt", "deep/epoch_2.pt"):
        (tmp_path / name).write_bytes(WHOLE)
        _old(tmp_path / name)
    assert {each.path.name for each in checkpoints_in(tmp_path, "epoch_*.pt")} == {"epoch_1.pt"}
    assert pattern_of("open_clip:ViT-B-16@epoch_*.pt", tmp_path) == "epoch_*.pt"
    assert pattern_of(f"open_clip:ViT-B-16@{tmp_path}/**/epoch_*.pt", tmp_path) == "**/epoch_*.pt"
    watch, _, _ = _watch(tmp_path, model="open_clip:ViT-B-16@**/epoch_*.pt::size=384", once=True)
    watch._evaluate = lambda spec: []
    watch.run()
    assert sorted(watch.done.evaluated) == [
        f"open_clip:ViT-B-16@{tmp_path}/deep/epoch_2.pt::size=384",
        f"open_clip:ViT-B-16@{tmp_path}/epoch_1.pt::size=384",
    ]


@pytest.mark.parametrize(
    ("model", "folder", "said"),
    [
        ("goldiclip", "nowhere", "no such folder"),
        ("./mine.py:load", ".", "Python file"),
        ("goldiclip@/elsewhere/*.pt", ".", "is not in it"),
        ("goldiclop", ".", "no model family 'goldiclop'.*Did you mean goldiclip"),
        ("open_clip:ViT-B-32@*.pt::siz=3", ".", "no option 'siz'.*Did you mean size"),
        ("open_clip:ViT-B-32::size=0", ".", "size=0 is not possible"),
    ],
)
def test_what_cannot_be_watched_is_refused(tmp_path: Path, model: str, folder: str, said: str) -> None:
    with pytest.raises(GoldievalError, match=said):
        _watch(tmp_path / folder, model=model)
