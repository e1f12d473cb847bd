"""Measurement of the rates that a suite's cost depends on: one core, processor time, median of a few rounds."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from conditioned_scoring import make_inputs, ours, positives
from measuring import line, processor
from PIL import Image
from suite_flops import CONDITIONED_FLOP, CONFIG, image_flop
from suite_rank0 import measured
from suite_rates import Rates

from goldieval.core.errors import GoldievalError
from goldieval.core.units import one_thread
from goldieval.data.decode import decode
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.tokenizer import Tokenizer
from goldieval.metrics.rank_counter import RankCounter
from goldieval.scoring.cosine import exact, retrieval_ranks, unit

SIDES = ((240, 320), (480, 640), (1200, 1600))  # pictures whose decoding is timed: 0.08, 0.3 and 1.9 megapixels
MOST_FILES = 64
TEXT = "a photograph of a brown dog that runs over wet grass in front of a house"


def measure_rates(pictures: Path | None) -> Rates:
    """Measure every rate, which takes minutes of one core.

    Args:
        pictures: folder with pictures whose decoding is timed; None for made ones.
    """
    model, tokenizer = GoldiClip(CONFIG).eval(), Tokenizer(CONFIG.merges, CONFIG.context_length)
    data = os.urandom(1 << 25)
    megabytes = len(data) / 1e6
    fixed, by_size = picture_seconds(pictures)
    with one_thread(), torch.inference_mode():
        peak = 2 * 1024**3 / processor(_product(1024), min)
        images, texts = torch.randn(8, 3, 224, 224), torch.randint(1, 1000, (64, 16))
        image_s = processor(lambda: model.image_features(images), min) / len(images)
        text_s = processor(lambda: model.encode_text(texts)) / len(texts)
    global_s, conditioned_s = pair_seconds()
    with tempfile.TemporaryDirectory() as place:
        rank0, start_s = measured(Path(place)), start_seconds(Path(place) / "byte-code")
    return Rates(
        hash_mb=megabytes / processor(lambda: hashlib.sha256(data).digest()),
        picture_s=fixed,
        megapixel_s=by_size,
        tokenized=256 / processor(lambda: tokenizer.padded([tokenizer.ids(TEXT) for _ in range(256)])),
        images_cpu=1 / image_s,
        texts_cpu=1 / text_s,
        tower_share=image_flop() / image_s / peak,
        global_pairs=1 / global_s,
        conditioned_pairs=1 / conditioned_s,
        conditioned_share=CONDITIONED_FLOP / conditioned_s / peak,
        **rank0,
        tally_s=tally_seconds(),
        start_s=start_s,
        machine=f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}",
    )


def _product(side: int) -> Callable[[], object]:
    matrix = torch.randn(side, side)
    return lambda: matrix @ matrix


def picture_seconds(folder: Path | None) -> tuple[float, float]:
    """Return seconds to decode and transform a JPEG of any size, and further seconds per megapixel.

    Args:
        folder: folder with pictures to time; None for made ones.

    Raises:
        GoldievalError: the folder has fewer than two JPEG files.
    """
    from open_clip.transform import PreprocessCfg, image_transform_v2

    transform = image_transform_v2(PreprocessCfg(size=224), is_train=False)
    files = [file.read_bytes() for file in sorted(folder.rglob("*.jpg"))[:MOST_FILES]] if folder else []
    if folder and len(files) < 2:
        raise GoldievalError(f"{folder}: {len(files)} files *.jpg; --pictures needs at least 2, of several sizes.")
    files = files or [jpeg(*size) for size in SIDES for _ in range(4)]
    sizes = [decode(data).width * decode(data).height / 1e6 for data in files]
    with one_thread():
        return line(sizes, [processor(lambda data=data: transform(decode(data))) for data in files])


def jpeg(height: int, width: int) -> bytes:
    """Return a JPEG of about 0.55 megabytes per megapixel, as photographs have: blurred noise with a little grain."""
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    noisy = np.clip(smooth + random.normal(0, 13, smooth.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=90)
    return file.getvalue()


def pair_seconds() -> tuple[float, float]:
    """Return seconds per pair of cosine scores and of text-conditioned scores, each with ranks in both directions."""
    images, texts = 2048, 4096
    with one_thread(), exact("cpu"):
        vectors = [unit(torch.randn(count, 512), "made") for count in (texts, images)]
        cosine = processor(lambda: retrieval_ranks(*vectors, positives(images, texts, "cpu"))) / (images * texts)
        inputs = make_inputs(8, 2048, "cpu")
        conditioned = processor(lambda: ours(*inputs), min) / (8 * 2048)
    return cosine, conditioned


def tally_seconds() -> float:
    """Return the processor time per text to merge the tally of a batch of pictures, which every rank does for all batches."""
    texts, images = 25_010, 5_000
    counter = RankCounter(torch.zeros(0, 2, dtype=torch.int64), torch.zeros(0), texts, images)
    part = counter.empty(range(texts), range(64))
    with one_thread():
        return processor(lambda: counter.total.merge(part)) / texts


def start_seconds(byte_code: Path) -> float:
    """Return the processor time of a Python that imports what a run needs, after one that compiles it.

    Args:
        byte_code: folder for the compiled modules.
    """
    command = [sys.executable, "-W", "ignore", "-c", "import goldieval.engine.run, torch, open_clip"]
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(byte_code)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    times = []
    for _ in range(2):
        process = subprocess.Popen(command, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise GoldievalError(f"importing goldieval ended with {process.returncode}.")
        times.append(used.ru_utime + used.ru_stime)
    return times[-1]
