"""The model that ships: what its file says, what every screen says of it, and that its card tells the truth."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from helpers import goldieval

from goldieval.goldiclip.checkpoint import load_weights
from goldieval.goldiclip.recipe_files import load_recipe
from goldieval.goldiclip.shipped import MAX_BYTES, WEIGHTS, shipped_weights
from goldieval.models.torch_adapter import module_fingerprint
from goldieval.records.schema import Record

NOTICE = "tiny reconstruction; not the paper's ViT-B/16, whose weights are not public"
CARD = WEIGHTS.parent / "README.md"

PROCESSORS = 2e-5  # more than scores differ by between instruction sets (AVX2, AVX-512) and numbers of threads
ONE_MORE = {  # points: an answer, an image, pixels, neighbours, boxes; pictures of another JPEG encoder
    **{"shapes-vqa": 0.1, "shapes-probe": 0.12, "shapes-segmentation": 0.05, "shapes-knn": 0.12},
    **{
        "shapes-fewshot": 0.12,
        "shapes-regions": 0.13,
        "shapes-image-to-image": 0.05,
        "shapes-corrupted": 0.3,
        "shapes-typographic": 0.2,
        "shapes-dense-probe": 0.3,  # a training takes roundings further
    },
}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """All Shapes tasks whole, as ``goldieval run --model goldiclip --tasks shapes`` gives them.

    Scores within ``PROCESSORS`` count as ties, so that ``ties.gap`` says what another processor may move a number by.
    """
    out = tmp_path_factory.mktemp("shipped")
    with pytest.MonkeyPatch.context() as patch:
        for module in ("metrics.ranks", "metrics.accuracy", "scoring.shortlist"):
            patch.setattr(f"goldieval.{module}.TIE", PROCESSORS)
        ran = goldieval("run", "--model", "goldiclip", "--tasks", "shapes", "--out", out, "--json", "--no-cache")
    assert ran.code == 0, ran.err
    return {record["task"]["name"]: Record.model_validate(record) for record in json.loads(ran.out)}


def test_the_file_is_small_and_is_what_the_shipped_recipe_trains() -> None:
    model, about = load_weights(shipped_weights())
    recipe = load_recipe("goldiclip-tiny")
    assert WEIGHTS.stat().st_size <= MAX_BYTES
    assert about.config == recipe.model and about.recipe == recipe.name and about.home == "shapes"
    start = load_recipe("goldiclip-tiny-start")
    assert recipe.init == f"runs/{start.name}/step-{start.optimiser.steps:06d}"
    assert about.images_seen == sum(part.optimiser.steps * part.optimiser.batch_size for part in (start, recipe))
    assert about.unique_images == recipe.data.scenes and about.seed == recipe.seed and about.scoring == "conditioned"
    assert about.notice == NOTICE
    assert model.decoder is not None


def test_the_model_is_the_same_whenever_it_is_loaded() -> None:
    """What the file leaves out (heads of the training) must not come back with random values."""
    first, second = (module_fingerprint(load_weights(shipped_weights())[0]) for _ in range(2))
    assert first == second


def test_module_names_in_the_fingerprint_are_those_of_the_first_release() -> None:
    """A renamed class would give every record and stored embedding another identity."""
    model, _ = load_weights(shipped_weights())
    names = set(re.findall(r"(\w+)\(", repr(model)))
    ours = {"GoldiClip", "Sight", "TextConditionedPool", "TextTower", "ThroughEncoder", "VisionTower", "CrossAttention"}
    assert ours <= names and not any(name.startswith(("Image", "Text")) for name in names - ours)
    assert f"{type(model).__module__}.{type(model).__qualname__}" == "goldieval.goldiclip.model.GoldiClip"


def test_the_first_command_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing downloaded, no terminal: both suites resolve to drawn scenes; the screen says what the model is not."""
    monkeypatch.setenv("GOLDIEVAL_STORE", str(tmp_path / "store"))
    ran = goldieval(
        "run", "--model", "goldiclip", "--tasks", "retrieval,zeroshot", "--out", tmp_path / "out", "--offline"
    )
    assert ran.code == 0, ran.err
    assert f"GoldiCLIP-R (reconstruction): {NOTICE}" in " ".join(ran.out.split())
    assert "self-test on drawn scenes: says nothing about COCO" in ran.out
    assert "coco-karpathy" in ran.out and "shapes-retrieval" in ran.out and "shapes-zeroshot" in ran.out


@pytest.mark.slow
def test_every_number_on_the_card_is_what_the_model_scores(records: dict[str, Record]) -> None:
    """The card has one row per task: ``| task | metric | score | chance | way |``, rounded to 0.1 and 1 points."""
    rows = [line.strip("| \n").split("|") for line in CARD.read_text().splitlines() if line.startswith("| `shapes-")]
    said = {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in rows}
    assert set(said) == set(records)
    for name, record in records.items():
        metric, moves = record.metrics[record.task.headline], 100 * record.ties.gap + ONE_MORE.get(name, 0.0)
        assert metric.chance is not None and moves < 0.6, name
        most = (metric.ceiling or 1.0) - metric.chance
        _, score, chance, share = said[name]
        assert float(score) == pytest.approx(100 * metric.value, abs=0.051 + moves), name
        assert float(chance) == pytest.approx(100 * metric.chance, abs=0.051), name
        assert float(share.rstrip(" %")) == pytest.approx(
            100 * (metric.value - metric.chance) / most, abs=0.51 + moves / most
        ), name


@pytest.mark.slow
def test_what_the_card_says_of_kinds_of_sentences(records: dict[str, Record], tmp_path: Path) -> None:
    """Of the pooled feature by kind, and of the global feature."""
    task = "shapes-finegrained"
    ran = goldieval(
        "run", "--model", "goldiclip", "--tasks", task, "--scoring", "global", "--out", tmp_path, "--json", "--no-cache"
    )
    assert ran.code == 0, ran.err
    of_global = Record.model_validate(json.loads(ran.out)[0])
    assert records[task].headline and of_global.headline
    text = " ".join(CARD.read_text().split())
    said = re.search(
        r"of ([0-9.]+) % about objects, of ([0-9.]+) % about relations and .* about objects and relations ([0-9.]+)\.",
        text,
    )
    assert said is not None
    measured = [records[task].metrics[f"t2i_r1_{kind}"].value for kind in ("object", "relation")]
    for number, value in zip(said.groups(), [*measured, of_global.headline.value], strict=True):
        assert float(number) == pytest.approx(100 * value, abs=0.051 + 100 * of_global.ties.gap)
    assert records[task].metrics["t2i_r1_background"].value == pytest.approx(1, abs=0.001)


@pytest.mark.slow
def test_records_of_the_model_say_how_it_was_trained(records: dict[str, Record]) -> None:
    recipe = load_recipe("goldiclip-tiny")
    for record in records.values():
        assert record.model.recipe == "goldiclip-tiny" and record.model.home == "shapes"
        assert record.model.unique_pairs == recipe.data.scenes and record.model.images_seen
