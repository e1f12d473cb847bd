"""SigLIP, SigLIP 2, MetaCLIP, DFN, Perception Encoder and longer contexts in open_clip: by config, on small towers.

Activation, context length, text cleaning, transform and padding are what differs; real weights were never run here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
import torch.nn.functional as F
from open_clip import factory
from open_clip.factory import get_model_config
from tiny_models import CORPUS, unigram

from goldieval import load_model
from goldieval.models.adapter import inference
from model_adapters.open_clip_weights import usual_transform

VISION = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
SMALL = {"width": 32, "heads": 2, "layers": 2}
LIKE = ("ViT-B-16-SigLIP", "ViT-B-16-SigLIP2", "PE-Core-B-16", "ViT-B-16-quickgelu")


@pytest.fixture(scope="module", autouse=True)
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Register the text part of real configs on small towers; a tokenizer that would be downloaded is replaced."""
    folder = tmp_path_factory.mktemp("configs")
    tokenizer = folder / "tokenizer"
    unigram(lower=False).save_pretrained(tokenizer)
    configs = {f"SMALL-{name}": get_model_config(name) for name in LIKE}
    configs["SMALL-long"] = {"embed_dim": 32, "text_cfg": {"context_length": 248, "vocab_size": 49408}}
    for name, config in configs.items():
        text = config["text_cfg"] | SMALL
        if "hf_tokenizer_name" in text:
            text |= {"hf_tokenizer_name": str(tokenizer), "vocab_size": 100}
        (folder / f"{name}.json").write_text(
            json.dumps(config | {"embed_dim": 32, "vision_cfg": VISION, "text_cfg": text})
        )
    open_clip.add_model_config(folder)
    yield
    factory._MODEL_CONFIG_PATHS.remove(folder)
    for name in configs:
        del factory._MODEL_CONFIGS[name]


@pytest.mark.parametrize(("name", "context"), [("ViT-B-16-SigLIP", 64), ("ViT-B-16-SigLIP2", 64)])
def test_siglip_cleans_its_texts_pads_to_64_and_is_never_trimmed(name: str, context: int) -> None:
    """open_clip's "canonicalize" converts to lower case and removes punctuation; the tokenizer itself does neither."""
    model: Any = load_model(f"open_clip:SMALL-{name}")
    tokens = model.tokenize(["A dog, a cat!", "a dog a cat", CORPUS[1]])
    assert tokens.shape == (3, context) and torch.equal(tokens[0], tokens[1])
    assert not torch.equal(tokens[1], tokens[2])
    assert not hasattr(model, "trim") and model.describe().context_length == context
    assert model.module.logit_bias.item() == -10
    with inference(model):
        together, alone = model.encode_text(tokens), model.encode_text(tokens[:1])
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "context"), [("PE-Core-B-16", 32), ("long", 248), ("ViT-B-16-quickgelu", 77)])
def test_clips_own_tokenizer_at_other_contexts_is_trimmed_exactly(name: str, context: int) -> None:
    model: Any = load_model(f"open_clip:SMALL-{name}")
    texts = ["A dog!", "a photo of a dog", "dog " * 300]
    tokens = model.tokenize(texts)
    assert tokens.shape == (3, context) and int(tokens[2, -1]) == 49407, "a longer text ends with the end token"
    with inference(model):
        padded, short = model.encode_text(tokens[:2]), model.encode_text(model.trim(tokens[:2]))
    assert model.trim(tokens[:2]).shape[1] < context
    torch.testing.assert_close(F.normalize(short), F.normalize(padded), atol=1e-5, rtol=0)


def test_quickgelu_is_the_configs() -> None:
    """MetaCLIP and DFN share OpenAI's activation; SigLIP 2's text tower has GELU by tanh."""
    quick: Any = load_model("open_clip:SMALL-ViT-B-16-quickgelu")
    plain: Any = load_model("open_clip:SMALL-long")
    assert "QuickGELU" in repr(quick.module) and "QuickGELU" not in repr(plain.module)
    siglip: Any = load_model("open_clip:SMALL-ViT-B-16-SigLIP2")
    assert "approximate='tanh'" in repr(siglip.module.text)


@pytest.mark.parametrize(
    ("name", "mean", "interpolation", "resize"),
    [
        ("ViT-B-16-SigLIP", 0.5, "bicubic", "squash"),
        ("ViT-B-16-SigLIP2-384", 0.5, "bicubic", "squash"),
        ("PE-Core-B-16", 0.5, "bilinear", "squash"),
        ("ViT-B-16-quickgelu", 0.48145466, "bicubic", "shortest"),
    ],
)
def test_a_checkpoint_file_gets_its_architectures_transform(
    name: str, mean: float, interpolation: str, resize: str
) -> None:
    found = usual_transform(name)
    assert (found["mean"][0], found["interpolation"], found["resize_mode"]) == (mean, interpolation, resize)


def test_an_architecture_without_published_weights_has_clips_transform() -> None:
    assert usual_transform("SMALL-long") == {}


def test_a_dreamlip_checkpoint_loads_as_open_clips(tmp_path: Path) -> None:
    """Its layout is open_clip's own."""
    torch.manual_seed(5)
    state = open_clip.create_model("SMALL-ViT-B-16-quickgelu").state_dict()
    torch.save({"epoch": 32, "state_dict": {f"module.{name}": part for name, part in state.items()}}, tmp_path / "d.pt")
    assert load_model(f"open_clip:SMALL-ViT-B-16-quickgelu@{tmp_path / 'd.pt'}").describe().notice == ""
