"""Models whose random initial weights are not drawn are the models that they are with them, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_fine_grained import betaclip_file, fgclip2_folder, fgclip_file
from tiny_models import cosmos_file, flair_file, huggingface_folder, superclip_file
from tiny_open_clip import open_clip_folder, own_config

from goldieval import load_model
from goldieval.models.checked_info import checked_info
from model_adapters.undrawn import undrawn

pytestmark = pytest.mark.usefixtures("architectures")


def _tiny(folder: Path, architecture: str, extra: bool = False) -> str:
    import open_clip

    torch.manual_seed(5)
    state = open_clip.create_model(architecture).state_dict()
    if extra:
        state["surplus.weight"] = torch.ones(2)
    torch.save({"state_dict": state}, folder / f"{architecture}.pt")
    return f"open_clip:{architecture}@{folder / architecture}.pt"


def _other_file(folder: Path) -> str:
    from transformers import AutoModel

    place = huggingface_folder(folder, "clip")
    state = AutoModel.from_pretrained(place).state_dict()
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "other.safetensors")
    return f"huggingface:{place}@{folder / 'other.safetensors'}"


MODELS: dict[str, Callable[[Path], str]] = {
    "flair": lambda folder: f"flair@{flair_file(folder)}",
    "flair of other sizes": lambda folder: f"flair@{flair_file(folder)}::size=64::context=40",
    "cosmos": lambda folder: f"cosmos@{cosmos_file(folder)}",
    "superclip": lambda folder: f"superclip@{superclip_file(folder)}::pooling=avg::quickgelu=yes",
    "open_clip": lambda folder: _tiny(folder, "TINY"),
    "open_clip of other sizes": lambda folder: _tiny(folder, "TINY") + "::size=64::context=40",
    "open_clip without a tensor": lambda folder: _tiny(folder, "TINY", extra=True) + "::drop=surplus",
    "open_clip, quickgelu": lambda folder: _tiny(folder, "TINY-quickgelu"),
    "open_clip, custom": lambda folder: _tiny(folder, "TINY-custom"),
    "open_clip, padding": lambda folder: _tiny(folder, "TINY-attends-to-padding"),
    "open_clip, ResNet": lambda folder: _tiny(folder, "TINY-resnet"),
    "open_clip, a folder": lambda folder: f"open_clip:{open_clip_folder(folder / 'own', own_config())}::size=64",
    "betaclip": lambda folder: f"betaclip@{betaclip_file(folder)}",
    "fgclip": lambda folder: f"fgclip@{fgclip_file(folder)}::text=long",
    "fgclip2": lambda folder: f"fgclip2:{fgclip2_folder(folder)}::text=long",
    "huggingface, other weights": _other_file,
}
PLACES = ("open_clip_build", "fgclip2", "layout", "huggingface_weights")


@pytest.fixture(autouse=True)
def resnet() -> None:
    """An architecture with running statistics, beside those that the fixture ``architectures`` adds."""
    from open_clip import factory

    tower = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    factory._MODEL_CONFIGS["TINY-resnet"] = {"embed_dim": 32, "vision_cfg": tower, "text_cfg": text}


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_does_not_depend_on_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = MODELS[name](tmp_path)
    ours = load_model(spec)
    with monkeypatch.context() as patched:
        for place in PLACES:
            patched.setattr(f"model_adapters.{place}.undrawn", lambda *_: nullcontext())
        usual = load_model(spec)
    assert checked_info(ours) == checked_info(usual)
    for kind in ("named_parameters", "named_buffers"):  # with the buffers that no file holds
        found = [dict(getattr(model.module, kind)()) for model in (ours, usual)]  # type: ignore[union-attr]
        assert found[0].keys() == found[1].keys()
        for key, tensor in found[0].items():
            other = found[1][key]
            assert torch.equal(tensor, other) and tensor.dtype == other.dtype, key
            assert tensor.requires_grad == other.requires_grad and tensor.stride() == other.stride(), key


def test_constants_are_set_and_nothing_is_drawn() -> None:
    before = torch.random.get_rng_state()
    with undrawn():
        block = torch.nn.TransformerEncoderLayer(8, 2)
        table = torch.nn.Parameter(torch.randn(2, 3, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(block.norm1.weight, torch.ones(8)) and not block.linear1.weight.any() and not table.any()
    with undrawn(False):
        assert torch.nn.Linear(8, 8).weight.any()
    assert not torch.equal(torch.random.get_rng_state(), before)


def test_a_model_without_a_file_is_drawn(tmp_path: Path) -> None:
    for spec in ("open_clip:TINY", "random"):
        module = load_model(spec).module  # type: ignore[union-attr]
        assert module.visual.conv1.weight.any() and module.token_embedding.weight.any()
