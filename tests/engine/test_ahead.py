"""Work that runs ahead over chunks: bounded memory, the same bits for any number of workers, and nothing left."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image

from goldieval.core.meter import SilentMeter
from goldieval.data.image_source import FileImage, ImageSource
from goldieval.engine.chunk_encoders import image_chunk_encoder, text_chunk_encoder
from goldieval.engine.chunks import chunks_of
from goldieval.engine.encode import encode
from goldieval.engine.store import Store
from goldieval.models.adapter import inference
from goldieval.models.decoders import Pixels, Threads
from goldieval.models.inputs import Batching
from goldieval.models.loading import from_module


class Recording:
    """Decoders that note how many images were given to them."""

    def __init__(self) -> None:
        self.submitted = 0

    def submit(self, images: Sequence[tuple[str, ImageSource]]) -> list[Future[Pixels]]:
        self.submitted += len(images)
        futures: list[Future[Pixels]] = []
        for key, _ in images:
            futures.append(Future())
            futures[-1].set_result(torch.tensor([float(int(key))]))
        return futures


class Counting:
    """A model that notes how many threads were in it at once."""

    def __init__(self, concurrent: bool, decoders: Recording | None = None) -> None:
        self.concurrent, self.decoders = concurrent, decoders
        self.inside = self.most = 0
        self.ahead: list[int] = []
        self._encoded, self._lock = 0, threading.Lock()

    def tokenize(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.tensor([[int(text)] for text in texts])

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.encode_image(tokens).float()

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self._encoded += len(pixels)
            self.ahead += [self.decoders.submitted - self._encoded] if self.decoders else []
        time.sleep(0.01)
        with self._lock:
            self.inside -= 1
        return pixels.clone()


def test_decoding_does_not_wait_for_the_end_of_a_chunk_and_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldieval.engine.chunk_encoders.DECODED_AHEAD", 12)
    keys = [str(number) for number in range(64)]
    decoders = Recording()
    model = Counting(False, decoders)
    encoder = image_chunk_encoder(model, dict.fromkeys(keys), Batching(4, workers=3), decoders, SilentMeter())  # type: ignore[arg-type]
    chunks = chunks_of(keys, 8)
    found = list(encoder(chunks))
    assert [chunk for chunk, _ in found] == chunks
    assert [key for _, (done, _, _) in found for key in done] == keys
    assert [row for _, (_, rows, _) in found for row in rows[:, 0].tolist()] == [float(key) for key in keys]
    assert min(model.ahead[:-4]) >= 12 and max(model.ahead) <= 12 + 4


@pytest.mark.parametrize("concurrent", [True, False])
def test_only_a_model_that_says_so_is_called_by_several_threads(
    tmp_path: Path, concurrent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [str(number) for number in range(60)]
    model = Counting(concurrent)
    monkeypatch.setattr("goldieval.engine.batch_encoder.thread_count", lambda: 3)
    with ThreadPoolExecutor(1) as pool:
        encoder = text_chunk_encoder(
            model,  # type: ignore[arg-type]
            dict(zip(keys, keys, strict=True)),
            Batching(texts=5),
            SilentMeter(),
            pool=pool,
        )
        space = Store(tmp_path).space("one")
        assert encode(space, chunks_of(keys, 20), encoder, SilentMeter()) == 60
    assert space.gather(keys)[:, 0].tolist() == [float(key) for key in keys]
    assert model.most == 1 if not concurrent else 1 < model.most <= 3


def test_an_error_releases_every_chunk_that_was_claimed_ahead(tmp_path: Path) -> None:
    keys = [str(number) for number in range(40)]
    decoders = Recording()
    model: Any = Counting(False, decoders)
    model.encode_image = lambda pixels: (_ for _ in ()).throw(KeyboardInterrupt)
    encoder = image_chunk_encoder(model, dict.fromkeys(keys), Batching(4), decoders, SilentMeter())  # type: ignore[arg-type]
    space = Store(tmp_path).space("one")
    with pytest.raises(KeyboardInterrupt):
        encode(space, chunks_of(keys, 8), encoder, SilentMeter())
    locks = sorted(tmp_path.rglob("*.lock"))
    assert len(locks) > 1
    for lock in locks:
        with FileLock(lock, timeout=0):
            pass


def pictures(folder: Path, count: int) -> dict[str, ImageSource]:
    random = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(random.integers(0, 255, (40, 48, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return {FileImage(file).key(): FileImage(file) for file in sorted(folder.glob("*.png"))}


def test_the_bits_of_embeddings_do_not_depend_on_workers_or_threads(tmp_path: Path) -> None:
    import open_clip
    from open_clip.transform import image_transform
    from tiny_models import SIZES

    torch.manual_seed(0)
    module = open_clip.CLIP(**(SIZES | {"vision_cfg": SIZES["vision_cfg"] | {"image_size": 64}}))
    model = from_module(module, image_transform(64, is_train=False), open_clip.get_tokenizer("ViT-B-32"))
    (tmp_path / "pictures").mkdir()
    sources = pictures(tmp_path / "pictures", 23)
    found = []
    threads = torch.get_num_threads()
    try:
        for number, (workers, of_torch) in enumerate([(1, 1), (1, 3), (2, 2), (3, 1)]):
            torch.set_num_threads(of_torch)
            space = Store(tmp_path / str(number)).space("one")
            with inference(model), ThreadPoolExecutor(workers) as pool:
                batching = Batching(4, workers=workers)
                decoders = Threads(model.preprocess, pool)  # type: ignore[union-attr]
                encoder = image_chunk_encoder(model, sources, batching, decoders, SilentMeter())  # type: ignore[arg-type]
                encode(space, chunks_of(sorted(sources), 10), encoder, SilentMeter())
            assert torch.get_num_threads() == of_torch
            found.append(space.gather(sorted(sources)))
    finally:
        torch.set_num_threads(threads)
    assert found[0].shape == (23, 64)
    assert all(np.array_equal(each, found[0]) for each in found)
