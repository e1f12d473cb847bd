"""The phases of a suite's run and what each needs, from the work of its tasks, measured rates and assumed machines."""

from __future__ import annotations

from collections.abc import Iterator

from suite_flops import CONDITIONED_FLOP, COSINE_FLOP, DIM, image_flop, text_flop
from suite_parts import Machine, Part, Phase
from suite_rates import Rates
from suite_work import Work

from goldieval.engine.encode import IMAGES_PER_CHUNK, TEXTS_PER_CHUNK
from goldieval.models.inputs import Batching
from goldieval.scoring.mode import needs_image_embeddings, needs_pool

BATCH = Batching().images
TALLY_BYTES = 28  # of a text in the tally of a batch of pictures: counts, best right and best wrong answer
CLASS_BYTES = 64  # assumed: rank, prediction and answers of a picture
PAIR_BYTES = 40  # assumed: what counting ranks reads and writes on the device per score
MAP_BYTES = 24  # assumed: the same for each class of a pixel


def phases(suite: list[Work], rates: Rates, machine: Machine) -> Iterator[Phase]:
    """Yield the phases of a run that finds nothing stored and whose files are not in memory."""
    alone = Part(
        "start", rates.start_s + rates.load_s, how=f"{rates.start_s:.1f} s imports + {rates.load_s:.1f} s model"
    )
    yield Phase("", "start", (alone,))
    yield from _reading(suite, rates, machine)
    yield _texts(suite, rates, machine)
    stored = [work for work in suite if _is_stored(work)]
    if stored:
        yield _stored_images(stored, rates, machine)
    for work in suite:
        yield from _task(work, rates, machine)


def _is_stored(work: Work) -> bool:
    return not work.windows and needs_image_embeddings(work.mode)


def _distinct(suite: list[Work]) -> list[Work]:
    """Return one task for each set of pictures: a file is read, and its embedding computed, once in a run."""
    return list({work.pictures.source or work.name: work for work in reversed(suite)}.values())[::-1]


def _reading(suite: list[Work], rates: Rates, machine: Machine) -> Iterator[Phase]:
    for work in _distinct(suite):
        size = f"{work.images:,} x {work.pictures.kilobytes:g} kB = {work.megabytes:,.0f} MB"
        hashed = work.megabytes / rates.hash_mb / machine.cores
        storage = work.megabytes / machine.storage_mb
        yield Phase(work.name, "reading", (
            Part("storage", storage, work.images, machine.gpus_per_node, how=f"{size} / {machine.storage_mb:,.0f} MB/s"),
            Part("hash", hashed, work.images, how=f"{size} / {rates.hash_mb:,.0f} MB/s / {machine.cores} cores"),
        ))  # fmt: skip


