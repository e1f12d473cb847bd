"""Every family gives the same bits for any number of ranks and threads."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from divided_cases import CASES, World, dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from thread_group import ThreadGroup, on_ranks

from goldieval.core.errors import TaskError

IMAGES = 20  # batches of 3: six full ones and a tail of 2
each_case = pytest.mark.parametrize(("family", "mode"), CASES)


@cache
def alone(family: str, mode: str) -> object:
    return on_ranks(1, World(family, mode, dataset(IMAGES)))[0]


@each_case
@pytest.mark.parametrize("size", [2, 3, 4, 9])
def test_results_are_the_same_for_any_number_of_ranks(family: str, mode: str, size: int) -> None:
    """Nine ranks for seven batches: two have no work."""
    first, *others = on_ranks(size, World(family, mode, dataset(IMAGES)))
    assert first == alone(family, mode) and not any(others)


@each_case
@pytest.mark.parametrize("threads", [2, 3])
def test_results_are_the_same_for_any_number_of_threads(family: str, mode: str, threads: int) -> None:
    """On one rank: torch has one number of threads in a process, and a rank that is done would set it for another."""
    assert on_ranks(1, World(family, mode, dataset(IMAGES), threads=threads))[0] == alone(family, mode)


@pytest.mark.parametrize(("family", "mode"), [case for case in CASES if case[1] != "global" and case[0] != "probe"])
def test_a_model_that_only_one_thread_may_use_divides_its_work_as_well(family: str, mode: str) -> None:
    data = dataset(IMAGES)
    one, three = (on_ranks(size, World(family, mode, data, concurrent=False))[0] for size in (1, 3))
    assert one == three == alone(family, mode)


@each_case
def test_a_picture_that_fails_on_one_rank_is_left_out_on_all(family: str, mode: str) -> None:
    """One in the middle of a batch, a whole batch, and the tail."""
    broken = [5, 9, 10, 11, 19]
    one, two, five = (on_ranks(size, World(family, mode, dataset(IMAGES, broken), bad=5))[0] for size in (1, 2, 5))
    assert one == two == five
    assert one is not None
    ids = {*one["outcomes"]["cluster_id"][1], *one["outcomes"]["sample_id"][1]}
    assert "i3" in ids or family in ("probe", "dense-probe", "association")  # whose outcomes name no such picture
    assert not ids & {f"i{row}" for row in broken}


@each_case
@pytest.mark.parametrize("size", [1, 3])
def test_too_many_unreadable_pictures_are_the_same_line_for_any_number_of_ranks(
    family: str, mode: str, size: int
) -> None:
    with pytest.raises(TaskError) as found:
        on_ranks(size, World(family, mode, dataset(IMAGES, [4, 17]), bad=1))
    assert str(found.value).startswith("2 of 20 images cannot be read: i4 (")
    with pytest.raises(TaskError, match="none of the 20 images can be read"):
        on_ranks(size, World(family, mode, dataset(IMAGES, range(IMAGES)), bad=IMAGES))


@pytest.mark.parametrize("mode", ["conditioned", "shortlist:6", "global"])
def test_equal_pictures_in_different_blocks_tie(mode: str) -> None:
    """The second half repeats the first one: copies lie in other blocks, and on other ranks."""
    data = dataset(IMAGES, seeds=[*range(10), *range(10)])
    one, three = (on_ranks(size, World("retrieval", mode, data))[0] for size in (1, 3))
    assert one == three
    assert one is not None and one["ties"]["queries"] > 20


SOME = [("retrieval", "conditioned"), ("retrieval", "shortlist:2"), ("vqa", "generate"), ("choice", "conditioned")]


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 5), st.sets(st.integers(0, 11)), st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_any_sizes_and_any_failures(images: int, batch: int, size: int, broken: set[int], case: int) -> None:
    family, mode = [
        ("retrieval", "conditioned"),
        ("retrieval", "shortlist:2"),
        ("vqa", "generate"),
        ("choice", "conditioned"),
    ][case]
    images += 1  # a single caption has nothing to be compared with
    broken = {row for row in broken if row < images - 1}
    data = dataset(images, sorted(broken))

    def result(ranks: int) -> object:
        try:
            return on_ranks(ranks, World(family, mode, data, batch=batch, bad=images))[0]
        except TaskError as error:
            return str(error)

    assert result(size) == result(1)


def test_every_rank_makes_the_same_calls() -> None:
    """Also a rank without work; otherwise the others would wait for it forever."""
    for family, mode in CASES:
        world, calls = World(family, mode, dataset(14)), []

        def program(group: ThreadGroup, world: World = world, calls: list[list[str]] = calls) -> None:
            world(group)
            calls.append(group.calls)

        on_ranks(6, program)
        assert len({tuple(each) for each in calls}) == 1 or not any(calls[1:])


def test_a_model_that_fails_on_one_rank_fails_the_task_with_its_own_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from divided_cases import Everything

    def patch_tokens(self: Everything, pixels: torch.Tensor) -> torch.Tensor:
        return torch.full((len(pixels), 9, 64), float("nan") if len(pixels) == 2 else 1.0)  # the tail

    monkeypatch.setattr(Everything, "patch_tokens", patch_tokens)
    for size in (1, 3):
        with pytest.raises(TaskError, match=r"^2 of 20 patch embeddings hold NaN or infinite values\."):
            on_ranks(size, World("retrieval", "conditioned", dataset(IMAGES)))
