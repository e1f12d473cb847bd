"""Training on streams: who reads what, how a run goes on, faults, and that no secret and no foreign command gets in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from accelerate.state import AcceleratorState
from batch_contents import caption_ids
from helpers import goldieval, one_line
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shard_server import ShardServer, shard_server
from tiny_trainings import steps_of
from training_samples import recipe, recipe_showing, shards, tokenizer

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.checkpoint import load_weights
from goldieval.goldiclip.data.bad_samples import BadSamples, TooManyBadError
from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.data.corpus import Bad, BadSampleError
from goldieval.goldiclip.data.loader import BatchLoader
from goldieval.goldiclip.data.stream import reading_ahead, shuffling
from goldieval.goldiclip.data.stream import shards as shards_module
from goldieval.goldiclip.data.stream.batches import StreamBatches
from goldieval.goldiclip.data.stream.shards import StreamedShards
from goldieval.goldiclip.data.stream.shuffling import shuffled
from goldieval.goldiclip.data.stream.tar_stream import EncodedSample
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.recipe_files import load_recipe
from goldieval.goldiclip.trainer import Trainer

SHARDS, IN_EACH = 6, 8


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    AcceleratorState._reset_state(reset_partial_state=True)
    monkeypatch.setattr(reading_ahead, "pause", lambda seconds: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shards(tmp_path_factory.mktemp("shards"), [IN_EACH] * SHARDS)


@pytest.fixture
def server(folder: Path) -> Iterator[ShardServer]:
    with shard_server({f"/{file.name}": file.read_bytes() for file in folder.glob("*.tar")}) as serving:
        yield serving


def made(path: str, rank: int = 0, world: int = 1, size: int = 4, most: int = 100, buffer: int = 8) -> StreamBatches:
    corpus = StreamedShards(path, SHARDS * IN_EACH, tokenizer(), (), buffer)
    return StreamBatches(corpus, tokenizer(), recipe_showing(size, captions=1), rank, world, most)


def numbers(batch: Batch) -> list[int]:
    """Return the numbers of the samples of a batch, which their captions tell."""
    texts = [tokenizer().decode(caption) for own in caption_ids(batch) for caption in own]
    return [int("".join(filter(str.isdigit, text))) for text in texts]


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every caption say the number of its sample."""
    said = {"captions": ["x"]}
    monkeypatch.setattr("training_samples.row", lambda number, asked=True: {**said, "captions": [f"thing {number}"]})


@pytest.fixture
def numbered(tmp_path: Path, plain: None) -> str:
    return f"file://{shards(tmp_path / 'numbered', [IN_EACH] * SHARDS)}/{{00000..{SHARDS - 1:05d}}}.tar"


# Who reads what


@pytest.mark.parametrize(("world", "workers"), [(1, 1), (2, 1), (1, 3), (2, 3)])
def test_an_epoch_shows_every_sample_once(world: int, workers: int, numbered: str) -> None:
    """Here shards are equal and readers divide them evenly; every process has as many batches as any other."""
    seen: list[int] = []
    steps = SHARDS * IN_EACH // (4 * world)
    for rank in range(world):
        for worker in range(workers):
            own = list(made(numbered, rank, world, 4 * world, buffer=1).from_step(0, worker, workers, steps))
            assert len(own) == len(range(worker, steps, workers)) and all(len(batch) == 4 for batch in own)
            seen += [number for batch in own for number in numbers(batch)]
    assert sorted(seen) == list(range(SHARDS * IN_EACH))


