"""Models of transformers: the library's own forward pass, the same weights in open_clip, and what is refused."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from helpers import one_line
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_models import huggingface_folder

from goldieval import load_model
from goldieval.core.errors import GoldievalError
from goldieval.models.adapter import inference

TEXTS = ["A dog!", "a photo of a large red circle left of two small blue squares", "two cats, on a sofa.", "dog " * 90]


@pytest.fixture(scope="module", params=["clip", "tinyclip", "metaclip2", "siglip", "siglip2"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return huggingface_folder(tmp_path_factory.mktemp("models"), request.param)


def pictures(count: int = 3) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (60, 40 + 19 * n, 3), dtype=np.uint8)) for n in range(count)]


def encoded(model: Any, images: list[Image.Image], texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    pixels, tokens = torch.stack([model.preprocess(image) for image in images]), model.tokenize(texts)
    with inference(model):
        features = (
            model.encode_image(pixels),
            model.encode_text(model.trim(tokens) if hasattr(model, "trim") else tokens),
        )
    return F.normalize(features[0], dim=-1), F.normalize(features[1], dim=-1)


def test_logits_are_those_of_transformers_own_forward(folder: Path) -> None:
    """Processor, tokenizer, padding and masks as the library itself applies them to a batch."""
    from transformers import AutoModel, AutoProcessor

    processor, own = AutoProcessor.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    made = processor(
        text=TEXTS,
        images=pictures(),
        return_tensors="pt",
        padding="max_length",
        truncation=True,
        max_length=made_for(own),
    )
    with torch.inference_mode():
        expected = own(**made).logits_per_image
    images, texts = encoded(load_model(f"huggingface:{folder}"), pictures(), TEXTS)
    bias = own.logit_bias if hasattr(own, "logit_bias") else 0.0
    ours = own.logit_scale.exp() * images @ texts.T + bias
    torch.testing.assert_close(ours.detach(), expected, atol=1e-5, rtol=0)


def made_for(own: Any) -> int:
    return int(own.config.text_config.max_position_embeddings)


def test_the_same_clip_weights_in_open_clip_give_the_same_embeddings(tmp_path: Path) -> None:
    """Weights, QuickGELU, normalisation and tokenizer: two code bases give the same model.

    The pictures have the model's size: transformers resizes with torchvision and open_clip with Pillow, which differ.
    """
    images = [image.resize((32, 32)) for image in pictures()]
    folder = huggingface_folder(tmp_path, "clip")
    state = as_open_clip(load_file(folder / "model.safetensors"))
    torch.save(state, tmp_path / "clip.pt")
    sizes: dict[str, Any] = {
        "embed_dim": 32,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16, "mlp_ratio": 2},
        "text_cfg": {"width": 64, "heads": 2, "layers": 2, "mlp_ratio": 2},
    }
    (tmp_path / "TINY-both-ways.json").write_text(json.dumps(sizes))
    open_clip.add_model_config(tmp_path / "TINY-both-ways.json")
    try:
        peer = encoded(load_model(f"open_clip:TINY-both-ways@{tmp_path / 'clip.pt'}"), images, TEXTS)
    finally:
        open_clip.factory._MODEL_CONFIG_PATHS.remove(tmp_path / "TINY-both-ways.json")
        del open_clip.factory._MODEL_CONFIGS["TINY-both-ways"]
    for ours, theirs in zip(encoded(load_model(f"huggingface:{folder}"), images, TEXTS), peer, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def as_open_clip(theirs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    names = {
        "vision_model.embeddings.class_embedding": "visual.class_embedding",
        "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
        "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
        "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
        "text_model.embeddings.position_embedding.weight": "positional_embedding",
        "logit_scale": "logit_scale",
    }
    state = {ours: theirs[name] for name, ours in names.items()}
    state |= {
        "visual.proj": theirs["visual_projection.weight"].T.contiguous(),
        "text_projection": theirs["text_projection.weight"].T.contiguous(),
    }
    norms = (("vision_model.pre_layrnorm", "visual.ln_pre"), ("vision_model.post_layernorm", "visual.ln_post"))
    for one, other in (*norms, ("text_model.final_layer_norm", "ln_final")):
        state |= {f"{other}.{part}": theirs[f"{one}.{part}"] for part in ("weight", "bias")}
    halves = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    halves["self_attn.out_proj"] = "attn.out_proj"
    for tower, start in (("vision_model", "visual."), ("text_model", "")):
        for layer in range(2):
            block, own = f"{tower}.encoder.layers.{layer}.", f"{start}transformer.resblocks.{layer}."
            for part in ("weight", "bias"):
                state |= {f"{own}{new}.{part}": theirs[f"{block}{old}.{part}"] for old, new in halves.items()}
                joined = torch.cat([theirs[f"{block}self_attn.{side}_proj.{part}"] for side in "qkv"])
                state[f"{own}attn.in_proj_{part}"] = joined
    return state


# What is refused


def refused(spec: str, **options: Any) -> str:
    with pytest.raises(GoldievalError) as caught:
        load_model(spec, **options)
    return one_line(str(caught.value))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return huggingface_folder(tmp_path, "clip")


def test_weights_that_are_missing_pickled_truncated_or_of_another_size_are_one_line(own: Path) -> None:
    file = own / "model.safetensors"
    whole, state = file.read_bytes(), {name: tensor.clone() for name, tensor in load_file(file).items()}
    file.write_bytes(whole[: len(whole) // 2])
    assert "cannot be loaded" in refused(f"huggingface:{own}")
    save_file({**state, "visual_projection.weight": torch.zeros(16, 64)}, file, metadata={"format": "pt"})
    assert "visual_projection.weight has the shape (16, 64), but (32, 64)" in refused(f"huggingface:{own}")
    fewer = {name: tensor for name, tensor in state.items() if name != "visual_projection.weight"}
    save_file(fewer, file, metadata={"format": "pt"})
    assert "visual_projection.weight" in refused(f"huggingface:{own}")
    file.unlink()
    assert "no model.safetensors" in refused(f"huggingface:{own}")
    marker = own / "was_run"
    (own / "pytorch_model.bin").write_bytes(pickle.dumps(_Evil(marker)))
    assert "pytorch_model.bin is pickled" in refused(f"huggingface:{own}")
    assert not marker.exists()


class _Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


def test_a_repository_that_brings_its_own_code_is_refused_and_not_run(own: Path) -> None:
    config = json.loads((own / "config.json").read_text())
    config |= {"model_type": "of_their_own", "auto_map": {"AutoConfig": "theirs.C", "AutoModel": "theirs.M"}}
    (own / "config.json").write_text(json.dumps(config))
    (own / "theirs.py").write_text(f"open({str(own / 'was_run')!r}, 'w')\n")
    assert "config.json asks to run code (auto_map)" in refused(f"huggingface:{own}")
    assert not (own / "was_run").exists()


def test_adapters_beside_the_weights_and_quantised_weights_are_refused(own: Path) -> None:
    file = own / "model.safetensors"
    weights = load_file(file)
    name = next(key for key in weights if key.endswith("q_proj.weight"))
    save_file(weights | {name.replace("weight", "lora_A.weight"): torch.ones(2, 2)}, file, {"format": "pt"})
    assert "1 unexpected tensors" in refused(f"huggingface:{own}")
    save_file(weights | {name: weights[name].to(torch.int8)}, file, {"format": "pt"})
    assert f"{name} is I8, not floating point" in refused(f"huggingface:{own}")
    save_file(weights | {"classifier.weight": torch.ones(2)}, file, {"format": "pt"})
    load_model(f"huggingface:{own}")


def test_a_model_that_is_not_a_dual_encoder_is_refused(own: Path) -> None:
    from transformers import CLIPVisionConfig, CLIPVisionModel

    shutil.copytree(own, own.with_name("vision"))
    CLIPVisionModel(CLIPVisionConfig(hidden_size=64, num_hidden_layers=1, num_attention_heads=2)).save_pretrained(
        own.with_name("vision")
    )
    assert "is not a dual encoder" in refused(f"huggingface:{own.with_name('vision')}")


@pytest.mark.parametrize("spec", ["huggingface", "huggingface:./nowhere", "huggingface:one", "huggingface@/nowhere"])
def test_a_missing_folder_or_name_is_one_line(spec: str) -> None:
    assert "no folder" in refused(spec)


def test_offline_missing_weights_are_an_error_without_a_request(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    line = refused("huggingface:openai/clip-vit-base-patch32", offline=True)
    assert "--offline" in line and "openai/clip-vit-base-patch32" in line


@pytest.mark.parametrize("option", ["", "tokenizer"])
def test_a_model_that_was_saved_without_its_tokenizer_is_refused(tmp_path: Path, option: str) -> None:
    folder = huggingface_folder(tmp_path, "clip")
    for file in (*folder.glob("*token*"), *folder.glob("vocab*"), *folder.glob("merges*")):
        file.unlink()
    with pytest.raises(GoldievalError, match=r"no tokenizer|no tokens besides its special tokens"):
        load_model(f"huggingface:{folder}" + (f"::tokenizer={folder}" if option else ""))
