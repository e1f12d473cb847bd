"""Dense probes of classes: what they measure, where features come from, and that interrupted runs give the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dense_probe_cases import NAMES, Colours, Probe, Rectangles, dataset, numbers, pictures

from goldieval.core.errors import StoppedRunError, TaskError
from goldieval.core.meter import Meter, SilentMeter
from goldieval.data.masks import IGNORED
from goldieval.engine.reporter import Reporter
from goldieval.families import dense_probe_fit
from goldieval.families.dense_probe_fit import Training
from goldieval.families.dense_probe_heads import Choice, held_out
from goldieval.families.dense_probe_state import HeadState

TRAIN, TESTED = pictures(9), pictures(5, 100)
WINDOWS = 9  # of a picture
DATA = dataset(TRAIN, TESTED)


@pytest.fixture(scope="module")
def streamed() -> dict[str, object]:
    """The numbers of a run that keeps nothing."""
    return numbers(Probe(DATA).scored())


def test_a_head_learns_what_the_features_tell() -> None:
    found = Probe(DATA, params={"epochs": 12, "learning_rates": [0.1]}).scored()
    assert found.metrics["miou"].value > 0.9
    assert found.metrics["aacc"].value > 0.95
    assert list(found.classes) == NAMES
    assert all(score.iou is not None and score.iou > 0.8 for score in found.classes.values())
    assert found.pixels == {
        "all": sum(m.read().size for m in TESTED),
        "ignored": 2 * (36 + 40) + 32,
        "classes_present": 4,
    }


def test_the_record_says_how_the_heads_were_trained() -> None:
    found = Probe(DATA).scored()
    probe = found.probe
    assert probe is not None
    assert (probe.method, probe.train, probe.heldout, probe.heads) == ("dense-linear", 9, 2, 2)
    assert probe.learning_rates == [0.03, 0.3] and len(probe.heldout_scores) == 2
    assert probe.learning_rate == probe.learning_rates[int(np.argmax(probe.heldout_scores))]
    assert probe.heldout_metric == "mIoU"
    assert probe.steps == 3 * (9 * WINDOWS // 9)
    assert found.metrics["miou"].value == pytest.approx(np.mean(found.metrics["miou"].seed_scores))
    pixels = found.metrics["aacc"]
    assert pixels.seed_error is not None and pixels.sample_error is not None


def test_kept_features_give_the_numbers_of_those_that_are_computed_again(
    tmp_path: Path, streamed: dict[str, object]
) -> None:
    model = Colours()
    assert numbers(Probe(DATA, model, tmp_path).scored()) == streamed
    assert model.windows == (9 + 5) * WINDOWS
    again = Colours()
    for file in tmp_path.glob("parts/*"):
        file.unlink()
    Probe(DATA, again, tmp_path, params={"epochs": 1}).scored()  # other heads of the same features
    assert again.windows == 5 * WINDOWS


class Noting(Reporter):
    """Remembers the lines that a run shows."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, line: str) -> None:
        self.notes.append(line)


@pytest.mark.parametrize("pictures_that_fit", [0, 4])
def test_features_beyond_the_limit_are_computed_again_with_the_same_numbers(
    tmp_path: Path, streamed: dict[str, object], pictures_that_fit: int
) -> None:
    limit = pictures_that_fit * WINDOWS * 16 * 6 * 2 / 1e9  # patches of a window, features of a patch, bytes
    reporter = Noting()
    assert numbers(Probe(DATA, Colours(), tmp_path, limit_gb=limit, reporter=reporter).scored()) == streamed
    assert len(list(tmp_path.glob("arrays-*/*.safetensors"))) == pictures_that_fit
    assert [line[:22] for line in reporter.notes] == ["not all patch features"]


def test_damaged_and_foreign_features_are_computed_again(tmp_path: Path, streamed: dict[str, object]) -> None:
    Probe(DATA, Colours(), tmp_path).scored()
    first, second, *_ = sorted(tmp_path.glob("arrays-*/*.safetensors"))
    content = bytearray(first.read_bytes())
    content[-3] ^= 1
    first.write_bytes(content)
    second.write_bytes(sorted(tmp_path.glob("arrays-*/*.safetensors"))[2].read_bytes())
    for file in tmp_path.glob("parts/*"):
        file.unlink()
    assert numbers(Probe(DATA, Colours(), tmp_path).scored()) == streamed


def test_equal_pictures_are_encoded_once_and_those_of_both_splits_are_a_warning(tmp_path: Path) -> None:
    found = Probe(dataset([TRAIN[0]] * 6, [TESTED[0], TRAIN[0]]), Colours(), tmp_path).scored()
    assert found.warnings[0] == "1 test images are training images as well: i7"
    assert len(list(tmp_path.glob("arrays-*/*.safetensors"))) == 1