def test_the_order_is_that_of_the_seed_and_shuffled_within_shards_and_between(numbered: str) -> None:
    steps = SHARDS * IN_EACH // 4
    first, again = (
        [number for batch in made(numbered).from_step(0, 0, 1, 2 * steps) for number in numbers(batch)]
        for _ in range(2)
    )
    assert first == again and first[: 4 * steps] != sorted(first[: 4 * steps])
    assert first[: 4 * steps] != first[4 * steps :] and len({number // IN_EACH for number in first[:IN_EACH]}) > 1


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 12), st.integers(1, 6), st.integers(0, 60))
def test_shards_are_dealt_out_once_in_every_epoch(count: int, readers: int, place: int) -> None:
    """Whatever the number of readers and the place to begin at."""
    corpus = StreamedShards("::".join(f"memory://x/{n}.tar" for n in range(count)), 10, tokenizer(), (), 1)
    read: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards_module, "samples_in", lambda address: iter([BadSampleError(address, "no picture")]))
        for reader in range(readers):
            found = islice(corpus.read(place, reader, readers, 3), 2 * count)
            read += [bad.where for bad in found if isinstance(bad, Bad)]
    dealt = [corpus._address(number, 3) for number in range(place + 2 * count * readers)]
    assert sorted(read) == sorted(dealt[place:])
    epochs = [dealt[first : first + count] for first in range(0, len(dealt) - count, count)]
    assert all(sorted(epoch) == sorted(corpus.addresses) for epoch in epochs)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(1, 50), st.integers(1, 30), st.integers(0, 100))
def test_the_buffer_loses_nothing_and_is_bounded(count: int, most: int, seed: int) -> None:
    samples = [EncodedSample(str(number), b"", b"") for number in range(count)]
    taken = 0

    def counted() -> Iterator[EncodedSample]:
        nonlocal taken
        for sample in samples:
            taken += 1
            yield sample

    found = []
    for sample in shuffled(counted(), most, Random(seed)):
        found.append(sample)
        assert taken - len(found) < most
    assert sorted(int(sample.where) for sample in found if isinstance(sample, EncodedSample)) == list(range(count))


def test_large_samples_shrink_the_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shuffling, "BUFFER_BYTES", 1_000)
    taken: list[int] = []
    samples = (taken.append(number) or EncodedSample(str(number), bytes(400), b"") for number in range(20))
    for number, _ in enumerate(shuffled(samples, 10**6, Random(0)), start=1):
        assert len(taken) - number <= 3


# How a run goes on


