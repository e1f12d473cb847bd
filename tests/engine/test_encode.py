"""Which contents form a chunk, and encoding beside another process."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_chunks import KEYS, VECTORS, one_by_one

from goldieval.core.meter import SilentMeter
from goldieval.engine.chunks import Chunk, chunks_of
from goldieval.engine.encode import encode, plan_images, plan_texts, text_key
from goldieval.engine.store import Store


@given(st.data(), st.integers(1, 40), st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_stored_chunks_never_move_the_borders_of_the_others(data: st.DataObject, count: int, size: int) -> None:
    texts = {text_key("w" * (number % 5) + str(number)): "w" * (number % 5) + str(number) for number in range(count)}
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.multiple("goldieval.engine.encode", IMAGES_PER_CHUNK=size, TEXTS_PER_CHUNK=size),
    ):
        for plan in (plan_texts, plan_images):
            store = Store(Path(folder) / plan.__name__)
            chunks = plan(store.space("one"), texts)  # type: ignore[operator]
            assert sorted(key for chunk in chunks for key in chunk.keys) == sorted(texts)
            assert all(len(chunk.keys) == size for chunk in chunks[:-1])
            done = data.draw(st.sets(st.sampled_from(chunks)))
            for chunk in done:
                store.space("one").write(chunk, chunk.keys, np.ones((len(chunk.keys), 2)), {})
            backwards = dict(reversed(texts.items()))
            left = plan(store.space("one"), backwards)  # type: ignore[operator]
            assert left == [chunk for chunk in chunks if chunk not in done]


def test_texts_of_a_length_share_chunks(tmp_path: Path) -> None:
    texts = {text_key(text): text for text in ("aaaa", "b", "cc", "d", "eeeee", "ff")}
    with mock.patch("goldieval.engine.encode.TEXTS_PER_CHUNK", 2):
        chunks = plan_texts(Store(tmp_path).space("one"), texts)
    assert [sorted(texts[key] for key in chunk.keys) for chunk in chunks] == [
        ["b", "d"],
        ["cc", "ff"],
        ["aaaa", "eeeee"],
    ]


def test_a_chunk_that_another_process_finished_is_not_encoded_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    slow, fast = store.space("one"), store.space("one")
    chunks = chunks_of(KEYS, 2)

    def compute(chunk: Chunk) -> tuple[list[str], np.ndarray, dict[str, str]]:
        if chunk is chunks[1]:  # meanwhile, elsewhere
            fast.write(chunks[2], chunks[2].keys, VECTORS[4:], {})
        return list(chunk.keys), np.stack([VECTORS[KEYS.index(key)] for key in chunk.keys]), {}

    assert encode(slow, chunks, one_by_one(compute), SilentMeter()) == 4
    assert np.array_equal(slow.gather(KEYS), VECTORS)
    assert not list(tmp_path.rglob("*.lock"))
