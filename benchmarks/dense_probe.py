"""Training of a linear head on stored patch features: goldieval against mmsegmentation's head in mmengine's loop.

    uv run python benchmarks/dense_probe.py [--device cuda] [--images 256] [--batch 16] [--rounds 3]

Pictures, masks and features are made in a temporary folder; the features are those that a run keeps in its store, and both sides
read the same files. Theirs is torch's batch normalisation with mmsegmentation's ``FCNHead`` (no convolutions) and
cross-entropy, trained by mmengine's ``Runner`` with ``IterBasedTrainLoop``, on the same batches with the same learning rates.
Each training runs in a process of its own, in turns. Printed are the median seconds of a step, the memory at the peak above that
before training, the ratios of both, and the largest difference of the trained weights; exit status 1 if that is more than 1e-3
of the largest weight.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from measuring import add_device_option, device_name, wait
from PIL import Image

from goldieval.engine.embeddings import NoEmbeddings
from goldieval.engine.load import load_task_data
from goldieval.engine.options import Options
from goldieval.engine.reporter import Reporter
from goldieval.engine.store import Store
from goldieval.engine.task_run import LoadedTaskRun
from goldieval.families.dense_probe_features import Features, features_of
from goldieval.families.dense_probe_fit import HeadPlan, Training, rate_of, shuffled
from goldieval.families.dense_probe_head import WEIGHTS, new_head
from goldieval.families.dense_probe_windows import Window
from goldieval.models.adapter import ModelInfo
from goldieval.tasks.card import load_card

SIDE, PATCH, DIM, RATE, DECAY, TOLERANCE = 512, 16, 512, 0.01, 1e-4, 1e-3


@dataclass(frozen=True)
class Setup:
    """What is trained.

    Attributes:
        folder: folder of pictures, masks, card and store.
        images: number of training pictures, each of which is one window.
        batch: windows per step.
        classes: number of classes.
        epochs: passes over the windows.
        device: device of the heads.
        threads: threads of torch.
    """

    folder: Path
    images: int
    batch: int
    classes: int
    epochs: int
    device: str
    threads: int

    @property
    def steps(self) -> int:
        return self.epochs * (self.images // self.batch)


@dataclass
class Result:
    """One training.

    Attributes:
        seconds: wall time of each step.
        processor: processor time of each step, of all threads.
        memory: bytes at the peak above those before training.
        weights: the trained weights, by name.
    """

    seconds: list[float]
    processor: list[float]
    memory: int
    weights: dict[str, np.ndarray]


class Projection:
    """A model whose patch features are random combinations of the pixels of a patch."""

    concurrent = True

    def __init__(self) -> None:
        self._weights = torch.randn(3 * PATCH**2, DIM, generator=torch.Generator().manual_seed(0)) / PATCH

    def normalise(self, picture: torch.Tensor) -> torch.Tensor:
        return 2 * picture - 1

    def dense(self, pixels: torch.Tensor, attention: str) -> torch.Tensor:
        patches = torch.nn.functional.unfold(pixels, PATCH, stride=PATCH)[0].T @ self._weights
        return patches.view(1, SIDE // PATCH, SIDE // PATCH, DIM)

    def describe(self) -> ModelInfo:
        return ModelInfo("projection", "projection", "0", "0", "")


@dataclass
class Stamps:
    """A meter that notes the time of every step."""

    device: torch.device
    times: list[tuple[float, float]] = field(default_factory=list)

    def advance(self, count: int) -> None:
        wait(self.device)
        self.times.append((time.perf_counter(), time.process_time()))

    def of_steps(self) -> tuple[list[float], list[float]]:
        """Return wall and processor time of each step between the first and the last stamp."""
        wall, processor = np.diff(np.array(self.times), axis=0).T.tolist()
        return wall, processor


def make(setup: Setup) -> None:
    """Write pictures whose colours depend on their classes, masks and a card, and compute the features."""
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 255, (setup.classes, 3))
    for row in range(setup.images + 1):
        cells = rng.integers(0, setup.classes, (12, 12))
        mask = cells.repeat(43, axis=0).repeat(43, axis=1)[:SIDE, :SIDE]
        picture = np.clip(colours[mask] + rng.normal(0, 40, (SIDE, SIDE, 3)), 0, 255)
        for kind, array in (("images", picture), ("masks", mask)):
            file = setup.folder / ("test" if row == setup.images else "train") / kind / f"{row:04d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array.astype(np.uint8)).save(file, compress_level=1)
    source = {"reader": "masks", "path": ".", "images": "test/images", "masks": "test/masks"}
    source |= {"train": {"images": "train/images", "masks": "train/masks"}}
    params = {"short_side": SIDE, "crop": SIDE, "stride": SIDE, "epochs": setup.epochs, "batch": setup.batch}
    params |= {"learning_rates": [RATE], "weight_decay": DECAY, "seeds": 1}
    card = {"name": "made", "family": "dense-probe", "version": 1, "protocol": "p", "title": "t", "licence": "none"}
    card |= {"source": source, "headline": "miou"}
    card |= {"params": params | {"class_names": [f"class {n}" for n in range(setup.classes)]}}
    (setup.folder / "made.yaml").write_text(yaml.safe_dump(card))
    features = _features(setup)
    features.prepare(features.run.prepared.train.tolist())


def _features(setup: Setup) -> Features:
    """Return the stored features of the task, as a run of goldieval opens them."""
    loaded = load_task_data(load_card(setup.folder / "made.yaml"), setup.folder, None, 2)
    model: Any = Projection()
    run: Any = LoadedTaskRun(
        loaded,
        model,
        "dense-probe:projected",
        device=setup.device,
        embeddings=NoEmbeddings("none are needed"),
        options=Options(),
        reporter=Reporter(),
        seconds={},
        store=Store(setup.folder / "store"),
        info=model.describe(),
    )
    return features_of(run)


def ours(setup: Setup) -> Result:
    """Train a head as a run does."""
    features, device = _features(setup), torch.device(setup.device)
    rows = features.run.prepared.train.tolist()
    training = Training(features, dict.fromkeys(rows, (SIDE, SIDE)), setup.device)
    meter, before = Stamps(device), _memory(device)
    head = training.trained(HeadPlan(0, tuple(rows), 0, RATE), meter)  # type: ignore[arg-type]
    return Result(*meter.of_steps(), _memory(device) - before, {name: head.arrays()[name] for name in WEIGHTS})


def theirs(setup: Setup) -> Result:
    """Train mmsegmentation's head in mmengine's loop, on the same batches."""
    from mmengine.hooks import Hook
    from mmengine.model import BaseModel
    from mmengine.optim import OptimWrapper
    from mmengine.runner import Runner
    from mmengine.structures import PixelData
    from mmseg.models.decode_heads import FCNHead
    from mmseg.structures import SegDataSample

    features, device = _features(setup), torch.device(setup.device)
    run, rows = features.run, features.run.prepared.train.tolist()

    class Model(BaseModel):
        def __init__(self) -> None:
            super().__init__()
            self.bn = torch.nn.BatchNorm2d(DIM)
            self.head = FCNHead(
                in_channels=DIM, channels=DIM, in_index=0, num_convs=0, concat_input=False, dropout_ratio=0,
                num_classes=setup.classes, norm_cfg=None, init_cfg=None,
                loss_decode={"type": "CrossEntropyLoss", "avg_non_ignore": True},
            )  # fmt: skip

        def forward(self, inputs: torch.Tensor, data_samples: list[Any], mode: str) -> dict[str, torch.Tensor]:
            normalised = self.bn(inputs.to(device).float())
            samples = [sample.to(device) for sample in data_samples]
            return {"loss": self.head.loss([normalised], samples, {})["loss_ce"]}

    class Windows(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return len(rows)

        def __getitem__(self, row: int) -> tuple[torch.Tensor, Any]:
            array = features.kept.row(run.keys[row], 0)
            assert array is not None
            label = torch.from_numpy(np.asarray(Image.open(setup.folder / f"train/masks/{row - rows[0]:04d}.png")))
            sample = SegDataSample(gt_sem_seg=PixelData(data=label.long()[None]))
            return torch.from_numpy(array).permute(2, 0, 1), sample

    class Alike(Hook):
        """The same learning rates and running means, and the time of every step."""

        def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
            runner.optim_wrapper.param_groups[0]["lr"] = rate_of(runner.iter, setup.steps, RATE)
            runner.model.bn.momentum = max(0.1, 1 / (runner.iter + 1))

        def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
            meter.advance(1)

    def batches() -> Iterator[list[int]]:
        for epoch in range(setup.epochs):
            order = [window.row for window in shuffled([Window(row, 0) for row in rows], 0, epoch)]
            for first in range(0, len(order) // setup.batch * setup.batch, setup.batch):
                yield order[first : first + setup.batch]

    def collate(items: list[tuple[torch.Tensor, Any]]) -> dict[str, Any]:
        return {"inputs": torch.stack([each for each, _ in items]), "data_samples": [sample for _, sample in items]}

    model, start = Model(), new_head(DIM, setup.classes, 0, "cpu")
    weights = (model.bn.weight, model.bn.bias, model.head.conv_seg.weight, model.head.conv_seg.bias)
    with torch.no_grad():
        for mine, yours in zip(weights, start.weights, strict=True):
            mine.copy_(yours.view_as(mine))
    model.to(device)
    meter = Stamps(device)
    runner = Runner(
        model=model,
        work_dir=str(setup.folder / "work"),
        train_dataloader=torch.utils.data.DataLoader(Windows(), batch_sampler=list(batches()), collate_fn=collate),
        train_cfg={"type": "IterBasedTrainLoop", "max_iters": setup.steps},
        optim_wrapper=OptimWrapper(torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)),
        default_hooks=dict.fromkeys(("logger", "checkpoint", "timer", "sampler_seed", "param_scheduler")),
        custom_hooks=[Alike()],
        log_level="ERROR",
        experiment_name="dense-probe",
    )
    before = _memory(device)
    runner.train()
    arrays = {name: weight.detach().cpu().numpy() for name, weight in zip(WEIGHTS, weights, strict=True)}
    return Result(*meter.of_steps(), _memory(device) - before, arrays)


def _memory(device: torch.device) -> int:
    """Return the bytes of the process at its peak so far, or of the GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _work(side: str, setup: Setup) -> Result:
    torch.set_num_threads(setup.threads)
    logging.disable(logging.WARNING)
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {"ours": ours, "theirs": theirs}[side](setup)


