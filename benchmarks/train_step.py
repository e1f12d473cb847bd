"""A step of the built-in trainer with CLIP's objective alone against open_clip, then with each objective added.

python benchmarks/train_step.py                                  # tiny, bf16, on this machine
python benchmarks/train_step.py --precision no
python benchmarks/train_step.py --size b16                       # ViT-B/16 at 224 with CLIP's vocabulary: for a GPU
python benchmarks/train_step.py --only-executions --compile      # time and memory of each setting of `execution`

Sizes are those of the recipes (sizes.yaml), with the stem that open_clip has; a recipe's own stem is `overlap`.

The other side is open_clip's CLIP with the same sizes and weights, its ClipLoss, AdamW with its parameter groups, its clamp of the
scale and no clipping, as in its trainer by default. It is timed twice: with texts padded to 77 tokens, as by its tokenizer, and
with a context cut to the longest text of the batch, which is faster and the one that counts.

Claims (exit status 1 if the first fails): the same loss in each of the first steps; at least 0.95 of open_clip's images per
second. Both sides have their batch on the device; data loading is not timed. The built-in trainer does more in a step: it
computes and clips the gradient norm, updates the moving average of the teacher and checks that the loss is finite.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from measuring import add_device_option, device_name, matrix_rate, wait
from step_executions import compare
from torch import nn

LEAST_SPEED = 0.95
MOST_DIFFERENCE = {"no": 1e-5, "bf16": 5e-3}  # of a loss, relative
COMPARED_STEPS = 3
LR, WEIGHT_DECAY, BETAS, EPS = 1e-4, 0.2, (0.9, 0.98), 1e-6
NEVER_CLIPS = 1e6


@dataclass(frozen=True)
class Size:
    """Sizes of the recipes at a ``model.size``.

    Attributes:
        local_size: Side of a local crop in pixels.
        batch: Images per step.
    """

    local_size: int
    batch: int


SIZES = {"tiny": Size(24, 64), "b16": Size(96, 256)}

DISTILS = ("softmax", "conditioned", "distil_agnostic", "distil_conditioned")
ALL = (*DISTILS, "vqa", "token_classes")
LIKE_GOLDICLIP = ("sigmoid", *DISTILS[1:], "vqa")
# What is timed beside the first: title, objectives, the decoder, learned weights.
ADDED: tuple[tuple[str, tuple[str, ...], str, bool], ...] = (
    ("softmax", DISTILS[:1], "none", False),
    ("+ conditioned", DISTILS[:2], "none", False),
    ("+ distil_agnostic", DISTILS[:3], "none", False),
    ("+ distil_conditioned", DISTILS, "none", False),
    ("+ vqa, in_encoder", ALL[:5], "in_encoder", False),
    ("+ vqa, through_encoder", ALL[:5], "through_encoder", False),
    ("+ token_classes", ALL, "through_encoder", False),
    ("+ learned weights", ALL, "through_encoder", True),
)

Step = Callable[[], float]


class Ready:
    """A loader with one batch on the device, which it returns in every step."""

    def __init__(self, ready: Any) -> None:
        self.ready = ready

    def batch(self, step: int) -> Any:
        return self.ready


class Bench:
    """Builds both sides with the same corpus, size and precision."""

    def __init__(self, name: str, size: Size, precision: str) -> None:
        from goldieval.goldiclip.config import ModelConfig
        from goldieval.goldiclip.data.shapes import shapes_corpus
        from goldieval.goldiclip.recipe_files import SIZES as FILE
        from goldieval.goldiclip.tokenizer import Tokenizer
        from goldieval.tasks.card import read_yaml

        self.size, self.precision = size, precision
        self.model = {**read_yaml(FILE)[name], "stem": "patch"}  # the stem that the peer has
        self.config = ModelConfig.model_validate(self.model)
        tokenizer = Tokenizer(self.config.merges, self.config.context_length)
        self.corpus = shapes_corpus(size.batch, self.config.image_size, tokenizer)

    def trainer(
        self,
        objectives: tuple[str, ...],
        captions: int,
        decoder: str = "none",
        learned: bool = False,
        execution: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the built-in trainer with its batch on the device, without parts of the model that no objective needs."""
        from goldieval.goldiclip.recipe import Recipe
        from goldieval.goldiclip.trainer import Trainer

        distils = "distil_agnostic" in objectives
        parts = {"decoder": decoder, "token_classes": "token_classes" in objectives}
        recipe = Recipe.model_validate(
            {
                "name": "train_step",
                "title": "benchmark",
                "model": {**self.model, **parts},
                "data": {
                    "scenes": self.size.batch,
                    "captions": captions,
                    "locals": 2 if distils else 0,
                    "local_size": self.size.local_size,
                },
                "objectives": dict.fromkeys(objectives, 1.0),
                "teacher": {"loss": "info_nce"},
                "weighting": {"kind": "uncertainty" if learned else "fixed"},
                "execution": dict(execution or {}),
                "optimiser": {
                    "steps": 10**9,  # the learning rate stays where it is
                    "warm_up": 0,
                    "batch_size": self.size.batch,
                    "lr": LR,
                    "weight_decay": WEIGHT_DECAY,
                    "betas": BETAS,
                    "eps": EPS,
                    "clip": NEVER_CLIPS,
                    "precision": self.precision,
                },
            }
        )
        trainer = Trainer(recipe, Path("nothing-is-written"), corpus=self.corpus)
        trainer.loader = Ready(trainer.loader.batch(0).to(trainer.accelerator.device))  # type: ignore[assignment]
        return trainer

    def with_execution(self, settings: Mapping[str, Any]) -> Step:
        """Return a step of the objectives of goldiclip-b16, computed with some settings of ``execution``."""
        return self.ours(self.trainer(LIKE_GOLDICLIP, 2, "through_encoder", True, settings))

    def ours(self, trainer: Any) -> Step:
        return lambda: trainer.train_step().total

    def peer(self, trainer: Any, padded: bool) -> Step:
        """Return open_clip's step on the batch of the trainer, with the current weights of its model."""
        from open_clip.loss import ClipLoss

        batch, device = trainer.loader.ready, trainer.accelerator.device
        images, texts = batch.images.first(), batch.captions.ids[:, 0]
        if padded:
            texts = nn.functional.pad(texts, (0, self.config.context_length - texts.shape[1]))
        model = open_clips(trainer.student.model, texts.shape[1]).to(device).train()
        optimiser, loss = torch.optim.AdamW(groups(model), lr=LR, betas=BETAS, eps=EPS), ClipLoss()

        def step() -> float:
            optimiser.zero_grad()
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"):
                total = sum(loss(**model(images, texts), output_dict=True).values())
            total.backward()
            optimiser.step()
            with torch.no_grad():
                model.logit_scale.clamp_(0, math.log(100))
            return float(total.detach())

        return step


