"""Images that processes decode: the same pixels and the same errors as with threads, and no process is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from goldieval.core.errors import TaskError
from goldieval.core.threads import batches_ahead
from goldieval.data.image_source import EncodedImage, FileImage, ImageSource
from goldieval.models.decoders import Decoders, Pixels, Preprocess, Threads, decoding
from goldieval.models.decoding_processes import Processes, decoding_in_processes, travels

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="processes decode on Linux only")


def preprocess() -> Preprocess:
    """A preprocessing that can be sent to other processes, and fails for a picture of one pixel."""
    from torchvision.transforms import Compose, Normalize, Pad, ToTensor

    return Compose([ToTensor(), Pad(1, padding_mode="reflect"), Normalize((0.4,) * 3, (0.2,) * 3)])


@pytest.fixture
def images(tmp_path: Path) -> list[tuple[str, ImageSource]]:
    random = np.random.default_rng(0)
    for number in range(20):
        Image.fromarray(random.integers(0, 255, (40, 48, 3), dtype=np.uint8)).save(tmp_path / f"{number:02d}.png")
    Image.new("RGB", (1, 1)).save(tmp_path / "20.png")
    (tmp_path / "21.png").write_bytes((tmp_path / "00.png").read_bytes()[:300])
    (tmp_path / "22.png").write_bytes(b"no picture")
    sources = [FileImage(tmp_path / f"{number:02d}.png") for number in range(23)]
    changed = [("0" * 64, sources[3])]
    missing = [("1" * 64, FileImage(tmp_path / "missing.png"))]
    return [*((source.key(), source) for source in sources), *changed, *missing]


def decoded(decoders: Decoders, images: list[tuple[str, ImageSource]]) -> list[Pixels]:
    parts = [(start, images[start : start + 10]) for start in range(0, len(images), 10)]
    return [pixels for _, part in batches_ahead(decoders.submit, parts, 16) for pixels in part]


def assert_equal(found: list[Pixels], expected: list[Pixels]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert type(one) is type(other)
        assert torch.equal(one, other) if isinstance(one, torch.Tensor) else str(one) == str(other)  # type: ignore[arg-type]


def children() -> list[str]:
    """Processes of this one that decode."""
    lines = subprocess.run(["ps", "-ewwo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in lines.splitlines() if "decoder_process import main" in line and "defunct" not in line]


def test_processes_give_what_threads_give_also_after_some_were_killed(images: list[tuple[str, ImageSource]]) -> None:
    function = preprocess()
    content = travels(function)
    assert content is not None
    with ThreadPoolExecutor(2) as pool:
        expected = decoded(Threads(function, pool), images)
    kinds = [type(each).__name__ for each in expected[20:]]
    assert kinds == ["TaskError", "UndecodableError", "UndecodableError", "ChangedError", "FileNotFoundError"]
    before = set(children())
    with decoding_in_processes(function, content, 2) as decoders:
        assert isinstance(decoders, Processes)
        assert_equal(decoded(decoders, images), expected)  # while they start, threads decode
        decoders.wait()
        assert_equal(decoded(decoders, images), expected)
        mine = [line.split() for line in children() if line not in before]
        workers = [int(pid) for pid, parent, *_ in mine if int(parent) != os.getpid()]
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        assert_equal(decoded(decoders, images), expected)
    assert set(children()) <= before


ENDLESS = """
import os, sys
from goldieval.models.decoding_processes import decoding_in_processes, travels
from torchvision.transforms import ToTensor
with decoding_in_processes(ToTensor(), travels(ToTensor()), 2) as decoders:
    decoders.wait()
    print("ready", flush=True)
    os.kill(os.getpid(), int(sys.argv[1]))
    decoders.wait()
"""


def test_no_process_is_left_when_the_run_is_killed() -> None:
    before = set(children())
    done = subprocess.run([sys.executable, "-c", ENDLESS, str(int(signal.SIGKILL))], capture_output=True, text=True)
    assert done.stdout == "ready\n" and done.returncode == -signal.SIGKILL
    end = time.monotonic() + 20
    while not set(children()) <= before and time.monotonic() < end:
        time.sleep(0.05)
    assert set(children()) <= before


def test_what_cannot_be_sent_is_decoded_by_threads(images: list[tuple[str, ImageSource]]) -> None:
    class Model:
        def preprocess(self, image: Image.Image) -> torch.Tensor:
            raise ValueError("never")

    assert travels(lambda image: torch.zeros(1)) is None
    assert travels(Model().preprocess) is None
    with decoding(Model(), 8, 10_000) as decoders:
        assert isinstance(decoders, Threads)
        (result,) = decoded(decoders, images[:1])
    assert isinstance(result, TaskError) and str(result) == "ValueError while preprocessing it: never"


class Unreadable(EncodedImage):
    """An image of a table that cannot be read, or sent to another process."""

    def __reduce__(self) -> Any:
        raise TypeError("never sent")

    def read(self) -> bytes:
        raise OSError("damaged")


def test_an_image_that_cannot_be_sent_costs_no_process(images: list[tuple[str, ImageSource]]) -> None:
    function = preprocess()
    content = travels(function)
    assert content is not None
    with decoding_in_processes(function, content, 1) as decoders:
        assert isinstance(decoders, Processes)
        decoders.wait()
        (error,) = (future.result() for future in decoders.submit([("0" * 64, Unreadable())]))
        assert isinstance(error, OSError) and str(error) == "damaged"
        assert isinstance(decoders.submit(images[:1])[0].result(), torch.Tensor)
        assert decoders._ready() is not None


LIMITED = """
import os, resource, sys
from goldieval.models import decoding_processes
from torchvision.transforms import ToTensor
content = decoding_processes.travels(ToTensor())
before = set(os.listdir("/proc/self/fd"))
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, before)) + int(sys.argv[1]), hard))
with decoding_processes.decoding_in_processes(ToTensor(), content, 64) as decoders:
    kind = type(decoders).__name__
del decoders  # and with it the shared memory
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(kind, len(os.listdir("/proc/self/fd")) - len(before))
"""


@pytest.mark.parametrize(("spare", "kind"), [(3, "Threads"), (40, "Processes")])
def test_as_many_processes_as_open_files_allow(spare: int, kind: str) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, str(spare)], capture_output=True, text=True)
    assert done.stdout.split() == [kind, "0"]
    assert ("decoding in threads" in done.stderr) == (kind == "Threads")