def test_features_of_another_model_are_not_used(tmp_path: Path) -> None:
    Probe(DATA, Colours(), tmp_path).scored()
    other = Colours(scale=0.5)
    Probe(DATA, other, tmp_path).scored()
    assert len(list(tmp_path.glob("arrays-*"))) == 2


class StopsAfter(Reporter):
    """Stops a run after so many steps of progress, as a signal would."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    @contextmanager
    def meter(self, what: str, total: int) -> Iterator[Meter]:
        reporter = self

        class Counting(SilentMeter):
            def advance(self, count: int) -> None:
                reporter.left -= count
                if reporter.left < 0:
                    raise StoppedRunError("stopped")

        yield Counting()


@pytest.mark.parametrize("steps", [18, 40, 100, 123])
def test_a_run_that_was_stopped_continues_and_gives_the_same_numbers(
    tmp_path: Path, streamed: dict[str, object], steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While features are made, rates are tried, heads are trained, and images are predicted."""
    monkeypatch.setattr(dense_probe_fit, "KEEP_S", 0.0)
    with pytest.raises(StoppedRunError):
        Probe(DATA, Colours(), tmp_path, reporter=StopsAfter(steps)).scored()
    assert numbers(Probe(DATA, Colours(), tmp_path).scored()) == streamed


def test_a_run_that_was_stopped_within_a_head_continues_after_its_last_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense_probe_fit, "KEEP_S", 0.0)
    with pytest.raises(StoppedRunError):
        Probe(DATA, Colours(), tmp_path, reporter=StopsAfter(118)).scored()  # in the last epoch of the last head
    steps: list[int] = []
    step = dense_probe_fit.Training._make_step

    def counted(self: Training, state: HeadState, *rest: Any) -> None:
        steps.append(state.steps)
        step(self, state, *rest)

    monkeypatch.setattr(dense_probe_fit.Training, "_make_step", counted)
    Probe(DATA, Colours(), tmp_path).scored()
    assert steps == list(range(18, 27))


def test_the_seeds_of_another_order_of_rates_are_the_same(streamed: dict[str, object]) -> None:
    assert numbers(Probe(DATA, params={"learning_rates": [0.03, 0.3]}).scored()) == streamed


def test_one_learning_rate_holds_nothing_out() -> None:
    found = Probe(DATA, params={"learning_rates": [0.3], "seeds": 1}).scored()
    assert found.probe is not None
    assert (found.probe.heldout, found.probe.heldout_scores, found.probe.learning_rate) == (0, [], 0.3)
    assert found.warnings == ["one seed: how much the choice of it matters is not known"]
    assert found.metrics["miou"].seed_scores == ()


def test_a_rate_at_the_end_of_the_list_is_a_warning() -> None:
    rates = [0.001, 0.01, 0.1]
    ends = [Choice(rate, rates, [0.1, 0.2, 0.3], 4).warnings for rate in rates]
    assert ends[1] == [] and Choice(0.1, [0.1], [], 0).warnings == []
    assert ends[0] == [
        "the chosen learning rate 0.001 is at the end of those tried: try smaller ones with --set learning_rates=[...]"
    ]
    assert "try larger ones" in ends[2][0]


def test_what_is_held_out_depends_on_ids_alone() -> None:
    ids = [f"picture {number}" for number in range(40)]
    held, rest = held_out(ids, 0.1)
    assert len(held) == 4 and sorted([*held, *rest]) == list(range(40))
    backwards, _ = held_out(ids[::-1], 0.1)
    assert {ids[row] for row in held} == {ids[::-1][row] for row in backwards}
    assert [len(part) for part in held_out(ids[:2], 0.01)] == [1, 1]
    assert [len(part) for part in held_out(ids[:2], 0.99)] == [1, 1]


def test_saved_pictures_show_the_first_test_images() -> None:
    found = Probe(DATA, draws=2).scored()
    assert list(found.pictures) == ["0009-i9.png", "0010-i10.png"]
    for png in found.pictures.values():
        assert png.startswith(b"\x89PNG")
    assert all(isinstance(png, bytes) and png for png in found.outcomes["predicted_map"])


def test_a_class_that_no_training_image_shows_is_a_warning() -> None:
    data = dataset(pictures(9, classes=(0, 1, 2)), TESTED)
    found = Probe(data, params={"learning_rates": [0.03], "seeds": 2}).scored()
    assert found.warnings == ["no training image shows 1 of the classes of the test images: yellow"]
    assert found.classes["yellow"].iou == 0.0