def open_clips(ours: nn.Module, context: int) -> nn.Module:
    """Return open_clip's CLIP with the same weights and with the given context length, to which texts are padded."""
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    sizes: Any = ours.config
    vision = CLIPVisionCfg(
        layers=sizes.vision_layers,
        width=sizes.vision_width,
        head_width=sizes.vision_width // sizes.vision_heads,
        patch_size=sizes.patch_size,
        image_size=sizes.image_size,
    )
    text = CLIPTextCfg(
        context_length=context,
        vocab_size=sizes.vocab_size,
        width=sizes.text_width,
        heads=sizes.text_heads,
        layers=sizes.text_layers,
    )
    model = CLIP(sizes.embed_dim, vision, text, output_dict=True)
    state = ours.state_dict()
    named = {theirs: state[mine] for theirs, mine in ((name, our_name(name)) for name in model.state_dict())}
    for name in ("visual.proj", "text_projection"):
        named[name] = named[name].T
    named["positional_embedding"] = named["positional_embedding"][:context]
    model.load_state_dict(named)
    return model


def our_name(theirs: str) -> str:
    """Return the name in the built-in model of one of open_clip's tensors."""
    names = {
        "positional_embedding": "text.positions",
        "text_projection": "text_projection.weight",
        "token_embedding.weight": "text.embedding.weight",
        "visual.class_embedding": "vision.class_token",
        "visual.positional_embedding": "vision.positions",
        "visual.proj": "image_projection.weight",
        "visual.conv1.weight": "vision.patches.weight",
        "logit_scale": "logit_scale",
    }
    if theirs in names:
        return names[theirs]
    return theirs.replace("visual.", "vision.", 1) if theirs.startswith("visual.") else f"text.{theirs}"


def groups(model: nn.Module) -> list[dict[str, Any]]:
    """Return AdamW as in open_clip's trainer, without weight decay of gains, biases and the scale."""
    named = list(model.named_parameters())
    still = [weights for name, weights in named if weights.ndim < 2 or "ln" in name or "bias" in name]
    decays = [weights for name, weights in named if not (weights.ndim < 2 or "ln" in name or "bias" in name)]
    return [{"params": still, "weight_decay": 0.0}, {"params": decays, "weight_decay": WEIGHT_DECAY}]


@dataclass
class Seconds:
    """Seconds of each round, in wall time and in processor time."""

    wall: list[float]
    processor: list[float]

    def typical(self, device: torch.device) -> float:
        """Return the median of processor time on a CPU, where other programs move wall time; else of wall time."""
        return statistics.median(self.processor if device.type == "cpu" else self.wall)


def timed(sides: dict[str, Step], rounds: int, steps: int, device: torch.device) -> dict[str, Seconds]:
    """Run ``steps`` steps of every side in every round, one side after the other."""
    seconds = {name: Seconds([], []) for name in sides}
    for _ in range(rounds):
        for name, step in sides.items():
            wait(device)
            wall, processor = time.perf_counter(), time.process_time()
            for _ in range(steps):
                step()
            wait(device)
            seconds[name].wall.append((time.perf_counter() - wall) / steps)
            seconds[name].processor.append((time.process_time() - processor) / steps)
    return seconds


