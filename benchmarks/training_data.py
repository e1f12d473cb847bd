"""Training data at scale: what 10,000 shards and 30 million samples cost before the first step, in memory, and in reading.

    uv run python benchmarks/training_data.py                                    # this version
    git worktree add /tmp/before ff2f424                                         # the version before
    PYTHONPATH=/tmp/before uv run python benchmarks/training_data.py --before

The shards are synthetic (20 samples each, pictures of 32 px), lie in a temporary folder (600 MB) and are read from the page
cache. The index of 30 million samples is made up: nothing reads from its offsets. Each figure is of a fresh process.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import resource
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHARDS, IN_EACH = 10_000, 20
MANY = 30_000_000
SIDE, PHOTO = 32, (480, 360)
PICTURES = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", action="store_true", help="measure the interface of the version before")
    parser.add_argument("--shards", type=int, default=SHARDS, help="of the first start")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="goldieval-benchmark-") as place:
        os.environ["XDG_CACHE_HOME"] = f"{place}/cache"
        made = alone(make_shards, Path(place), arguments.shards)
        print(f"{arguments.shards:,} shards of {IN_EACH} samples, {made[0]:.0f} s to make them", flush=True)
        for name, work in (
            ("first start: headers are read", start),
            ("next start: the index is found", start),
            ("index of 30 million samples: written", write_many),
            ("index of 30 million samples: opened", open_many),
        ):
            seconds, memory, result = alone(work, Path(place), arguments.shards)
            print(f"{name:45} {seconds:7.2f} s  {memory / 1e6:7.0f} MB  {result}", flush=True)
        order = order_before if arguments.before else order_now
        seconds, memory, result = alone(order, Path(place), arguments.shards)
        print(f"{'order of 30 million samples, from the middle':45} {seconds:7.3f} s  {memory / 1e6:7.0f} MB  {result}")
        seconds, memory, result = alone(read, Path(place), arguments.shards)
        print(
            f"{'reading, decoding, whole, global and 6 local crops':45} {seconds:7.2f} s  {memory / 1e6:7.0f} MB  {result}"
        )


def alone(work: Callable[[Path, int], Any], place: Path, shards: int) -> tuple[float, int, Any]:
    """Return seconds, growth of the memory of its own in bytes, and result of some work in a process of its own."""
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_measured, args=(work, place, shards, writer))
    process.start()
    writer.close()
    found: tuple[float, int, Any] = reader.recv()
    process.join()
    return found


def _measured(work: Callable[[Path, int], Any], place: Path, shards: int, writer: Any) -> None:
    import torch  # noqa: F401

    import goldieval.goldiclip.data.sources  # noqa: F401

    before, start_s = _own_memory(), time.perf_counter()
    result = work(place, shards)
    writer.send((time.perf_counter() - start_s, max(0, _own_memory() - before), str(result)))


def _own_memory() -> int:
    """Return the largest resident memory so far, less what is mapped from files, which processes share."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    shared = int(status["RssFile"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - shared


def make_shards(place: Path, shards: int) -> str:
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(20):
        stream = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)).save(stream, "JPEG")
        pictures.append(stream.getvalue())
    (place / "shards").mkdir()
    for number in range(shards):
        with tarfile.open(place / f"shards/{number:05d}.tar", "w") as archive:
            for sample in range(IN_EACH):
                text = json.dumps({"captions": [f"Thing {sample} of shard {number}."]}).encode()
                for ending, content in (("jpg", pictures[sample % 20]), ("json", text)):
                    member = tarfile.TarInfo(f"{number * IN_EACH + sample:09d}.{ending}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    return ""


def _tokenizer() -> Any:
    from goldieval.goldiclip.tokenizer import Tokenizer

    return Tokenizer(300, 77)


def start(place: Path, shards: int) -> str:
    from goldieval.goldiclip.data.shards import Shards

    return f"{len(Shards(str(place / 'shards'), _tokenizer())):,} samples"


def _many(place: Path) -> tuple[Any, Any]:
    """Return a module and an index of many samples, in the form of either version."""
    import numpy as np

    try:
        from goldieval.goldiclip.data import index_file as module
    except ImportError:
        from goldieval.goldiclip.data import shard_index as module

        stamps = [module.Stamp(f"/data/{number:05d}.tar", 1, 1) for number in range(SHARDS)]
        rows = np.arange(4 * MANY, dtype=np.int64).reshape(-1, 4)
        return module, module.ShardIndex(stamps, [MANY // SHARDS] * SHARDS, rows)
    rows = np.arange(4 * MANY, dtype=np.int32).reshape(-1, 4)
    per_shard = MANY // SHARDS
    parts = [
        module.Part(
            module.Stamp(f"/data/{number:05d}.tar", 1, 1), rows[number * per_shard : (number + 1) * per_shard], ""
        )
        for number in range(SHARDS)
    ]
    return module, module.joined(parts)


def write_many(place: Path, shards: int) -> str:
    module, index = _many(place)
    file = place / "many.safetensors"
    (getattr(module, "write_index", None) or module._write)(file, index)
    return f"{file.stat().st_size / 1e6:,.0f} MB on disk"


def open_many(place: Path, shards: int) -> str:
    try:
        from goldieval.goldiclip.data.index_file import read_index
    except ImportError:
        from goldieval.goldiclip.data.shard_index import _read as read_index
    return f"{len(read_index(place / 'many.safetensors').rows):,} samples"


def order_now(place: Path, shards: int) -> str:
    from goldieval.goldiclip.data.order import BlockShuffle

    order = BlockShuffle([MANY // SHARDS] * SHARDS, 1)
    return f"row {order[MANY // 2]:,}"


def order_before(place: Path, shards: int) -> str:
    import numpy as np
    import torch

    from goldieval.goldiclip.data.shards import Shards

    corpus = Shards.__new__(Shards)
    corpus.tars, corpus._starts = [Path("x")] * SHARDS, np.arange(0, MANY + 1, MANY // SHARDS)
    return f"row {int(corpus.order(torch.Generator().manual_seed(1))[MANY // 2]):,}"


def _photos() -> list[bytes]:
    import numpy as np
    from PIL import Image

    small = np.random.default_rng(0).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(small).resize(PHOTO, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
    return [stream.getvalue()] * PICTURES


def read(place: Path, shards: int) -> str:
    """Make batches of files at the sizes of the large recipe in this process."""
    import torch

    from goldieval.goldiclip.data.batches import Batches
    from goldieval.goldiclip.data.shards import Shards
    from goldieval.goldiclip.recipe_files import load_recipe
    from goldieval.goldiclip.tokenizer import Tokenizer

    torch.set_num_threads(1)
    (place / "photos").mkdir()
    with tarfile.open(place / "photos/0.tar", "w") as archive:
        for number, photo in enumerate(_photos()):
            text = json.dumps({"captions": [f"A photo of thing {number}. It is red. It stands on a lawn."]}).encode()
            for ending, content in (("jpg", photo), ("json", text)):
                member = tarfile.TarInfo(f"{number:09d}.{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    chosen = load_recipe("goldiclip-b16", {"data.path": str(place / "photos"), "optimiser.batch_size": 100})
    tokens = Tokenizer(chosen.model.merges, chosen.model.context_length)
    batches = Batches(Shards(str(place / "photos"), tokens), tokens, chosen)
    began = time.perf_counter()
    for step in range(PICTURES // 100):
        batches.at(step)
    return f"{PICTURES / (time.perf_counter() - began):.0f} images a second in one process"


if __name__ == "__main__":
    sys.exit(main())
