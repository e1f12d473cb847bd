"""Write the logits and predictions that clip-benchmark's command line computes and discards, sample by sample.

ORACLE_PYTHON benchmarks/clip_benchmark_predictions.py --model ARCH --pretrained FILE --root DIR --name NAME --output DIR

Runs in the environment of clip-benchmark (see benchmarks/README.md) and does not import goldieval. The steps are those of
``clip_benchmark.cli.run`` with --no_amp --num_workers 1, in its order and with its batches.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from clip_benchmark.datasets.builder import build_dataset
from clip_benchmark.metrics.zeroshot_classification import run_classification, zero_shot_classifier
from clip_benchmark.models import load_clip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--pretrained", required=True)
    parser.add_argument("--root", required=True, help="folder of the web dataset")
    parser.add_argument("--name", required=True)
    parser.add_argument("--output", type=Path, required=True, help="gets logits.npy, predictions.npy and labels.npy")
    parser.add_argument("--batch_size", type=int, default=64)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    model, transform, tokenizer = load_clip("open_clip", arguments.model, arguments.pretrained, None, "cpu")
    model.eval()
    dataset = build_dataset(f"wds/{arguments.name}", root=arguments.root, transform=transform, split="test")
    loader = torch.utils.data.DataLoader(dataset.batched(arguments.batch_size), batch_size=None, num_workers=1)
    classifier = zero_shot_classifier(model, tokenizer, dataset.classes, dataset.templates, "cpu", amp=False)
    logits, labels = run_classification(model, classifier, loader, "cpu", amp=False)
    arguments.output.mkdir(parents=True, exist_ok=True)
    np.save(arguments.output / "logits.npy", logits.numpy())
    np.save(arguments.output / "predictions.npy", logits.argmax(axis=1).numpy())
    np.save(arguments.output / "labels.npy", labels.numpy())


if __name__ == "__main__":
    main()
