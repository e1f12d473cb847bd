"""Bad training data: one clear line each, counted by sample, bounded; a good sample takes the place of a bad one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
import yaml
from batch_contents import caption_ids
from helpers import goldieval, one_line
from training_samples import image_text_folder, jpeg, recipe, recipe_showing, row, shard, shards, tokenizer

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.data.bad_samples import BadSamples, TooManyBadError
from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.data.batches import Batches
from goldieval.goldiclip.data.corpus import BROKEN_SHARD, Bad, BadSampleError, Sample
from goldieval.goldiclip.data.jsonl import JsonLines
from goldieval.goldiclip.data.loader import BatchLoader
from goldieval.goldiclip.data.shards import Shards
from goldieval.goldiclip.trainer import Trainer


def failure_of(corpus: JsonLines | Shards, number: int) -> Bad:
    with pytest.raises(BadSampleError) as failure:
        corpus.sample(number)
    one_line(str(failure.value.bad))
    return failure.value.bad


@pytest.mark.parametrize(
    ("text", "kind", "what"),
    [
        ('{"image": "pictures/1.jpg", "captions": ["a"]', "broken JSON", "delimiter at character 4"),
        ('["a"]', "broken JSON", "not an object"),
        ("[" * 100_000, "broken JSON", "recursion"),
        ('{"image": "pictures/1.jpg"}', "no caption", "its fields are image"),
        ('{"image": "pictures/1.jpg", "captions": []}', "no caption", "captions"),
        ('{"image": "pictures/1.jpg", "caption": " . \\n"}', "no caption", "caption"),
        ('{"image": "pictures/1.jpg", "caption": 3}', "no caption", "caption"),
        ('{"image": "pictures/1.jpg", "caption": "nan"}', "no caption", "placeholder instead of a caption, 'nan' in"),
        ('{"image": "pictures/1.jpg", "caption": "[\'a\', \'b\']"}', "no caption", "a list written as text"),
        ('{"captions": ["a"]}', "no picture", "names no file"),
        ('{"image": 3, "captions": ["a"]}', "no picture", "names no file"),
        ('{"image": "pictures/none.jpg", "captions": ["a"]}', "no picture", "none.jpg"),
        ('{"image": "pictures", "captions": ["a"]}', "no picture", "pictures"),
        ('{"image": "a\\u0000b", "captions": ["a"]}', "no picture", "a"),
        ('{"image": "../outside.jpg", "captions": ["a"]}', "picture outside its folder", "outside.jpg"),
        ('{"image": "/etc/hostname", "captions": ["a"]}', "picture outside its folder", "hostname"),
        ('{"image": "train.jsonl", "captions": ["a"]}', "unreadable picture", "not an image format"),
    ],
)
def test_bad_rows(text: str, kind: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "outside.jpg").write_bytes(jpeg())
    file = image_text_folder(tmp_path / "data", 3, r1=text)
    bad = failure_of(JsonLines(file, tokenizer()), 1)
    assert (bad.where, bad.kind) == (f"{file}:2", kind) and what in bad.what
    assert JsonLines(file, tokenizer()).sample(2).bad == []


def test_an_answer_that_is_nan_is_none(tmp_path: Path) -> None:
    asked = '[{"question": "how many?", "answer": NaN}, {"question": "how many?", "answer": 2}]'
    file = image_text_folder(tmp_path, 2, r1=f'{{"image": "pictures/1.jpg", "caption": "a", "vqa": {asked}}}')
    sample = JsonLines(file, tokenizer()).sample(1)
    assert [bad.kind for bad in sample.bad] == ["empty answer"] and len(sample.questions) == 1


def test_rows_are_not_read_from_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train.jsonl")
    with pytest.raises(GoldievalError, match="not a regular file"):
        JsonLines(tmp_path / "train.jsonl", tokenizer())


def test_a_row_that_is_no_text_at_all(tmp_path: Path) -> None:
    file = image_text_folder(tmp_path, 2)
    file.write_bytes(b'\xff\xfe{"image"\n' + file.read_bytes())
    assert failure_of(JsonLines(file, tokenizer()), 0).kind == "broken JSON"
    corpus = JsonLines(file, tokenizer())
    file.unlink()
    assert failure_of(corpus, 0).kind == "unreadable row"


@pytest.mark.parametrize("keep", [0, 20, 400])
def test_truncated_pictures(keep: int, tmp_path: Path) -> None:
    file = image_text_folder(tmp_path, 2)
    (tmp_path / "pictures/0.jpg").write_bytes(jpeg(0)[:keep])
    assert failure_of(JsonLines(file, tokenizer()), 0).kind == "unreadable picture"


def test_bad_samples_of_a_shard(tmp_path: Path) -> None:
    samples = {
        "good": {"jpg": jpeg(), "json": row(0)},
        "alone": {"jpg": jpeg()},
        "a/blind": {"json": row(1)},
        "broken": {"jpg": jpeg(), "json": b"{"},
        "torn": {"jpg": jpeg()[:300], "json": row(2)},
        "silent": {"jpg": jpeg(), "json": {"url": "x"}},
    }
    file = shard(tmp_path / "0.tar", samples)
    corpus = Shards(str(tmp_path), tokenizer())
    assert len(corpus) == 6 and corpus.sample(0).bad == []
    found = [failure_of(corpus, number) for number in range(1, 6)]
    assert [bad.where for bad in found] == [
        f"{file}: sample {key}" for key in ("alone", "a/blind", "broken", "torn", "silent")
    ]
    assert [bad.kind for bad in found] == ["no JSON", "no picture", "broken JSON", "unreadable picture", "no caption"]
    file.write_bytes(file.read_bytes()[:1000])  # cut while it is trained on
    assert failure_of(corpus, 5).kind == "unreadable shard"


# Standing in


def batches(file: Path, size: int = 4, **options: int) -> Batches:
    return Batches(JsonLines(file, tokenizer()), tokenizer(), recipe_showing(size, captions=1), **options)


def seen(batch: Batch) -> list[bytes]:
    return [picture.numpy().tobytes() for picture in batch.images.whole()]


def test_a_good_sample_of_the_next_batch_stands_in(tmp_path: Path) -> None:
    """Never one of the same batch, where it would be its own negative; the others stay where they are."""
    good = batches(image_text_folder(tmp_path / "good", 12))
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0)).tolist()
    first, next_one = order[1], order[5]
    whole = seen(good.at(0))
    spoilt = batches(image_text_folder(tmp_path / "one", 12, **{f"r{first}": "{"}))
    batch = spoilt.at(0)
    expected = list(whole)
    corpus = spoilt.corpus
    assert [bad.kind for bad in batch.bad] == ["broken JSON"] and batch.bad[0].where.endswith(f":{first + 1}")
    assert [one == other for one, other in zip(seen(batch), expected, strict=True)] == [True, False, True, True]
    assert [caption for own in caption_ids(batch) for caption in own][1] in whole_captions(corpus.sample(next_one))
    twice = batches(image_text_folder(tmp_path / "two", 12, **{f"r{first}": "{", f"r{next_one}": "{"})).at(0)
    assert len(twice.bad) == 2 and len(set(seen(twice))) == 4
    last = batches(image_text_folder(tmp_path / "last", 12, **{f"r{order[11]}": "{"})).at(2)
    assert len(last.bad) == 1 and len(set(seen(last))) == 4  # from the beginning of the order


def whole_captions(sample: Sample) -> list[list[int]]:
    """Every caption that can be drawn of a sample with three sentences."""
    from itertools import permutations

    join, own = tokenizer().ids("."), list(sample.sentences)
    captions = []
    for count in range(1, len(own) + 1):
        for chosen in permutations(own, count):
            caption = list(chosen[0])
            for sentence in chosen[1:]:
                caption += [*join, *sentence]
            captions.append(caption)
    return captions


def test_stand_ins_do_not_depend_on_history_or_on_the_number_of_processes(tmp_path: Path) -> None:
    file = image_text_folder(tmp_path, 12, r0="{", r5="{", r7="{")
    stream = batches(file)
    passed = [seen(stream.at(step)) for step in range(7)]
    assert [seen(batches(file).at(step)) for step in (6, 2, 0)] == [passed[6], passed[2], passed[0]]
    shares = [seen(batches(file, rank=rank, world=2).at(5)) for rank in range(2)]
    assert shares[0] + shares[1] == passed[5]


def test_a_corpus_without_a_good_sample_ends(tmp_path: Path) -> None:
    file = image_text_folder(tmp_path, 4, **{f"r{number}": "{" for number in range(4)})
    with pytest.raises(TooManyBadError) as failure:
        batches(file).at(0)
    assert len({bad.where for bad in failure.value.bad}) == 4
    for most, says in ((100, "no sample of the training data can be used"), (2, "--max-bad-samples 2")):
        for workers in (0, 1):
            notes: list[str] = []
            loader = BatchLoader(batches(file, max_bad_samples=most), 5, workers, BadSamples(most, notes.append))
            with pytest.raises(GoldievalError) as stop:
                loader.batch(0)
            assert says in one_line(str(stop.value)) and len(notes) == min(most + 1, 4)


def test_a_batch_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    file = image_text_folder(tmp_path, 4)
    with pytest.raises(GoldievalError, match="batch_size 5 exceeds the 4 samples"):
        batches(file, 5)
    with pytest.raises(GoldievalError, match="batch_size 4 cannot be shared among 3"):
        batches(file, 4, world=3)


# Counting


def test_samples_count_once_and_in_one_line_each(tmp_path: Path) -> None:
    notes: list[str] = []
    counted = BadSamples(2, notes.append)
    counted.log = tmp_path / "bad_samples.jsonl"
    one, part, other = Bad("f:1", "broken JSON", "x"), Bad("f:2", "empty answer", "1"), Bad("f:2", "empty answer", "2")
    for found in ([one], [one, one], [part, other], [one, other], []):
        counted.count(found)
    assert notes == [f"bad sample: {bad}" for bad in (one, part, other)]
    assert (counted.samples, counted.kinds) == (2, {"empty answer": 2, "broken JSON": 1})
    assert counted.summary() == "2 bad samples (2 empty answer, 1 broken JSON)"
    assert [Bad(**json.loads(line)) for line in counted.log.read_text().splitlines()] == [one, part, other]
    with pytest.raises(GoldievalError) as stop:
        counted.count([Bad("f:3", "no caption", "")])
    assert "3 bad samples" in one_line(str(stop.value)) and "f:3: no caption" in str(stop.value)
    assert len(notes) == 4  # the last one is said, too


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("source", ["jsonl", "shards"])
def test_training_goes_on_up_to_the_limit(source: str, workers: int, tmp_path: Path) -> None:
    if source == "jsonl":
        path = image_text_folder(tmp_path / "data", 12, r3="{", r8={"vqa": [{"question": "a", "answer": ""}]})
    else:
        path = shards(tmp_path / "data", [6, 4])
        shard(path / "2.tar", {"x": {"jpg": b"", "json": row(1)}})
        shard(path / "3.tar", {"y": {"jpg": jpeg(77), "json": {**row(1), "vqa": 3}}})
    notes: list[str] = []
    chosen = recipe(path, source, data={"workers": workers})
    running = Trainer(chosen, tmp_path / "run", max_bad_samples=2, note=notes.append)
    running.run()
    assert running.bad_samples.samples == len(notes) == 2 and running.step == 6
    assert len((tmp_path / "run/bad_samples.jsonl").read_text().splitlines()) == 2
    with pytest.raises(GoldievalError, match="more than --max-bad-samples 1") as stop:
        Trainer(chosen, tmp_path / "stopped", max_bad_samples=1).run()
    one_line(str(stop.value))


def test_the_command_line_counts_and_stops(tmp_path: Path) -> None:
    file = image_text_folder(tmp_path / "data", 12, r3="{")
    content = recipe(file).model_dump(mode="json", exclude_defaults=True)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    ran = goldieval("train", tmp_path / "mine.yaml", "--out", tmp_path / "run")
    assert ran.code == 0 and f"bad sample: {file}:4: broken JSON" in ran.out
    assert "1 bad sample (1 broken JSON); listed in" in ran.out
    ran = goldieval("train", tmp_path / "mine.yaml", "--out", tmp_path / "other", "--max-bad-samples", "0")
    assert ran.code != 0 and "--max-bad-samples 0" in one_line(ran.err) and f"{file}:4" in ran.err


# Broken shards


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_shard_is_one_bad_sample_and_its_places_are_filled(workers: int, tmp_path: Path) -> None:
    """Other samples stand in for its own, one for each place; what is left of the epoch stays where it was."""
    folder = shards(tmp_path / "data", [6, 6, 6])
    whole = [
        seen(Batches(Shards(str(folder), tokenizer()), tokenizer(), recipe_showing()).at(step)) for step in range(4)
    ]
    corpus = Shards(str(folder), tokenizer())
    os.truncate(folder / "00001.tar", 700)
    notes: list[str] = []
    made = Batches(corpus, tokenizer(), recipe_showing())
    loader = BatchLoader(made, 4, workers, BadSamples(1, notes.append))
    found = [seen(loader.batch(step)) for step in range(4)]
    assert notes == [f"bad shard: {folder / '00001.tar'}: unreadable shard: it has changed since its headers were read"]
    same = [
        ours == theirs for own, other in zip(found, whole, strict=True) for ours, theirs in zip(own, other, strict=True)
    ]
    lost = [corpus.order(0)[place] // 6 == 1 for place in range(16)]
    assert [not one for one in lost] == same and all(len(set(batch)) == 4 for batch in found)


def test_shards_that_are_broken_from_the_start_are_counted_and_limited(tmp_path: Path) -> None:
    folder = shards(tmp_path / "data", [6, 6, 6, 6])
    for name in ("00001.tar", "00002.tar"):
        (folder / name).write_bytes(b"text")
    notes: list[str] = []
    running = Trainer(recipe(folder, "shards"), tmp_path / "run", max_bad_samples=2, note=notes.append)
    running.run()
    assert len(running.corpus) == 12 and running.bad_samples.summary() == "2 bad samples (2 unreadable shard)"
    assert all("not a readable tar file" in note for note in notes if note.startswith("bad shard")) and len(notes) >= 2
    assert len((tmp_path / "run/bad_samples.jsonl").read_text().splitlines()) == 2
    with pytest.raises(GoldievalError, match="2 unreadable shard") as stop:
        Trainer(recipe(folder, "shards"), tmp_path / "stopped", max_bad_samples=1).run()
    one_line(str(stop.value))


def test_a_flood_of_bad_samples_is_one_line_each_up_to_the_limit() -> None:
    lines: list[str] = []
    counter = BadSamples(2, lines.append)
    with pytest.raises(GoldievalError) as failure:
        counter.count([Bad(f"{number}.tar", BROKEN_SHARD, "does not exist.") for number in range(500)])
    assert len(lines) == 3
    assert "500 bad samples" in str(failure.value) and ".." not in one_line(str(failure.value))
