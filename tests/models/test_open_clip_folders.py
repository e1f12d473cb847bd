"""open_clip models with a config of their own: from a folder or the Hub, as open_clip itself loads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from adapter_cases import refused
from PIL import Image
from tiny_open_clip import clips_config, clips_tokenizer, open_clip_folder, own_config

from goldieval import load_model
from goldieval.models.adapter import inference

TEXTS = ["a dog", "Two dogs on a sofa", "a photo of two cats " * 9]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    clips_tokenizer(tmp_path / "clips")
    return open_clip_folder(tmp_path / "clips", clips_config())


def compare(folder: Path, spec: str) -> Any:
    """Load a model both ways and compare transform, token ids and embeddings."""
    model: Any = load_model(spec)
    own, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    own.eval()
    noise = np.random.default_rng(0).integers(0, 255, (40, 56, 3), dtype=np.uint8)
    pixels = transform(Image.fromarray(noise))[None]
    ids = open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS)
    assert torch.equal(model.preprocess(Image.fromarray(noise))[None], pixels)
    assert torch.equal(model.tokenize(TEXTS), ids)
    with inference(model), torch.no_grad():
        torch.testing.assert_close(model.encode_image(pixels), own.encode_image(pixels), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(model.encode_text(ids), own.encode_text(ids), atol=1e-6, rtol=1e-5)
    return model


@pytest.mark.parametrize("start", ["", "local-dir:"])
def test_a_folder_is_the_model_that_open_clip_loads(tmp_path: Path, start: str) -> None:
    folder = open_clip_folder(tmp_path / "own", own_config())
    info = compare(folder, f"open_clip:{start}{folder}").describe()
    assert (info.family, info.resolution, info.context_length) == ("open_clip", 32, 16)


def test_clips_has_a_class_token_at_the_end_of_the_padding(clips: Path) -> None:
    model = compare(clips, f"open_clip:{clips}")
    ids = model.tokenize(TEXTS)
    assert ids[0].tolist() == [1, 7, 8, 2, *[0] * 11, 4] and (ids[:, -1] == 4).all()
    assert not hasattr(model, "trim")
    assert model.count_tokens(["a dog", "two dogs"]) == [5, 6]  # start, end and class token


def test_a_tokenizer_of_the_spec_follows_the_mode_of_the_config(clips: Path, tmp_path: Path) -> None:
    clips_tokenizer(tmp_path / "words")
    for file in clips.glob("*token*"):
        file.unlink()
    (clips / "vocab.txt").unlink()
    assert "Put its files into the folder" in refused(f"open_clip:{clips}", offline=True)
    model: Any = load_model(f"open_clip:{clips}::tokenizer={tmp_path / 'words'}", offline=True)
    assert model.tokenize(TEXTS)[0].tolist() == [1, 7, 8, 2, *[0] * 11, 4]


def test_a_folder_takes_options_and_other_weights(tmp_path: Path) -> None:
    folder = open_clip_folder(tmp_path / "own", own_config())
    file = folder / "open_clip_model.safetensors"
    plain = load_model(f"open_clip:{folder}").describe()
    moved = file.rename(tmp_path / "moved.safetensors")
    assert load_model(f"open_clip:{folder}@{moved}").describe().fingerprint == plain.fingerprint
    larger = load_model(f"open_clip:{folder}@{moved}::size=64::resize=shortest").describe()
    assert larger.resolution == 64 and larger.text_identity == plain.text_identity
    assert larger.image_identity != plain.image_identity


def test_what_is_no_model_of_open_clip_is_one_line(tmp_path: Path, clips: Path) -> None:
    folder = open_clip_folder(tmp_path / "own", own_config())
    file, config = folder / "open_clip_config.json", own_config()
    for change, line in (
        ({"trust_remote_code": True}, "asks to run code"),
        ({"text_cfg": config["model_cfg"]["text_cfg"] | {"tokenizer_kwargs": {"trust_remote_code": True}}}, "run code"),
        ({"vision_cfg": config["model_cfg"]["vision_cfg"] | {"layers": 10**8}}, "exceeds the maximum"),
        ({"vision_cfg": config["model_cfg"]["vision_cfg"] | {"width": 10**6}}, "exceeds the maximum"),
        ({"text_cfg": config["model_cfg"]["text_cfg"] | {"vocab_size": 10**8}}, "do not match its weights"),
        ({"vision_cfg": config["model_cfg"]["vision_cfg"] | {"timm_model_name": "no_such"}}, "describes no model"),
        ({"embed_dim": 48}, "does not fit"),
        ({"of_theirs": 1}, "describes no model"),
        ({"text_cfg": 3}, "has no model_cfg with text_cfg"),
    ):
        file.write_text(json.dumps(config | {"model_cfg": config["model_cfg"] | change}))
        assert line in refused(f"open_clip:{folder}")
    file.unlink()
    assert "has no open_clip_config.json" in refused(f"open_clip:{folder}")
    words = json.loads((clips / "tokenizer_config.json").read_text())
    (clips / "tokenizer_config.json").write_text(json.dumps(words | {"bos_token": None}))
    assert "has no bos_token_id" in refused(f"open_clip:{clips}")
    assert "no folder" in refused("open_clip:local-dir:nowhere")
    assert "write open_clip:hf-hub:OWNER/REPO" in refused("open_clip:hf-hub:one")
    assert "A repository is written open_clip:hf-hub:owner/repository" in refused("open_clip:owner/repository")


def test_a_repository_that_is_not_on_this_machine_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    line = refused("open_clip:hf-hub:UCSC-VLAA/ViT-L-14-CLIPS-224-Recap-DataComp-1B", offline=True)
    assert "--offline" in line and "open_clip_model.safetensors" in line