def _texts(suite: list[Work], rates: Rates, machine: Machine) -> Phase:
    total = sum(work.texts for work in suite)
    flop = sum(work.texts * text_flop(work.tokens) for work in suite)
    units = -(-total // TEXTS_PER_CHUNK)
    return Phase("", "texts", (
        Part("tokens", total / rates.tokenized, units, how=f"{total:,} texts / {rates.tokenized:,.0f} per s"),
        Part("encoder", machine.encoding(flop), units, how=_quotient(flop, machine.tflops, machine.share)),
    ))  # fmt: skip


def _stored_images(suite: list[Work], rates: Rates, machine: Machine) -> Phase:
    distinct = _distinct(suite)
    total = sum(work.images for work in distinct)
    units = -(-total // IMAGES_PER_CHUNK)
    decoding = sum(_decoding(work, rates) for work in distinct) / machine.cores
    flop = total * image_flop()
    return Phase("", "pictures", (
        Part("decode", decoding, units, how=f"{total:,} pictures of all tasks on {machine.cores} cores"),
        Part("encoder", machine.encoding(flop), units, how=_quotient(flop, machine.tflops, machine.share)),
        Part("store", units * rates.chunk_s, units, how=f"{units:,} chunks x {1000 * rates.chunk_s:.0f} ms"),
    ))  # fmt: skip


def _decoding(work: Work, rates: Rates) -> float:
    """Return seconds of one core to decode and transform the pictures of a task."""
    return work.images * (rates.picture_s + rates.megapixel_s * work.pictures.megapixels)


def _quotient(flop: float, tflops: float, share: float) -> str:
    return f"{flop / 1e12:,.1f} TFLOP / ({tflops:g} TFLOP/s x {share:g})"


def _task(work: Work, rates: Rates, machine: Machine) -> Iterator[Phase]:
    """Yield the phases of one task: what its pictures cost where they are not stored, its scores, and what rank 0 does."""
    if not _is_stored(work) or needs_pool(work.mode):
        yield _streamed(work, rates, machine)
    if needs_pool(work.mode):
        flop = _conditioned_pairs(work) * CONDITIONED_FLOP
        units = -(-work.images // BATCH)
        how = _quotient(flop, machine.float32_tflops, machine.float32_share)
        tallies = units * work.candidates if work.family == "retrieval" else 0
        volume = tallies * TALLY_BYTES + work.images * CLASS_BYTES
        scoring, gathered = machine.scoring(flop), volume / (machine.network_gb * 1e9)
        how += f", then {volume / 1e6:,.0f} MB of tallies to every rank"
        yield Phase(work.name, "scoring", (Part("scoring", scoring, units, gathered=gathered, how=how),))
        merged = f"{units:,} tallies of {work.candidates:,} texts x {1e9 * rates.tally_s:.0f} ns"
        if tallies:
            yield Phase(work.name, "merge", (Part("rank 0", tallies * rates.tally_s, how=merged),))
    if _is_stored(work):
        yield _cosines(work, rates, machine)
    own = rates.task_s + work.queries * (rates.query_s + rates.row_s) + work.texts * rates.text_s
    how = f"{work.queries:,} queries x {1e6 * (rates.query_s + rates.row_s):.0f} us, {work.texts:,} texts x {1e6 * rates.text_s:.0f} us"
    yield Phase(work.name, "rank 0", (Part("rank 0", own, how=how),))


def _conditioned_pairs(work: Work) -> float:
    """Return the pairs that are pooled: all of them, or those of the shortlists."""
    k = int(work.mode.partition(":")[2] or 0) if work.mode.startswith("shortlist") else 0
    both = work.family == "retrieval"
    listed = work.images * min(k, work.candidates) + both * work.candidates * min(k, work.images)
    return min(work.pairs, listed) if k else work.pairs


def _streamed(work: Work, rates: Rates, machine: Machine) -> Phase:
    """Return the phase in which pictures are decoded and encoded for one task: in batches, or by windows one by one."""
    windows = work.windows or 1
    units = work.images if work.windows else -(-work.images // BATCH)
    flop = work.images * windows * image_flop()
    maps = work.images * work.pictures.megapixels * 1e6 * work.candidates * MAP_BYTES / (machine.memory_gb * 1e9)
    encoder, how = machine.encoding(flop), _quotient(flop, machine.tflops, machine.share)
    if work.windows:
        encoder, how = encoder + maps, f"{how} + {maps:.1f} s of maps"
    each = f"{1000 * rates.picture_s:.1f} ms + {work.pictures.megapixels:g} MP x {1000 * rates.megapixel_s:.1f} ms"
    return Phase(work.name, "patches", (
        Part("decode", _decoding(work, rates) / machine.cores, units,
             how=f"{work.images:,} x ({each}) / {machine.cores} cores"),
        Part("encoder", encoder, units, how=how),
    ))  # fmt: skip


def _cosines(work: Work, rates: Rates, machine: Machine) -> Phase:
    """Return the phase in which rank 0 reads the embeddings and scores them alone."""
    scores = machine.scoring(work.pairs * COSINE_FLOP) + work.pairs * PAIR_BYTES / (machine.memory_gb * 1e9)
    read = (work.images + work.texts) / rates.gathered
    sent = work.images * DIM * 4 / (machine.network_gb * 1e9)
    how = (
        f"{scores:.2f} s cosines + {work.images + work.texts:,} embeddings / {rates.gathered:,.0f} per s from the store "
        f"(through the group: {work.images * DIM * 4 / 1e6:,.0f} MB, {sent:.2f} s)"
    )
    return Phase(work.name, "scoring", (Part("rank 0", scores + read, how=how),))
