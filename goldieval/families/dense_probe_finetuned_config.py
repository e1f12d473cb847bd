"""The configuration of a fine-tuning in mmsegmentation's form: what is run, printed and stored with the record.

SuperCLIP fine-tunes the whole tower with a linear head, but does not state its recipe. This one follows the linear
head of DINOv2 (batch norm and one linear layer, 40,000 steps of 16 windows) and mmsegmentation's fine-tuning of a
ViT-B/16 on ADE20K: AdamW with learning rate 6e-5 and decay 0.01, but not of norms, biases and positions; a linear
warm-up of 1,500 steps, and decay to 0 (poly, power 1); random resizing, cropping, flipping and photometric distortion.
The tenfold rate of the head is what mmsegmentation recommends for fine-tuning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goldieval.data.masks import IGNORED
from goldieval.families.mmseg_parts import quiet_import
from goldieval.tasks.dense_probe_params import DenseProbeParams

OURS = "goldieval.families.dense_probe_finetuned"
TOWER, PICTURES, ORDER = f"{OURS}_tower.Tower", f"{OURS}_pictures.Pictures", f"{OURS}_pictures.Order"
HEAD = f"{OURS}_head.TargetHead"
NORMALISE = f"{OURS}_pictures.Normalise"
MOST_OF_A_CLASS = 0.75  # share of a window that one class may fill, if ten draws find another window
SCHEDULE = "with linear warm-up over {:,} steps and linear decay to 0 (poly with power 1)"
POSITIONS = {name: {"decay_mult": 0.0} for name in ("position", "pos_embed")}  # of open_clip and transformers; of timm
WARMUP_FROM = 1e-6  # of the learning rates


def configuration(
    params: DenseProbeParams, classes: Sequence[str], outputs: int, width: int, seed: int
) -> dict[str, Any]:
    """Return the configuration of one training, of plain values only.

    Args:
        params: parameters of the task.
        classes: names of the classes; empty for depth.
        outputs: numbers that the head gives for each patch.
        width: length of a patch feature.
        seed: seed of the training.
    """
    window = (params.crop, params.crop)
    of_classes = params.target == "classes"
    return {
        "default_scope": "mmseg",
        "randomness": {"seed": seed},
        "model": {
            "type": "EncoderDecoder",
            "data_preprocessor": {
                "type": "SegDataPreProcessor",
                "size": window,
                "pad_val": 0,
                "seg_pad_val": IGNORED if of_classes else 0,
            },
            "backbone": {"type": TOWER, "features": params.features, "crop": params.crop},
            "decode_head": {
                "type": "FCNHead" if of_classes else HEAD,
                "num_convs": 0,
                "concat_input": False,
                "in_channels": width,
                "channels": width,
                "in_index": 0,
                "num_classes": outputs,
                "dropout_ratio": 0,
                "align_corners": False,
                "ignore_index": IGNORED,
                "loss_decode": {"type": "CrossEntropyLoss", "avg_non_ignore": True},
            },
            "train_cfg": {},
            "test_cfg": {"mode": "slide", "crop_size": window, "stride": (params.stride, params.stride)},
        },
        "train_pipeline": _pipeline(params),
        "train_dataloader": {
            "batch_size": params.batch,
            "sampler": {"type": ORDER, "seed": seed},
            "dataset": {"type": PICTURES, "classes": list(classes)},
        },
        "train_cfg": {"type": "IterBasedTrainLoop", "max_iters": params.iterations},
        "optim_wrapper": {
            "type": "OptimWrapper",
            "optimizer": {
                "type": "AdamW",
                "lr": params.tower_rate,
                "betas": (0.9, 0.999),
                "weight_decay": params.weight_decay,
            },
            "paramwise_cfg": {
                "custom_keys": POSITIONS | _new_weights(params.head_rate / params.tower_rate),
                "norm_decay_mult": 0.0,
                "bias_decay_mult": 0.0,
                "flat_decay_mult": 0.0,
                "bypass_duplicate": True,
            },
        },
        "param_scheduler": _schedule(params),
    }


def config_text(config: dict[str, Any]) -> str:
    """Return a configuration as a file of mmsegmentation."""
    text: str = quiet_import("mmengine.config").Config(config).pretty_text
    return text


def summary(params: DenseProbeParams) -> str:
    """Return the recipe in one line."""
    return (
        f"AdamW, {params.iterations:,} steps of {params.batch} windows of {params.crop} px, learning rate "
        f"{params.tower_rate:g} of the tower and {params.head_rate:g} of the head, weight decay {params.weight_decay:g}"
    )


def _new_weights(ratio: float) -> dict[str, Any]:
    """Return settings of the weights that are not the tower's: custom keys replace the rules for norms and biases.

    Args:
        ratio: their learning rate by that of the tower.
    """
    return {
        "backbone.norm": {"lr_mult": ratio, "decay_mult": 0.0},
        "conv_seg.bias": {"lr_mult": ratio, "decay_mult": 0.0},
        "conv_seg.weight": {"lr_mult": ratio},
    }


def _pipeline(params: DenseProbeParams) -> list[dict[str, Any]]:
    return [
        {
            "type": "RandomResize",
            "scale": (params.long_side, params.short_side),
            "ratio_range": tuple(params.ratios),
            "keep_ratio": True,
        },
        {
            "type": "RandomCrop",
            "crop_size": (params.crop, params.crop),
            "cat_max_ratio": MOST_OF_A_CLASS if params.target == "classes" else 1.0,
            "ignore_index": IGNORED,
        },
        {"type": "RandomFlip", "prob": 0.5},
        {"type": "PhotoMetricDistortion"},
        {"type": NORMALISE},
        {"type": "PackSegInputs"},
    ]


def _schedule(params: DenseProbeParams) -> list[dict[str, Any]]:
    warmup = {
        "type": "LinearLR",
        "start_factor": WARMUP_FROM,
        "begin": 0,
        "end": params.warmup,
        "by_epoch": False,
    }
    decay = {
        "type": "PolyLR",
        "power": 1.0,
        "eta_min": 0.0,
        "begin": params.warmup,
        "end": params.iterations,
        "by_epoch": False,
    }
    return [warmup, decay] if params.warmup else [decay]
