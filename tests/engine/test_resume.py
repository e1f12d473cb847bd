"""A run that was killed, or shared, ends with the bits of one that was left alone. Real processes, real signals.

The processes load this file as their model (``tests/engine/test_resume.py:slow``): it imports nothing heavy at its top.
They are forked from a server that has imported torch once, which is what most of the time would go into.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from goldieval.records.schema import Record

IMAGES, TEXTS = 600, 1199  # one caption occurs twice
CARD = f"""
name: six-hundred
family: retrieval
version: 1
protocol: {IMAGES} scenes
title: Six hundred scenes
licence: Apache-2.0
source: {{reader: shapes, content: retrieval, scenes: {IMAGES}, resolution: 32}}
headline: t2i_r1
"""


def slow(spec: Any, options: Any) -> Any:
    """A small transformer for pictures and for texts; sleeps $SLEEP_S a batch, first waits for $TOGETHER others."""
    import numpy as np
    import torch
    from torch import nn

    from goldieval.models.torch_adapter import TorchAdapter

    def layer() -> nn.Module:
        return nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)

    class Towers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.image = nn.Conv2d(3, 16, 8, 8), layer()
            self.letters, self.text = nn.Embedding(128, 16), layer()

        def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.image(self.patches(pixels).flatten(2).transpose(1, 2)).mean(1)

        def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.text(self.letters(tokens)).mean(1)

    class Slow(TorchAdapter):
        def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
            meet()
            hold()
            time.sleep(float(os.environ.get("SLEEP_S", "0")))
            return super().encode_image(pixels)

        def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
            hold()
            time.sleep(float(os.environ.get("SLEEP_S", "0")))
            return super().encode_text(tokens)

    def see(image: Any) -> torch.Tensor:
        return torch.from_numpy(np.array(image.resize((32, 32)), dtype=np.float32).transpose(2, 0, 1) / 255)

    def spell(texts: Sequence[str]) -> torch.Tensor:
        return torch.tensor([[ord(letter) % 128 for letter in text[:32].ljust(32, "\0")] for text in texts])

    torch.manual_seed(0)
    return Slow(Towers(), see, spell, spec="slow", family="file")


def meet() -> None:
    """Wait until as many processes as $TOGETHER says have reached this line, so that they do run at once."""
    if "TOGETHER" not in os.environ:
        return
    place, count = Path(os.environ["PLACE"]), int(os.environ["TOGETHER"])
    (place / str(os.getpid())).touch()
    end = time.monotonic() + 600
    while len(list(place.iterdir())) < count and time.monotonic() < end:
        time.sleep(0.02)


def hold() -> None:
    """Encode nothing more once as many chunks as $HOLD says are there, however late this process is killed for it."""
    count = int(os.environ.get("HOLD", "0"))
    while count and len(list(Path(os.environ["GOLDIEVAL_STORE"]).rglob("*.safetensors"))) >= count:
        time.sleep(0.05)


def command(arguments: list[str], environment: dict[str, str], log: Path) -> None:
    """The program, in a process of its own."""
    from goldieval.cli import main

    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    os.environ.update(environment)
    sys.argv = ["goldieval", *arguments]
    main()


class Run(NamedTuple):
    """One ``goldieval run`` with a store and an output folder below ``root``."""

    root: Path
    out: str = "out"

    @property
    def log(self) -> Path:
        return self.root / f"{self.out}.log"

    def start(self, **environment: str) -> ForkServerProcess:
        self.root.mkdir(exist_ok=True)
        card = self.root / "card.yaml"
        card.write_text(CARD)
        arguments = ["run", "--model", f"{__file__}:slow", "--tasks", str(card), "--out", str(self.root / self.out)]
        arguments += ["--device", "cpu", "--workers", "1"]
        variables = dict(os.environ) | {"GOLDIEVAL_STORE": str(self.root / "store")} | environment
        context = multiprocessing.get_context("forkserver")
        modules = ["goldieval.engine.run", "goldieval.report.console", "pyarrow.parquet", "pandas"]
        context.set_forkserver_preload(modules)
        process = context.Process(target=command, args=(arguments, variables, self.log), daemon=True)
        process.start()
        return process

    def finish(self, process: ForkServerProcess) -> None:
        process.join(600)
        assert process.exitcode == 0, self.log.read_text()

    def inodes(self) -> dict[str, int]:
        """Which chunks are there; one that is written again gets another number."""
        return {file.name: file.stat().st_ino for file in self.root.rglob("*.safetensors")}

    @property
    def chunks(self) -> dict[str, bytes]:
        return embeddings(self.root)

    @property
    def record(self) -> Record:
        from goldieval.records.results import load_results

        (record,) = load_results(self.root / self.out)
        return record

    @property
    def table(self) -> bytes:
        (file,) = (self.root / self.out).rglob("*.parquet")
        return file.read_bytes()


def embeddings(root: Path) -> dict[str, bytes]:
    """The bits of every stored chunk by its place; the order of a file's metadata is chance."""
    from safetensors.numpy import load

    files = sorted(root.rglob("*.safetensors"))
    return {str(file.relative_to(root)): load(file.read_bytes())["embeddings"].tobytes() for file in files}


