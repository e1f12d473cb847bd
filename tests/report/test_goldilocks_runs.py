"""Programs that can be cut, the start's shape words, and one run of the study ``goldilocks`` from training to file."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from threading import Timer
from types import SimpleNamespace
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import goldilocks
import goldilocks_evaluation
from goldilocks_cases import START, bench_run
from goldilocks_study import runs, start
from goldilocks_study.folders import Folders, read_own
from goldilocks_study.plan import load_plan
from goldilocks_study.runs import Runner
from metered import CutError, FailedError, Stop, metered
from trainings import Planned

from goldieval import load_task
from goldieval.core.errors import GoldievalError
from goldieval.core.locks import lock_file
from goldieval.data.shapes import sample_scene
from goldieval.data.shapes.world import SHAPES
from goldieval.engine.averages import results_of
from goldieval.goldiclip.tokenizer import Tokenizer
from goldieval.tasks.card import load_card

COMPUTE = """
import time
end = time.process_time() + 0.5
while time.process_time() < end: pass
print("computed")
"""
SAVE_WHEN_ASKED = """
import signal, sys, time
from pathlib import Path
def save(*_):
    Path("saved").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
Path("ready").touch()
time.sleep(60)
"""


def test_processor_seconds_are_counted_and_output_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "new" / "output.txt"
    seconds = metered(["-c", COMPUTE], tmp_path, log, 1, Stop())
    assert 0.5 < seconds < 5 and "computed" in log.read_text()


def test_a_program_that_fails_is_named_with_the_end_of_its_output(tmp_path: Path) -> None:
    with pytest.raises(FailedError, match=r"exit code 3(.|\n)*out of luck"):
        metered(["-c", "import sys; print('out of luck'); sys.exit(3)"], tmp_path, tmp_path / "o.txt", 1, Stop())


def test_on_request_a_program_saves_its_work(tmp_path: Path) -> None:
    stop = Stop()
    while_running = Timer(0.1, lambda: _when(tmp_path / "ready", stop.request))
    while_running.start()
    with pytest.raises(CutError):
        metered(["-c", SAVE_WHEN_ASKED], tmp_path, tmp_path / "o.txt", 1, stop)
    while_running.join()
    assert (tmp_path / "saved").is_file()
    with pytest.raises(CutError):  # and no other begins
        metered(["-c", "raise SystemExit(1)"], tmp_path, tmp_path / "o.txt", 1, stop)


def _when(file: Path, act: Any) -> None:
    while not file.exists():
        time.sleep(0.05)
    act()


def test_time_limits_are_requests_to_stop() -> None:
    assert Stop(hours=0).requested and not Stop(hours=1).requested and not Stop().requested


def test_the_highest_shape_word_is_right_where_the_shape_is_in_the_picture() -> None:
    """A model that sees a star everywhere is right where there is one."""
    config = SimpleNamespace(image_size=16, merges=100, context_length=77)
    star = Tokenizer(100, 77).ids("star")

    def head(patches: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(len(patches), 1000)
        logits[:, star] = 1.0
        return logits

    def features(pixels: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(raw=torch.zeros(len(pixels), 4, 8))

    model: Any = SimpleNamespace(config=config, image_features=features, token_head=head)
    found = start.shape_words(model, 120)
    scenes = [sample_scene("validation", number) for number in range(120)]
    assert found["right"] == sum("star" in {obj.shape for obj in scene.objects} for scene in scenes) / 120
    assert found["large"] == pytest.approx(1 / len(SHAPES), abs=0.03)
    assert 0.125 < found["chance"] < 0.5


def test_cards_of_the_validation_split_differ_from_the_shipped_ones_in_their_scenes_alone(tmp_path: Path) -> None:
    tasks = load_plan().validation.tasks
    paths = goldilocks_evaluation.validation_cards(tasks, 300, tmp_path / "cards")
    for task, path in zip(tasks, paths, strict=True):
        card, shipped = load_card(Path(path)).card, load_task(task).card
        assert card.name == f"{task}-validation" and card.protocol.startswith("300 validation scenes, ")
        assert card.params == shipped.params and card.headline == shipped.headline
        assert card.source == shipped.source.model_copy(update={"split": "validation", "scenes": 300})


def test_tasks_are_evaluated_in_pools_of_the_same_size_on_either_split(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[tuple[list[str], dict[str, Any]]] = []

    def note(models: list[str], tasks: list[str], *, overrides: dict[str, Any], **_: Any) -> Any:
        calls.append((tasks, dict(overrides)))
        return results_of([])

    monkeypatch.setattr(goldilocks_evaluation, "evaluate", note)
    pools = {"shapes-question": 50, "shapes-retrieval": 250, "shapes-finegrained": 50}
    names = ["shapes-zeroshot", *pools]
    for tasks, scenes in (
        (names, 1000),
        (goldilocks_evaluation.validation_cards(names, 500, tmp_path / "cards"), 500),
    ):
        calls.clear()
        goldilocks_evaluation._evaluate([Path("step")], tasks, tmp_path, "global", pools)
        assert calls == [
            (tasks[:1], {}),
            ([tasks[1], tasks[3]], {"folds": scenes // 50}),
            ([tasks[2]], {"folds": scenes // 250}),
        ]


def test_the_plan_has_pools_of_equal_size_of_tasks_that_are_evaluated() -> None:
    plan = load_plan()
    assert set(plan.pools) <= set(plan.validation.tasks) <= set(plan.at_the_end.tasks)
    for task, pool in plan.pools.items():
        shipped = load_task(task).card.source.model_dump()["scenes"]
        own = [shipped, plan.validation.on_the_way, plan.validation.at_the_end]
        assert [scenes % pool for scenes in own] == [0, 0, 0] and min(own) > pool


def test_runs_with_a_file_are_skipped_and_others_are_done_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runner, plan, done = Runner(Folders(tmp_path), START, 1, Stop()), load_plan(), []
    runner.folders.results.mkdir(parents=True)
    bench_run(runner.folders.results, "images", "b", 0, {"zero-shot": 40})
    about = {"group": "images"}
    planned = [
        Planned(f"images-b-seed{seed}", "goldilocks/b_clip", {"seed": seed}, about) for seed in range(3)
    ]  # fmt: skip

    def run(self: Runner, run: Planned, test: bool) -> None:
        done.append((run.name, test))
        if run.name == "images-b-seed2":
            raise FailedError("the loss is nan")

    monkeypatch.setattr(Runner, "run", run)
    assert goldilocks._train(plan, runner, planned, jobs=1) == 1
    assert done == [("images-b-seed1", True), ("images-b-seed2", True)]
    out = capsys.readouterr().out
    assert "1 runs are done, 2 are to do" in out and "images-b-seed2: the loss is nan" in out
    other = [Planned("images-b-seed0", "goldilocks/b_clip", {"seed": 0, "data.captions": 3}, about)]
    with pytest.raises(SystemExit, match=r"captions 2, not 3\nRemove these files"):
        goldilocks._train(plan, runner, other, jobs=1)


def test_a_run_that_another_process_does_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner, planned = Runner(Folders(tmp_path), START, 1, Stop()), Planned("images-b-seed0", "goldilocks/b_clip", {})
    done: list[str] = []
    monkeypatch.setattr(Runner, "_whole_run", lambda self, planned, run, test: done.append(planned.name))
    lock = tmp_path / "runs/goldilocks/images-b-seed0" / runs.LOCK
    lock.parent.mkdir(parents=True)
    with lock_file(lock), pytest.raises(FailedError, match="another process does this run"):
        runner.run(planned, test=True)
    assert done == []
    runner.run(planned, test=True)
    bench_run(tmp_path, "images", "b", 0, {"zero-shot": 40}).rename(tmp_path / "file")
    runner.folders.results.mkdir(parents=True)
    (tmp_path / "file").rename(runner.file(planned))
    runner.run(planned, test=True)  # written meanwhile
    assert done == ["images-b-seed0"]


@pytest.mark.parametrize("content", ["", "[]", "{}", "{"])
def test_a_damaged_file_of_the_study_is_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "start.json"
    file.write_text(content)
    with pytest.raises(GoldievalError, match=f"{file}.*Bring it back, or remove it") as error:
        read_own(file, "fingerprint")
    assert "\n" not in str(error.value)