def measured(side: str, setup: Setup) -> Result:
    """Train in a new process, so that memory is that of one training."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_work, (side, setup))


def difference(a: Result, b: Result) -> float:
    """Return the largest difference of weights, as a share of the largest weight of its kind."""
    pairs = [(a.weights[name].ravel(), b.weights[name].ravel()) for name in WEIGHTS]
    return max(float(np.abs(x - y).max() / np.abs(y).max()) for x, y in pairs)


def _medians(results: dict[str, list[Result]], clock: str) -> dict[str, float]:
    return {
        side: statistics.median(s for each in found for s in getattr(each, clock)) for side, found in results.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_device_option(parser)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--classes", type=int, default=150)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sizes = options.images, options.batch, options.classes, options.epochs
        setup = Setup(Path(folder), *sizes, str(options.device), options.threads)
        make(setup)
        print(
            f"torch {torch.__version__}, {device_name(options.device)}, load {os.getloadavg()[0]:.1f}: {setup.steps} steps "
            f"of {setup.batch} windows, {SIDE // PATCH} x {SIDE // PATCH} patches of {DIM}, {setup.classes} classes"
        )
        results: dict[str, list[Result]] = {"ours": [], "theirs": []}
        for _ in range(options.rounds):
            for side, found in results.items():
                found.append(measured(side, setup))
    memory = {side: max(each.memory for each in found) / 1e9 for side, found in results.items()}
    clocks = {clock: _medians(results, clock) for clock in ("seconds", "processor")}
    for side in results:
        print(f"{side}: {clocks['seconds'][side]:.3f} s per step (median), {clocks['processor'][side]:.3f} s of processors, "
              f"{memory[side]:.2f} GB above the start")  # fmt: skip
    ratios = [f"{of['theirs'] / of['ours']:.2f}" for of in (*clocks.values(), memory)]
    largest = difference(results["ours"][0], results["theirs"][0])
    print(
        f"theirs / ours: time {ratios[0]}, processors {ratios[1]}, memory {ratios[2]}; weights differ by {largest:.1e}"
    )
    return int(largest > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