def same(run: Run, whole: Run) -> bool:
    """Bit for bit: metrics, outcomes and, where the stores are complete, every stored chunk."""
    told = [record.model_dump(exclude={"run", "environment", "sha256"}) for record in (run.record, whole.record)]
    return told[0] == told[1] and run.table == whole.table and run.chunks == whole.chunks


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nobody disturbed."""
    run = Run(tmp_path_factory.mktemp("whole") / "run")
    run.finish(run.start())
    assert run.record.run.encoded == {"images": IMAGES, "texts": TEXTS} and len(run.chunks) == 5
    return run


def test_a_killed_run_goes_on_where_it_was_and_gives_the_same_bits(tmp_path: Path, whole: Run) -> None:
    """Killed once among the pictures (3 chunks) and once among the texts (2)."""
    run, written = Run(tmp_path / "run"), {}
    for chunks in (1, 3):
        process = run.start(HOLD=str(chunks))
        while len(run.inodes()) < chunks and process.is_alive():
            time.sleep(0.01)
        process.kill()
        process.join()
        assert process.exitcode == -9 and not list(run.root.rglob("*.json"))
        assert written.items() <= run.inodes().items() and chunks <= len(run.inodes()) < 5
        written = run.inodes()
    run.finish(run.start())
    assert written.items() <= run.inodes().items()
    encoded = run.record.run.encoded
    assert encoded == {"images": 0, "texts": TEXTS if len(written) == 3 else TEXTS - 1024}
    assert run.record.run.reused == {"images": IMAGES, "texts": TEXTS - encoded["texts"]}
    assert same(run, whole)


def test_two_runs_at_once_share_the_work_and_both_give_the_same_bits(tmp_path: Path, whole: Run) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    runs = [Run(tmp_path / "run", out) for out in ("one", "two")]
    processes = [run.start(SLEEP_S="0.05", TOGETHER="2", PLACE=str(meeting)) for run in runs]
    for run, process in zip(runs, processes, strict=True):
        run.finish(process)
    encoded = [run.record.run.encoded for run in runs]
    assert all(each["images"] > 0 for each in encoded)
    assert sum(each["images"] for each in encoded) == IMAGES and sum(each["texts"] for each in encoded) == TEXTS
    assert all(same(run, whole) for run in runs)
    assert not list(tmp_path.rglob("*.lock"))


def test_whichever_chunks_are_left_the_random_model_gives_the_same_bits(tmp_path: Path, store: Path) -> None:
    from goldieval import evaluate, load_model

    card = tmp_path / "card.yaml"
    card.write_text(CARD)
    model = load_model("random")
    (before,) = evaluate(model, str(card), out=tmp_path / "before")
    chunks = embeddings(store)
    for kept in ((0, 3), (1, 2, 4)):
        for file in [file for number, file in enumerate(chunks) if number not in kept]:
            (store / file).unlink()
        (after,) = evaluate(model, str(card), out=tmp_path / "after")
        assert after.metrics == before.metrics and after.outcomes == before.outcomes
        assert embeddings(store) == chunks
        assert sum(after.run.encoded.values()) > 0
