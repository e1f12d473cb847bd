"""Every family in every mode on a GPU, as far as the pretend device shows it: the CPU's numbers, and few pauses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

import pytest
import torch
from divided_cases import CASES, World, dataset
from pretend_device import Report, by_line, pretend_device
from pretend_report import Event
from thread_group import on_ranks
from torch.nn.attention import SDPBackend, sdpa_kernel

from goldieval.core.containment import contained
from goldieval.core.errors import TaskError
from goldieval.core.group import Alone
from goldieval.scoring import conditioned, cosine, windows

# Most waits of the host that one more picture may cause, with three pictures in a batch. Tokens are copied to the host
# after each batch, with the number of unsound ones; a map of classes after each picture; answers after each batch;
# ranks and scores of boxes after each batch of pictures or, of crops, of boxes, of which a picture has 2.5.
PER_PICTURE = {
    "conditioned": 2 / 3,
    "shortlist": 2 / 3,
    "dense": 1.0,
    "generate": 2 * 2 / 3,
    "respond": 0.0,
    "global": 0.0,
}
# Of a dense probe that keeps nothing: features of each of 4 windows, in 2 epochs of 4 heads and for a prediction.
PER_PICTURE |= {"dense-probe": 4 * 2 * 4 + 4 + 1}
PER_PICTURE |= {"roi": 2 / 3, "crop": 2.5 * 2 / 3}
each_case = pytest.mark.parametrize(("family", "mode"), CASES)


@contextmanager
def tiles_of_a_cpu() -> Iterator[None]:
    """The same small tiles everywhere: sums of other tiles are rounded differently."""
    sizes = {"IMAGES": 2, "TEXTS": 8, "DEVICE_IMAGES": 2, "DEVICE_TEXTS": 8}
    with ExitStack() as stack:
        stack.enter_context(mock.patch.multiple(conditioned, **sizes))
        stack.enter_context(mock.patch.multiple(cosine, TEXTS=8, IMAGES=4))
        stack.enter_context(mock.patch.multiple(windows, TILE=256, DEVICE_TILE=256))
        yield


def on_device(family: str, mode: str, images: int) -> tuple[object, Report]:
    with tiles_of_a_cpu(), pretend_device() as report:
        found = World(family, mode, dataset(images), device="cuda")(Alone())
    return found, report


def ours(events: Counter[Event]) -> Counter[Event]:
    """The events of goldieval's lines, without those of the model of these tests."""
    return Counter({event: count for event, count in events.items() if event.line.startswith("goldieval/")})


@each_case
def test_numbers_are_those_of_the_cpu(family: str, mode: str) -> None:
    found, report = on_device(family, mode, 20)
    with tiles_of_a_cpu(), sdpa_kernel(SDPBackend.MATH):
        assert found == on_ranks(1, World(family, mode, dataset(20)))[0]
    assert not ours(report.unordered), by_line(ours(report.unordered))
    if family != "probe":  # its solver needs float64, see scoring.logistic
        assert not ours(report.float64), by_line(ours(report.float64))


@pytest.mark.slow
@each_case
def test_the_host_waits_for_no_tile(family: str, mode: str) -> None:
    if family == "probe":
        pytest.skip("its solver runs on the host: it waits for each of its steps, which do not depend on the pictures")
    few, many = (ours(on_device(family, mode, images)[1].stalls) for images in (18, 36))
    more = sum(many.values()) - sum(few.values())
    allowed = PER_PICTURE[mode.partition(":")[0]] * 18
    assert more <= allowed, by_line(many - few)


@pytest.mark.parametrize("mode", ["conditioned", "shortlist:4"])
def test_pairs_and_tiles_attend_by_the_same_kernel(mode: str) -> None:
    """Else the score of a positive and that of its duplicate in a tile would be rounded differently, and not tie."""
    _, report = on_device("retrieval", mode, 20)
    assert {(call.dtype, call.kernels) for call in report.attention} == {(torch.float32, ("math",))}
    assert len({call.line for call in report.attention}) == 1


def test_the_device_holds_few_patches_whatever_their_number() -> None:
    peaks = []
    for images in (30, 90, 270):
        _, report = on_device("zeroshot", "conditioned", images)
        peaks.append(report.memory.peak)
    patches_of_a_batch = 3 * 9 * 64 * 4
    assert peaks[2] - peaks[1] < 3 * patches_of_a_batch, peaks


def test_out_of_memory_on_the_device_fails_with_advice_and_gives_the_memory_back() -> None:
    with tiles_of_a_cpu(), pretend_device(capacity=9_000_000) as report:
        with pytest.raises(TaskError, match=r"out of memory while scoring .*CUDA.*--batch-size"), contained("scoring"):
            hog = torch.zeros(1_000_000, device="cuda")
            World("retrieval", "conditioned", dataset(20), device="cuda")(Alone())
        del hog
        assert report.cache_emptied and report.memory.allocated < 1_000
