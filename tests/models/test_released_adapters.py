"""FLAIR, COSMOS and SuperCLIP in their released layouts: the released code's features and scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from golden import Tensors, golden
from safetensors.torch import save_file

from goldieval import load_model
from goldieval.core.errors import GoldievalError
from goldieval.models.adapter import TextConditioned, inference
from goldieval.scoring.blocks import PatchBlocks
from goldieval.scoring.candidates import nearest
from goldieval.scoring.conditioned import conditioned_matrix
from goldieval.scoring.shortlist import Exact, shortlists


def weights(tensors: Tensors, prefix: str = "weights.") -> Tensors:
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def written(folder: Path, name: str, how: str) -> Path:
    """Write a golden model in the layout of its authors; return the file."""
    config, tensors = golden(name)
    file = folder / f"{name}.{'safetensors' if how == 'safetensors' else 'pt'}"
    state = weights(tensors)
    if how == "safetensors":
        save_file(state, file, metadata={"config": json.dumps(config)})
    elif how == "training":
        (folder / "config.json").write_text(json.dumps(config))
        wrapped = {f"module.{key}": tensor for key, tensor in state.items()}
        torch.save({"epoch": 32, "state_dict": wrapped, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}}, file)
    else:
        torch.save({"config": config, **state}, file)
    return file


@pytest.mark.parametrize("how", ["training", "safetensors", "bare"])
def test_flair_gives_the_released_features_and_scores(tmp_path: Path, how: str) -> None:
    """Conditioned logits have scale and bias, global ones only the scale."""
    _, tensors = golden("flair")
    model: Any = load_model(f"flair@{written(tmp_path, 'flair', how)}")
    assert isinstance(model, TextConditioned) and model.describe().scoring == "conditioned"
    scale, bias = tensors["weights.logit_scale"].exp(), tensors["weights.logit_bias"]
    with inference(model):
        images, texts = model.encode_image(tensors["in.images"]), model.encode_text(tensors["in.text"])
        short = model.encode_text(model.trim(tensors["in.text"]))
        patches = model.patch_tokens(tensors["in.images"])
        windows = model.dense(tensors["in.images"], "plain")  # what segmentation reads
        pooled = model.pool(texts.expand(len(patches), -1, -1), patches)
        conditioned = conditioned_matrix(model.pool, texts, patches)
    close(images, tensors["out.image_features"])
    close(patches, tensors["out.image_tokens"])
    close(windows.flatten(1, 2), tensors["out.image_tokens"])
    close(texts, tensors["out.text_features"])
    close(short, tensors["out.text_features"])
    close(pooled, tensors["out.pooled"])
    close(conditioned, (tensors["out.logits_conditioned"] - bias) / scale)
    everywhere = F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T
    close(everywhere, tensors["out.logits_global"] / scale)


def test_flair_shortlist_rescores_the_best_by_cosine(tmp_path: Path) -> None:
    _, tensors = golden("flair")
    model: Any = load_model(f"flair@{written(tmp_path, 'flair', 'training')}")
    with inference(model):
        images, texts = model.encode_image(tensors["in.images"]), model.encode_text(tensors["in.text"])
        units = [F.normalize(part, dim=-1) for part in (images, texts)]
        lists = nearest(units[1], units[0], 3), nearest(units[0], units[1], 3)
        blocks = PatchBlocks.of(model.patch_tokens(tensors["in.images"]))
        _, (found, scores) = shortlists(Exact(model.pool, texts, blocks), *lists)
    assert torch.equal(found.sort().values, tensors["out.logits_global"].topk(3).indices.sort().values)
    expected = (tensors["out.logits_conditioned"] - tensors["weights.logit_bias"]) / tensors[
        "weights.logit_scale"
    ].exp()
    close(scores, expected.gather(1, found))


@pytest.mark.parametrize("how", ["training", "safetensors"])
@pytest.mark.parametrize("who", ["student", "teacher"])
def test_cosmos_gives_the_released_features(tmp_path: Path, who: str, how: str) -> None:
    """Global and local crops for the student; the teacher receives only global ones."""
    _, tensors = golden("cosmos")
    file = written(tmp_path, "cosmos", how)
    model: Any = load_model(f"cosmos:{who}@{file}")
    crops, tokens = list(tensors["in.images_global"]), tensors["in.text"]
    if who == "student":
        crops += list(tensors["in.images_local"])
        assert load_model(f"cosmos@{file}").describe().fingerprint == model.describe().fingerprint
    else:
        tokens = tokens[:2]
        assert load_model(f"cosmos@{file}").describe().fingerprint != model.describe().fingerprint
    with inference(model):
        image = torch.cat([model.encode_image(crop) for crop in crops])
        text = model.encode_text(tokens.flatten(0, 1))
    close(F.normalize(image, dim=-1), tensors[f"out.{who}.image_features"])
    close(F.normalize(text, dim=-1), tensors[f"out.{who}.text_features"])


@pytest.mark.parametrize("how", ["training", "safetensors", "bare"])
def test_superclip_gives_the_released_features_without_its_head(tmp_path: Path, how: str) -> None:
    _, tensors = golden("superclip")
    model: Any = load_model(f"superclip@{written(tmp_path, 'superclip', how)}")
    assert not any("text_decoder" in name for name in model.module.state_dict())
    for step in ("step1", "step2", "step3"):
        with inference(model):
            image = model.encode_image(tensors[f"in.{step}.images"])
            text = model.encode_text(tensors[f"in.{step}.text"])
        close(F.normalize(image, dim=-1), tensors[f"out.{step}.image_features"])
        close(F.normalize(text, dim=-1), tensors[f"out.{step}.text_features"])


@pytest.mark.parametrize("name", ["flair", "superclip", "cosmos"])
def test_an_unknown_vocabulary_accepts_only_token_ids(tmp_path: Path, name: str) -> None:
    model: Any = load_model(f"{name}@{written(tmp_path, name, 'safetensors')}")
    assert model.describe().context_length == 77
    with pytest.raises(GoldievalError, match="no tokenizer is known"):
        model.tokenize(["a dog"])
