"""Pictures a second from file to embedding: decoding alone, with a model that costs nothing, the model alone, the whole.

    uv run python benchmarks/pipeline.py [--images FOLDER] [--workers 1,2] [--device cpu] [--model ViT-B-32]

    decode     read, decode and preprocess, by threads and by processes, without anything else
    free       the same through the path of a run (keys verified, batches, chunks, store), with a model that costs nothing
    model      the model alone, on batches that are ready in memory
    whole      the path of a run with the model

Every round measures all of them, so that the load of the machine hits all alike; medians are printed. Claim: the whole reaches
0.9 of what its parts allow. On an accelerator that is the rate of the slower part. On a CPU, decoding and the model share the
same cores, and the rates allow 1 / (1 / free + 1 / model). The embeddings of all runs must be equal, bit by bit, for any
number of workers, for threads and processes; otherwise the exit status is 1.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter

from goldieval.core.meter import SilentMeter
from goldieval.core.threads import batches_ahead
from goldieval.core.units import units
from goldieval.data.image_source import FileImage, ImageSource
from goldieval.engine.chunk_encoders import image_chunk_encoder
from goldieval.engine.encode import encode, plan_images
from goldieval.engine.store import Store
from goldieval.models.adapter import inference
from goldieval.models.decoders import Decoders, Threads
from goldieval.models.decoding_processes import decoding_in_processes, travels
from goldieval.models.inputs import DECODED_AHEAD, Batching
from goldieval.models.loading import from_module

BATCH = 64
SIZE = (500, 375)  # a typical photograph of ImageNet, about 100 KB


class Free:
    """A model that costs nothing: the first numbers of its input."""

    concurrent = True

    def __init__(self, preprocess: Callable[[Image.Image], torch.Tensor]) -> None:
        self.preprocess = preprocess

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.flatten(1)[:, :512].clone()


def photographs(folder: Path, count: int) -> list[Path]:
    """Write pictures with the size and about the bytes of photographs."""
    random = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 255, (24, 32, 3), dtype=np.uint8)).resize(
            SIZE, Image.Resampling.BICUBIC
        )
        noise = Image.fromarray(random.integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8))
        Image.blend(coarse, noise.filter(ImageFilter.GaussianBlur(0.8)), 0.35).save(
            folder / f"{number:05d}.jpg", quality=92
        )
    return sorted(folder.glob("*.jpg"))


@contextmanager
def threads(preprocess: Callable[..., Any], workers: int) -> Iterator[Decoders]:
    with ThreadPoolExecutor(workers) as pool:
        yield Threads(preprocess, pool)


@contextmanager
def processes(preprocess: Callable[..., Any], workers: int) -> Iterator[Decoders]:
    """Yield processes when they are ready: their start is not part of the rates."""
    content = travels(preprocess)
    if content is None:
        raise SystemExit("the preprocessing of this model cannot be sent to processes")
    with decoding_in_processes(preprocess, content, workers) as decoders:
        decoders.wait()  # type: ignore[union-attr]
        yield decoders


KINDS: dict[str, Callable[..., AbstractContextManager[Decoders]]] = {"threads": threads, "processes": processes}


def decode(decoders: Decoders, sources: dict[str, ImageSource]) -> float:
    """Return the rate of decoding alone."""
    images = list(sources.items())
    batches = [(start, images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    start = time.perf_counter()
    for _, pixels in batches_ahead(decoders.submit, batches, DECODED_AHEAD):
        assert all(isinstance(each, torch.Tensor) for each in pixels)
    return len(images) / (time.perf_counter() - start)


def run(model: Any, decoders: Decoders, sources: dict[str, ImageSource], workers: int) -> tuple[float, np.ndarray]:
    """Return rate and embeddings of the path of a run, from keys to stored chunks."""
    with tempfile.TemporaryDirectory() as folder:
        space = Store(Path(folder)).space("one")
        encoder = image_chunk_encoder(model, sources, Batching(BATCH, workers=workers), decoders, SilentMeter())
        start = time.perf_counter()
        with inference(model):
            encode(space, plan_images(space, sources), encoder, SilentMeter())
        rate = len(sources) / (time.perf_counter() - start)
        return rate, space.gather(list(sources))


def model_alone(model: Any, ready: Sequence[torch.Tensor]) -> float:
    """Return the rate of the model on batches in memory."""

    def forward(batch: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return model.encode_image(batch)  # type: ignore[no-any-return]

    start = time.perf_counter()
    with inference(model):
        features = [found for _, found in units(forward, ready, model.device.type, torch.get_num_threads())]
        [found.float().cpu() for found in features]
    return sum(map(len, ready)) / (time.perf_counter() - start)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="folder of JPEG files; without it, pictures of 500 x 375 are made")
    parser.add_argument("--count", type=int, default=512, help="number of pictures")
    parser.add_argument("--workers", default="1,2", help="numbers of threads or processes, separated by commas")
    parser.add_argument("--decoders", default="threads,processes", help="threads, processes, or both")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", default="ViT-B-32", help="an open_clip architecture, with random weights")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    import open_clip

    torch.manual_seed(0)
    module, _, preprocess = open_clip.create_model_and_transforms(arguments.model)
    model = from_module(module.to(arguments.device), preprocess, open_clip.get_tokenizer(arguments.model))
    with tempfile.TemporaryDirectory() as folder:
        files = (
            sorted(arguments.images.rglob("*.jpg")) if arguments.images else photographs(Path(folder), arguments.count)
        )
        sources: dict[str, ImageSource] = {FileImage(file).key(): FileImage(file) for file in files[: arguments.count]}
        size = sum(source.file.stat().st_size for source in sources.values()) / len(sources)  # type: ignore[attr-defined]
        print(
            f"{len(sources)} pictures of {size / 1000:.0f} KB, {arguments.model} on {arguments.device}, batches of {BATCH}"
        )
        return measured(model, sources, arguments)


def measured(model: Any, sources: dict[str, ImageSource], arguments: argparse.Namespace) -> int:
    pixels = [model.preprocess(source.open()) for source in list(sources.values())[: 2 * BATCH]]
    ready = [torch.stack(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)]
    found: list[np.ndarray] = []
    print("decoders   workers  decode    free   model   whole  whole / bound")
    for kind in arguments.decoders.split(","):
        for workers in map(int, arguments.workers.split(",")):
            rounds = []
            torch.set_num_threads(workers)
            with KINDS[kind](model.preprocess, workers) as decoders:
                for _ in range(arguments.rounds):
                    free, _ = run(Free(model.preprocess), decoders, sources, workers)
                    alone = model_alone(model, ready)
                    whole, embeddings = run(model, decoders, sources, workers)
                    rounds.append((decode(decoders, sources), free, alone, whole))
                    found.append(embeddings)
            rates = [median(values) for values in zip(*rounds, strict=True)]
            ratio = median(whole / bound(free, alone, arguments.device) for _, free, alone, whole in rounds)
            print(
                f"{kind:10s} {workers:7d} " + "".join(f"{rate:8.1f}" for rate in rates) + f"{ratio:10.2f}", flush=True
            )
    equal = all(np.array_equal(each, found[0]) for each in found)
    print(f"embeddings of all {len(found)} runs equal: {equal}")
    return 0 if equal else 1


def bound(free: float, alone: float, device: str) -> float:
    """Return the rate that the parts allow."""
    return 1 / (1 / free + 1 / alone) if device == "cpu" else min(free, alone)


if __name__ == "__main__":
    raise SystemExit(main())
