"""Models that answer prompts and have no embeddings: evaluated where answers are asked for, left out elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from rank_commands import Ranks
from tiny_llava import llava_folder

from goldieval import evaluate
from goldieval.core.errors import GoldievalError
from goldieval.engine.applicable import NO_EMBEDDINGS
from goldieval.engine.plan import Plan
from goldieval.engine.reporter import Reporter
from goldieval.models.adapter import ModelInfo
from goldieval.models.loading import load_model

OTHERS = ("shapes-retrieval", "shapes-zeroshot", "shapes-segmentation", "shapes-probe", "shapes-regions")


class Parrot:
    """Answers every prompt with its first word."""

    def describe(self) -> ModelInfo:
        return ModelInfo("parrot", "file", "f" * 64, "images", "texts")

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        return torch.zeros(3, image.height, image.width, dtype=torch.uint8)

    def prompt_lengths(self, prompts: list[str]) -> list[int]:
        return [len(prompt) for prompt in prompts]

    def respond(self, pictures: list[torch.Tensor], prompts: list[str], longest: int) -> list[str]:
        return [prompt.split()[0] for prompt in prompts]


class Plans(Reporter):
    """Keeps the plans."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []

    def plan(self, plan: Plan) -> None:
        self.plans.append(plan)


def test_a_model_of_the_caller_that_only_answers_is_evaluated() -> None:
    (record,) = evaluate(Parrot(), "shapes-vqa", out=None, limit=3, cache=False)
    assert record.status == "ok" and record.model.fingerprint == "f" * 64
    assert record.run.encoded == record.run.reused == {} and record.truncation is None


@pytest.mark.parametrize("task", OTHERS)
def test_a_task_with_embeddings_fails_in_one_line_if_it_was_named(task: str) -> None:
    (record,) = evaluate(Parrot(), task, out=None, cache=False)
    assert record.status == "failed" and record.reason == NO_EMBEDDINGS


def test_a_suite_leaves_out_what_does_not_apply(tmp_path: Path) -> None:
    reporter = Plans()
    records = list(evaluate(Parrot(), "shapes", out=None, cache=False, dry_run=True, reporter=reporter))
    (plan,) = reporter.plans
    assert not records and [task.task.name for task in plan.tasks] == ["shapes-vqa"]
    assert set(OTHERS) <= {skipped.task.name for skipped in plan.skipped}
    assert {skipped.reason for skipped in plan.skipped} == {f"not applicable: {NO_EMBEDDINGS.rstrip('.')}"}
    assert plan.images is None and plan.texts is None


def test_nobody_is_asked_to_download_what_the_model_cannot_use(tmp_path: Path) -> None:
    reporter = Plans()
    suites = "quick,dense,paper-superclip-llava"
    list(evaluate(Parrot(), suites, out=None, dry_run=True, reporter=reporter, data_dir=tmp_path))
    (plan,) = reporter.plans
    useful = {left.task.card.family for left in plan.skipped if left.how_to_get}
    assert useful == {"vqa"} and not plan.tasks
    others = {left.reason for left in plan.skipped if left.task.card.family != "vqa"}
    assert others == {f"not applicable: {NO_EMBEDDINGS.rstrip('.')}"}


def test_conditioned_scoring_is_refused() -> None:
    with pytest.raises(GoldievalError, match="no text-conditioned pooling"):
        evaluate(Parrot(), "shapes-vqa,shapes-retrieval", out=None, cache=False, scoring="conditioned")


def test_a_file_with_a_model_that_lacks_a_member_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "class Half:\n    def respond(self, pictures, prompts, longest): ...\n    def describe(self): ...\n"
        "def load(spec, options): return Half()\n"
    )
    with pytest.raises(GoldievalError, match="Half is not an adapter, it lacks preprocess, prompt_lengths"):
        load_model(f"{tmp_path}/mine.py:load")


def test_a_second_run_plans_without_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldieval.core.reads.RACY_NS", 0)
    spec = f"vlm:{llava_folder(tmp_path / 'llava')}"
    (first,) = evaluate(spec, "shapes-vqa", out=None, limit=2)
    with monkeypatch.context() as patched:
        patched.setattr("model_adapters.vlm.from_folder", lambda *_: pytest.fail("the weights were read"))
        evaluate(spec, "shapes-vqa", out=None, limit=2, dry_run=True)
    (again,) = evaluate(spec, "shapes-vqa", out=None, limit=2)
    assert again.metrics == first.metrics and again.key == first.key


@pytest.mark.slow
def test_two_processes_give_the_answers_of_one(tmp_path: Path) -> None:
    folder, outcomes = llava_folder(tmp_path / "llava"), []
    for size in (1, 2):
        arguments = ["run", "--model", f"vlm:{folder}", "--tasks", "shapes-vqa", "--limit", "20", "--batch-size", "8"]
        out = tmp_path / str(size)
        store = {"GOLDIEVAL_STORE": str(tmp_path / f"store-{size}")}
        ranks = Ranks(size, [*arguments, "--out", str(out)], tmp_path / f"text-{size}", store).end()
        assert all(rank.code == 0 for rank in ranks), ranks[0].output
        (file,) = out.rglob("*.parquet")
        outcomes.append(file.read_bytes())
    assert outcomes[0] == outcomes[1]
