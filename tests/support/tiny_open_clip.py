"""Tiny open_clip models with a config of their own, as they lie on the Hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

WORDS = ["a", "dog", "##s", "two", "cats", "on", "sofa", "photo", "of"]
TRANSFORM = {
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "interpolation": "bilinear",
    "resize_mode": "squash",
}


def own_config(**text: Any) -> dict[str, Any]:
    """Sizes of a tiny model; its vision tower and its transform are like OpenVision's."""
    vision = {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
    vision |= {"no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True, "norm_kwargs": {"eps": 1e-6}}
    sizes = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    return {
        "model_cfg": {"embed_dim": 32, "vision_cfg": vision, "text_cfg": sizes | text},
        "preprocess_cfg": TRANSFORM,
    }


def clips_config() -> dict[str, Any]:
    """Texts as in CLIPS: BERT's words, and a class token at the end of the padding, where the tower pools."""
    tower = {"vocab_size": 40, "pool_type": "last", "no_causal_mask": True, "act_kwargs": {"approximate": "tanh"}}
    return own_config(**tower, hf_tokenizer_name="bert-base-uncased", tokenizer_mode="clips")


def clips_tokenizer(folder: Path) -> None:
    from transformers import BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    special = ["[PAD]", "[BOS]", "[EOS]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (folder / "vocab.txt").write_text("\n".join([*special, *WORDS]) + "\n")
    BertTokenizerFast(str(folder / "vocab.txt"), bos_token="[BOS]", eos_token="[EOS]").save_pretrained(folder)


def open_clip_folder(folder: Path, config: dict[str, Any]) -> Path:
    """Save a model with random weights as open_clip pushes it to the Hub; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(5)
    module = open_clip.CLIP(**json.loads(json.dumps(config["model_cfg"])))
    state = {name: part.clone().contiguous() for name, part in module.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors", {"format": "pt"})
    return folder
