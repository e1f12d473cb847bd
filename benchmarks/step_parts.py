"""Processor time of a step of a small training by part, each as it was computed before and as it is now.

python benchmarks/step_parts.py                                                       # row (b) of the ablation, one sentence
python benchmarks/step_parts.py --recipe ablation/c_flair --sentences 3 --rounds 21

One thread, on a CPU. Both ways of a part take turns in one process, with the same weights and the same batch, because
other programs move processor time as well: medians, and the median of the ratios of neighbouring rounds. "Before" is
written out here: blocks that compute every token to the end, a lookup of token embeddings for each group of texts,
Muon for one matrix after another, AdamW without its fused kernel, ids padded one text after another.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["ACCELERATE_USE_CPU"] = "true"

import torch

from goldieval.goldiclip import encoders, optimiser
from goldieval.goldiclip.ema import update_teacher
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.recipe_files import load_recipe
from goldieval.goldiclip.trainer import Trainer

WARM_UP_STEPS = 2
Work = Callable[[], object]


class Part(NamedTuple):
    """A part of a step.

    Attributes:
        name: What it does.
        before: How it was computed; None where nothing has changed.
        now: How it is computed.
    """

    name: str
    before: Work | None
    now: Work


def padded_one_by_one(tokenizer: Any, texts: list[list[int]]) -> torch.Tensor:
    room = tokenizer.context_length - 2
    framed = [[tokenizer.sot_token_id, *ids[:room], tokenizer.eot_token_id] for ids in texts]
    rows = torch.zeros(len(framed), max(map(len, framed)), dtype=torch.long)
    for row, ids in zip(rows, framed, strict=True):
        row[: len(ids)] = torch.tensor(ids)
    return rows


def whole_texts(model: GoldiClip, batch: Any) -> torch.Tensor:
    """Encode captions by blocks that compute every token, with a lookup of embeddings for each group."""
    texts = batch.captions
    ids = texts.flat[texts.order()]
    return torch.cat([model.encode_text(ids[rows, :longest]) for rows, longest in texts.groups(encoders.LENGTH_GROUPS)])


class Parts:
    """The parts of a recipe's step, of a trainer that has done a few."""

    def __init__(self, trainer: Trainer) -> None:
        for _ in range(WARM_UP_STEPS):
            trainer.train_step()
        self.trainer, self.model = trainer, trainer.student.model
        self.batch, self.precision = trainer.loader.batch(trainer.step), trainer.recipe.optimiser.precision
        self.pixels, self.next = self.batch.images.first(), trainer.step
        trainer.passes.backward(self.batch, trainer.step)  # leaves gradients for the optimisers
        self.gradients = {parameter: parameter.grad for parameter in self.model.parameters()}

    def all(self) -> list[Part]:
        model, batch, recipe = self.model, self.batch, self.trainer.recipe
        image = partial(self._both_ways, lambda: model.image_features(self.pixels)[0])
        alone = partial(self._both_ways, lambda: model.global_features(self.pixels))
        captions = partial(self._both_ways, lambda: encoders.captions(model, batch)[0])
        ids = [[5] * int(length - 2) for length in batch.captions.host_lengths.flatten()]
        tokenizer = self.trainer.tokenizer
        return [
            Part("a batch is made", None, self._feed),
            Part("  of which: texts are padded", partial(padded_one_by_one, tokenizer, ids),
                 partial(tokenizer.padded, ids)),
            Part("crops", None, batch.images.first),
            Part("image tower", image, image if recipe.uses_patches else alone),
            Part("text tower", partial(self._both_ways, lambda: whole_texts(model, batch)), captions),
            *self._optimisers(),
            Part("gradient norm", None, partial(torch.nn.utils.clip_grad_norm_, list(model.parameters()), 1e9)),
            Part("teacher", None, partial(update_teacher, self.trainer.teacher, model, 0.99)),
        ]  # fmt: skip

    def _feed(self) -> None:
        self.next += 1
        self.trainer.loader.batch(self.next)

    def _both_ways(self, encode: Callable[[], torch.Tensor]) -> None:
        """Encode, and go back from the sum of the features."""
        with self.trainer.accelerator.autocast():
            features = encode()
        features.float().sum().backward()  # type: ignore[no-untyped-call]

    def _optimisers(self) -> list[Part]:
        """Optimisers that move nothing: what they compute does not depend on the learning rate."""
        student, recipe = self.trainer.student, self.trainer.recipe
        changed = recipe.optimiser.model_copy(update={"lr": 1e-30, "muon_lr": recipe.optimiser.muon_lr and 1e-30})
        still = recipe.model_copy(update={"optimiser": changed})
        matrices = optimiser.matrices_of_blocks(student) if changed.muon_lr else []
        plain, fused = (
            torch.optim.AdamW(optimiser.parameter_groups(student, still, without=matrices), lr=1e-30, fused=kind)
            for kind in (None, True)
        )
        parts = [Part("AdamW", partial(self._moved, plain), partial(self._moved, fused))]
        if matrices:
            one_by_one = torch.optim.Muon(matrices, lr=1e-30, adjust_lr_fn="match_rms_adamw")
            at_once = optimiser._muon(matrices, 1e-30, 0.1)
            parts.append(Part("Muon", partial(self._moved, one_by_one), partial(self._moved, at_once)))
        return parts

    def _moved(self, moves: torch.optim.Optimizer) -> None:
        for parameter, gradient in self.gradients.items():
            parameter.grad = gradient
        moves.step()


def milliseconds(work: Work) -> float:
    start = time.process_time()
    work()
    return 1e3 * (time.process_time() - start)


def timed(part: Part, rounds: int) -> tuple[list[float], list[float]]:
    """Time both ways of a part in turns, after a round that does not count."""
    ways = [part.now] if part.before is None else [part.before, part.now]
    found: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds + 1):
        for times, way in zip(found, ways, strict=True):
            times.append(milliseconds(way))
    return found[0][1:], found[-1][1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="ablation/b_clip")
    parser.add_argument("--sentences", type=int, default=1, help="largest number of sentences of a caption")
    parser.add_argument("--scenes", type=int, default=2000, help="scenes, which are drawn first")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    changes = {"data.sentences": arguments.sentences, "data.scenes": arguments.scenes, "init": ""}
    trainer = Trainer(load_recipe(arguments.recipe, changes), Path(tempfile.mkdtemp()))
    parts = Parts(trainer)
    lengths = parts.batch.captions.host_lengths.float()
    print(f"{arguments.recipe}, {len(parts.batch)} images, {lengths.numel()} texts of {lengths.mean():.1f} tokens, "
          f"torch {torch.__version__}, 1 thread, load {os.getloadavg()[0]:.1f}\n")  # fmt: skip
    print(f"{'core-ms a step':32}{'before':>9}{'now':>9}{'ratio':>8}")
    for part in parts.all():
        before, now = timed(part, arguments.rounds)
        ratio = statistics.median(new / old for old, new in zip(before, now, strict=True))
        print(f"{part.name:32}{statistics.median(before):9.1f}{statistics.median(now):9.1f}{ratio:8.2f}", flush=True)
    steps = [milliseconds(trainer.train_step) for _ in range(arguments.rounds)]
    print(f"{'a whole step':32}{'':9}{statistics.median(steps):9.1f}")


if __name__ == "__main__":
    main()