def operations(step: Step) -> int:
    """Return the operations of the matrix products of one step; torch does not count attention on a CPU."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def table(seconds: dict[str, Seconds], against: str, batch: int, share: dict[str, float]) -> None:
    print(f"{'':26}{'s a step':>10}{'images/s':>10}{'ratio':>8}{'processor s':>13}{'ratio':>8}{'of matrix rate':>16}")
    base = seconds[against]
    for name, own in seconds.items():
        wall, processor = statistics.median(own.wall), statistics.median(own.processor)
        print(
            f"{name:26}{wall:10.3f}{batch / wall:10.1f}{statistics.median(base.wall) / wall:8.2f}"
            f"{processor:13.3f}{statistics.median(base.processor) / processor:8.2f}{share[name]:16.2f}"
        )


def compared(sides: dict[str, Step], precision: str) -> bool:
    """Print the losses of the first steps of each side; return whether they agree with those of the first side."""
    losses = {name: [step() for _ in range(COMPARED_STEPS)] for name, step in sides.items()}
    for name, values in losses.items():
        print(f"{name:26}{'  '.join(f'{value:.7f}' for value in values)}")
    first, *others = losses.values()
    worst = max(abs(a - b) / abs(a) for other in others for a, b in zip(first, other, strict=True))
    print(f"largest difference {worst:.1e} of the loss (allowed: {MOST_DIFFERENCE[precision]:g})\n")
    return worst <= MOST_DIFFERENCE[precision]


def measured(sides: dict[str, Step], against: str, arguments: argparse.Namespace, batch: int, rate: float) -> float:
    """Time the sides and print the table; return the speed of the first side relative to ``against``."""
    counts = {name: operations(step) for name, step in sides.items()}
    seconds = timed(sides, arguments.rounds, arguments.steps, arguments.device)
    share = {name: counts[name] / own.typical(arguments.device) / rate for name, own in seconds.items()}
    table(seconds, against, batch, share)
    return seconds[against].typical(arguments.device) / seconds[next(iter(sides))].typical(arguments.device)


def place_trainer(device: torch.device) -> None:
    """Let accelerate, which places the trainer, take this device."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    elif device.type == "cpu":
        os.environ["ACCELERATE_USE_CPU"] = "true"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="tiny", help="of both models")
    add_device_option(parser)
    parser.add_argument("--precision", choices=MOST_DIFFERENCE, default="bf16", help="of forward and backward pass")
    parser.add_argument("--rounds", type=int, default=5, help="whose median is shown")
    parser.add_argument("--steps", type=int, default=1, help="of a round; more on a GPU")
    parser.add_argument("--batch", type=int, help="images; the size's own without it")
    parser.add_argument("--only-executions", action="store_true", help="measure the settings of execution alone")
    parser.add_argument("--compile", action="store_true", help="also compiled blocks, which take minutes on a CPU")
    parser.add_argument("--only-peer", action="store_true", help="leave out what each objective adds")
    arguments = parser.parse_args()
    size = SIZES[arguments.size]
    size = replace(size, batch=arguments.batch or size.batch)
    place_trainer(arguments.device)
    rate = matrix_rate(arguments.device, torch.bfloat16 if arguments.precision == "bf16" else torch.float32)
    bench, where = Bench(arguments.size, size, arguments.precision), device_name(arguments.device)
    print(f"{arguments.size}, {size.batch} images, {arguments.precision}, torch {torch.__version__}, {where}, "
          f"load {os.getloadavg()[0]:.1f}, matrix rate {rate / 1e12:.3f} TFLOP/s\n")  # fmt: skip
    if arguments.only_executions:
        compare(bench.with_execution, arguments.device, arguments.rounds, arguments.compile)
        return 0
    trainer = bench.trainer(("softmax",), captions=1)
    cut, padded = bench.peer(trainer, padded=False), bench.peer(trainer, padded=True)
    sides = {"ours": bench.ours(trainer), "open_clip, cut context": cut, "open_clip, 77 tokens": padded}
    agree = compared(sides, arguments.precision)
    ratio = measured(sides, "open_clip, cut context", arguments, size.batch, rate)
    print(f"\nours: {ratio:.2f} of open_clip's speed (aim: at least {LEAST_SPEED:g})\n")
    if not arguments.only_peer:
        added = {title: bench.ours(bench.trainer(what, 2, decoder, on)) for title, what, decoder, on in ADDED}
        measured(added, "softmax", arguments, size.batch, rate)
        print()
        compare(bench.with_execution, arguments.device, arguments.rounds, arguments.compile)
    return int(not agree)


if __name__ == "__main__":
    sys.exit(main())