BROKEN = replace(TRAIN[3], broken=True)


def test_unreadable_pictures_of_both_splits_count_as_bad() -> None:
    data = dataset([*TRAIN[:3], BROKEN, *TRAIN[4:]], [*TESTED[:4], replace(TESTED[4], broken=True)])
    with pytest.raises(TaskError, match=r"^2 of 14 images cannot be read: i3 \(this picture is broken\), i13"):
        Probe(data, bad=1).scored()
    found = Probe(data, bad=2).scored()
    assert found.probe is not None and found.probe.train == 8
    assert found.outcomes["sample_id"].tolist() == ["i9", "i10", "i11", "i12"]
    fewer = dataset([*TRAIN[:3], *TRAIN[4:]], TESTED[:4])
    fewer.images = [replace(image, id=f"i{row + (row > 2)}") for row, image in enumerate(fewer.images)]
    assert numbers(Probe(fewer).scored())["metrics"] == numbers(found)["metrics"]


def test_a_picture_smaller_than_a_window_is_one_window() -> None:
    found = Probe(DATA, params={"crop": 64, "stride": 64, "batch": 3}).scored()
    assert found.probe is not None and found.probe.steps == 3 * 3


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), 1e6])
def test_features_that_are_not_finite_are_one_line(scale: float) -> None:
    expected = "exceed the range of float16" if scale == 1e6 else "are NaN or infinite"
    with pytest.raises(TaskError, match=f"^patch features {expected}"):
        Probe(DATA, Colours(scale)).scored()


def unlabelled(shown: list[Rectangles]) -> list[Rectangles]:
    return [replace(picture, classes=(IGNORED,)) for picture in shown]


def test_features_that_are_no_tensor_are_one_line() -> None:
    class Arrays(Colours):
        def dense(self, pixels: torch.Tensor, attention: str) -> Any:
            return super().dense(pixels, attention).numpy()

    with pytest.raises(TaskError, match=r"^patch features are ndarray, but must be a tensor of torch"):
        Probe(DATA, Arrays()).scored()


def test_faults_of_the_test_split_are_found_before_anything_is_encoded() -> None:
    with pytest.raises(TaskError, match=r"^no pixel of the test images has a label"):
        Probe(dataset(TRAIN, unlabelled(TESTED)), Colours(float("nan"))).scored()


def test_the_held_out_images_are_named_if_they_hold_all_that_can_be_learned() -> None:
    ids = [f"i{row}" for row in range(len(TRAIN))]
    held = set(held_out(ids, 0.25)[0].tolist())
    trained = [picture if row in held else unlabelled([picture])[0] for row, picture in enumerate(TRAIN)]
    with pytest.raises(TaskError, match=r"^without the 2 held-out training images, no pixel of the training images"):
        Probe(dataset(trained, TESTED)).scored()


def test_wrong_input_is_one_line() -> None:
    few = dataset(TRAIN[:1], TESTED)
    none, all_ = (replace(DATA, train=np.full(len(DATA.images), value)) for value in (False, True))
    wrong_size = dataset([replace(TRAIN[0], mask_size=(20, 20)), *TRAIN[1:]], TESTED)
    wrong_size.images[0] = replace(wrong_size.images[0], source=TRAIN[0])
    one = replace(DATA, class_names=["red"])
    cases = {
        r"needs two training images: one is held out": few,
        r"needs training images, but the data have none: name `train` in `source`": none,
        r"needs test images, but all of these are training images": all_,
        r"needs training images, but": replace(DATA, train=None),
        r"needs masks, but the data have none": replace(DATA, masks=None),
        r"^i0 is 32 x 32 pixels, its mask or depth map 20 x 20": wrong_size,
        r"needs two classes, but the data have one": one,
        r"every labelled pixel of the training images is 'red': there is nothing to learn": dataset(
            pictures(6, classes=(0,)), TESTED
        ),
    }
    for expected, data in cases.items():
        with pytest.raises(TaskError, match=expected):
            Probe(data).scored()


def test_a_model_without_tokens_is_refused_with_what_to_do() -> None:
    with pytest.raises(TaskError, match=r"no patch_features\(pixels\)\. Use --set features=projected"):
        Probe(DATA, params={"features": "tokens"}).scored()


def test_a_diverged_training_is_one_line() -> None:
    with pytest.raises(TaskError, match=r"^training with learning rate 1e\+30 diverged: leave it out"):
        Probe(DATA, params={"learning_rates": [1e30]}).scored()