@pytest.mark.parametrize("step", [0, 4, 6, 13])
def test_a_run_that_goes_on_begins_at_the_shard_that_it_was_in(step: int, numbered: str) -> None:
    """With equal shards and one reader: the rest of the epoch, and what was read of the cut shard once more."""
    steps = SHARDS * IN_EACH // 4
    rest = steps - step % steps
    whole = [numbers(batch) for batch in made(numbered, buffer=1).from_step(0, 0, 1, 3 * steps)]
    resumed = [numbers(batch) for batch in made(numbered, buffer=1).from_step(step, 0, 1, step + rest)]
    before = {number for batch in whole[step // steps * steps : step] for number in batch}
    again = {number for batch in resumed for number in batch}
    twice, left_out = before & again, set(range(SHARDS * IN_EACH)) - before - again
    assert len(twice) <= IN_EACH and len(left_out) <= IN_EACH
    if step % 2 == 0:  # at a shard's border: exactly the rest
        assert resumed == whole[step : step + rest]


def test_a_run_that_goes_on_with_other_workers_repeats_and_leaves_out_a_shard_of_each_at_most(numbered: str) -> None:
    def seen(first: int, last: int, workers: int) -> list[int]:
        parts = [made(numbered, buffer=4).from_step(first, worker, workers, last) for worker in range(workers)]
        return [number for part in parts for batch in part for number in numbers(batch)]

    steps = SHARDS * IN_EACH // 4
    for cut in (3, 5, 8):
        counts = Counter(seen(0, cut, 2) + seen(cut, steps, 3))
        twice = sum(count - 1 for count in counts.values())
        assert twice <= 3 * (IN_EACH + 4) and SHARDS * IN_EACH - len(counts) <= 3 * (IN_EACH + 4)


# Faults


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_shard_is_skipped_counted_and_named(workers: int, server: ShardServer) -> None:
    server.faults["/00002.tar"] = [404] * 50
    server.files["/00004.tar"] = server.files["/00004.tar"][:5_000]
    notes: list[str] = []
    batches = made(f"{server.url}/{{00000..00005}}.tar?key=5ecret")
    loader = BatchLoader(batches, 30, workers, BadSamples(2, notes.append))
    found = [loader.batch(step) for step in range(30)]
    assert all(len(batch) == 4 for batch in found) and loader.bad.samples == 2
    assert any(note.startswith(f"bad shard: {server.url}/00002.tar?***: unreadable shard: HTTP 404") for note in notes)
    assert any("/00004.tar" in note and "unexpected end of data" in note for note in notes)
    assert "5ecret" not in "".join(notes)
    strict = BatchLoader(batches, 30, workers, BadSamples(0))
    with pytest.raises(GoldievalError, match="more than --max-bad-samples 0"):
        for step in range(30):
            strict.batch(step)


def test_shards_without_a_sample_end_the_run(server: ShardServer, tmp_path: Path) -> None:
    with pytest.raises(TooManyBadError):
        next(made(f"{server.url}/none/{{00000..00005}}.tar").from_step(0, 0, 1, 9))
    shards(tmp_path, [0, 0])
    with pytest.raises(TooManyBadError):
        next(made(f"file://{tmp_path}/{{00000..00001}}.tar").from_step(0, 0, 1, 9))
    with pytest.raises(GoldievalError, match="6 shards cannot be shared among 8 processes"):
        made(f"{server.url}/{{00000..00005}}.tar", world=8, size=8)


# Training


def streaming(path: str, **changes: Any) -> Recipe:
    data = {"samples": SHARDS * IN_EACH, "shuffle": 8, **changes.pop("data", {})}
    return recipe(path, "shards", data=data, **changes)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_training_runs_and_goes_on(workers: int, server: ShardServer, tmp_path: Path) -> None:
    address = f"{server.url.replace('//', '//me:pa55word@')}/{{00000..00005}}.tar?sig=5ecret"
    chosen = streaming(address, data={"workers": workers})
    running = Trainer(chosen, tmp_path / "run")
    for report in steps_of(running):
        if report.step == 3:
            break
    running.save()
    again = Trainer(chosen, tmp_path / "run", resume="newest")
    assert again.step == 3
    end = again.run()
    about = load_weights(end)[1]
    assert (about.unique_images, about.images_seen) == (48, 24) and about.trained_on == (
        "48 images of {00000..00005}.tar?***",
    )
    content = b"".join(file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file())
    assert b"pa55word" not in content and b"5ecret" not in content and b"***@127.0.0.1" in content
    assert "pa55word" not in repr(chosen) + str(chosen.model_dump()) + chosen.model_dump_json()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data.path": "https://host/a.tar"}, ""),
        ({"data.path": "a.tar", "data.samples": 5}, "samples needs source shards and a path with addresses"),
    ],
)
def test_samples_are_for_streams(changes: dict[str, Any], says: str) -> None:
    changes = {"data.source": "shards", **changes}
    if not says:
        assert load_recipe("flair-b16", changes).data.is_stream
        return
    with pytest.raises(GoldievalError, match=says) as failure:
        load_recipe("flair-b16", changes)
    one_line(str(failure.value))


# Commands


def test_a_recipe_runs_no_command_unless_it_is_allowed(tmp_path: Path, folder: Path) -> None:
    marker = tmp_path / "ran"
    path = f"pipe:touch {marker}; cat {folder}/{{00000..00005}}.tar"
    content = streaming(path, optimiser={"steps": 1, "batch_size": 4}).model_dump(mode="json", exclude_defaults=True)
    content["data"]["path"] = path
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    refused = goldieval("train", tmp_path / "mine.yaml", "--out", tmp_path / "a")
    assert refused.code != 0 and "pipe:touch ***" in one_line(refused.err) and "--allow-commands" in refused.err
    assert goldieval("train", tmp_path / "mine.yaml", "--dry-run").code != 0 and not marker.exists()
    assert goldieval("train", tmp_path / "mine.yaml", "--out", tmp_path / "b", "--allow-commands").code == 0
    assert marker.exists()
    content["data"]["path"] = str(folder)
    del content["data"]["samples"]
    (tmp_path / "files.yaml").write_text(yaml.safe_dump(content))
    typed = ["--set", f"data.path=pipe:cat {folder}/00000.tar", "--set", "data.samples=8"]
    assert goldieval("train", tmp_path / "files.yaml", "--out", tmp_path / "c", *typed).code == 0
