"""Every adapter: the contract, and what its fingerprint covers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from adapter_cases import Evil, refused
from helpers import toy_model
from PIL import Image
from safetensors.torch import save_file
from tiny_fine_grained import betaclip_file, fgclip_file
from tiny_models import cosmos_file, flair_file, huggingface_folder, superclip_file
from torch import nn

from goldieval import from_module, load_model
from goldieval.models.adapter import Adapter, ModelInfo, inference

pytestmark = pytest.mark.usefixtures("architectures")


TEXTS = ["a dog", "a photo of a large red circle left of two small blue squares", "", "étude 3", "dog " * 100]


class Module(nn.Module):
    """A CLIP model of the user."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.image, self.text, self.drop = nn.Linear(3 * 16 * 16, 8), nn.Embedding(300, 8), nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(8)

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.norm(self.drop(self.image(pixels.flatten(1))))

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.norm(self.drop(self.text(tokens).mean(1)))


def _pixels(image: Image.Image) -> torch.Tensor:
    array = np.asarray(image.convert("RGB").resize((16, 16)), dtype=np.float32) / 255
    return torch.from_numpy(array.transpose(2, 0, 1).copy())


def _letters(texts: list[str]) -> torch.Tensor:
    return torch.tensor([[min(ord(letter), 299) for letter in text[:20].ljust(20)] for text in texts])


CONTRACT = ["random", "open_clip:TINY", "open_clip:TINY-custom", "open_clip:TINY-attends-to-padding", "goldiclip"]


RELEASED = {
    "flair@FILE": flair_file,
    "cosmos@FILE": cosmos_file,
    "cosmos:teacher@FILE": cosmos_file,
    "superclip@FILE": superclip_file,
    "betaclip@FILE": betaclip_file,
    "fgclip@FILE": fgclip_file,
    "huggingface@CLIP": lambda folder: huggingface_folder(folder, "clip"),
    "huggingface@SIGLIP": lambda folder: huggingface_folder(folder, "siglip"),
}


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Models in files of other code bases, by the kind of their spec."""
    folder = tmp_path_factory.mktemp("released")
    return {spec: f"{spec.partition('@')[0]}@{make(folder)}" for spec, make in RELEASED.items()}


@pytest.fixture(params=[*CONTRACT, *RELEASED, "open_clip:TINY@FILE", "FILE.py:load", "from_module"])
def make(request: pytest.FixtureRequest, tmp_path: Path, checkpoint: Path, released: dict[str, str]) -> Any:
    """Return a function that creates the same model again."""
    if request.param == "from_module":
        return lambda: from_module(Module(), _pixels, _letters)
    if request.param in released:
        return lambda: load_model(released[request.param])
    spec = {"open_clip:TINY@FILE": f"open_clip:TINY@{checkpoint}", "FILE.py:load": toy_model(tmp_path)}
    return lambda: load_model(spec.get(request.param, request.param))


def _pictures(count: int = 5) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (40, 30 + 9 * n, 3), dtype=np.uint8)) for n in range(count)]


def _encoded(model: Any, size: int = 99) -> tuple[torch.Tensor, torch.Tensor]:
    """Return unit embeddings of a few images and of TEXTS, encoded ``size`` at a time."""
    pixels, tokens = torch.stack([model.preprocess(picture) for picture in _pictures()]), model.tokenize(TEXTS)
    with inference(model), torch.inference_mode():
        images = torch.cat([model.encode_image(batch) for batch in pixels.split(size)])
        texts = torch.cat([model.encode_text(batch) for batch in tokens.split(size)])
    return nn.functional.normalize(images), nn.functional.normalize(texts)


# The contract


def test_adapter_gives_one_finite_row_of_one_width_for_each_picture_and_text(make: Any) -> None:
    model = make()
    info = model.describe()
    assert isinstance(model, Adapter) and isinstance(info, ModelInfo)
    pixels = model.preprocess(_pictures(1)[0])
    assert pixels.ndim == 3 and len(pixels) == 3
    assert not info.resolution or pixels.shape[-2:] == (info.resolution, info.resolution)
    images, texts = _encoded(model)
    assert images.shape == (5, texts.shape[1]) and len(texts) == len(TEXTS)
    assert bool(torch.isfinite(images).all()) and bool(torch.isfinite(texts).all())
    assert float((images[0] - images[1]).abs().max()) > 1e-4 and float((texts[0] - texts[1]).abs().max()) > 1e-4


def test_adapter_is_deterministic_to_the_bit_and_known_by_the_same_names(make: Any) -> None:
    first, again = make(), make()
    torch.rand(3)  # the state of the caller's generator is no input
    assert first.describe() == again.describe()
    for one, two in zip(_encoded(first), _encoded(again), strict=True):
        assert torch.equal(one, two)


def test_adapter_gives_the_same_alone_and_in_a_batch(make: Any) -> None:
    model = make()
    for together, alone in zip(_encoded(model), _encoded(model, size=1), strict=True):
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("spec", ["random", "open_clip:TINY", "open_clip:TINY-custom"])
def test_trimmed_texts_have_the_embeddings_of_padded_ones(spec: str) -> None:
    model: Any = load_model(spec)
    for texts in (TEXTS[:1], TEXTS[:2], TEXTS, ["wow !~ a dog", "hm"]):  # 0 is the padding and the ! of !~
        tokens = model.tokenize(texts)
        trimmed = model.trim(tokens)
        assert trimmed.shape[1] == 1 + int(tokens.nonzero()[:, 1].max())
        with inference(model):
            padded, short = model.encode_text(tokens), model.encode_text(trimmed)
        torch.testing.assert_close(nn.functional.normalize(short), nn.functional.normalize(padded), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", RELEASED)
def test_texts_of_released_models_may_be_trimmed_where_that_is_claimed(released: dict[str, str], kind: str) -> None:
    model: Any = load_model(released[kind])
    tokens = model.tokenize(TEXTS[:2])
    assert hasattr(model, "trim") == (kind != "huggingface@SIGLIP")
    if hasattr(model, "trim"):
        assert model.trim(tokens).shape[1] < tokens.shape[1]
        with inference(model):
            padded, short = model.encode_text(tokens), model.encode_text(model.trim(tokens))
        torch.testing.assert_close(nn.functional.normalize(short), nn.functional.normalize(padded), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", RELEASED)
def test_fingerprint_of_released_models_changes_with_any_weight_and_modes_come_back(
    released: dict[str, str], kind: str
) -> None:
    model: Any = load_model(released[kind])
    before = model.describe()
    for parameter in list(model.module.parameters())[:: max(1, len(list(model.module.parameters())) // 5)]:
        with torch.no_grad():
            parameter.view(-1)[0] += 1e-3
        after = model.describe()
        assert after.fingerprint != before.fingerprint and after.image_identity != before.image_identity
        before = after
    _modes_survive(model, next(iter(model.module.children())))


@pytest.mark.parametrize("kind", [kind for kind in RELEASED if not kind.startswith("huggingface")])
def test_released_file_that_is_missing_damaged_pickled_or_of_another_layout_is_one_line(
    released: dict[str, str], kind: str, tmp_path: Path
) -> None:
    spec, _, place = released[kind].partition("@")
    file, whole = tmp_path / Path(place).name, Path(place).read_bytes()
    assert "no checkpoint" in refused(f"{spec}@{file}")
    for content in (whole[: len(whole) // 2], b"", b"<html>404</html>"):
        file.write_bytes(content)
        assert file.name in refused(f"{spec}@{file}")
    torch.save({"state_dict": {"visual.conv1.weight": torch.zeros(1)}, "extra": Evil(tmp_path / "was_run")}, file)
    assert file.name in refused(f"{spec}@{file}") and not (tmp_path / "was_run").exists()
    wrong = torch.load(place, weights_only=True)
    for state in (wrong.get("state_dict"), wrong.get("student"), wrong.get("teacher")):
        for name in [name for name in state or {} if name.endswith((".1.mlp.c_fc.weight", ".1.mlp.fc1.weight"))]:
            state[name] = torch.zeros(7, 64)
    torch.save(wrong, file)
    assert "does not fit" in refused(f"{spec}@{file}") and "size mismatch" in refused(f"{spec}@{file}")
    torch.save({"state_dict": {"module.encoder.weight": torch.zeros(3)}}, file)
    assert "no image tower" in refused(f"{spec}@{file}")
    assert "write" in refused(spec.partition(":")[0])


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("cosmos:teacher@{flair}", "no teacher"),
        ("flair@{superclip}", "is not a FLAIR checkpoint"),
        ("superclip@{cosmos}", "holds|has no text_decoder"),
        ("flair:flair-merged33m", "Did you mean flair-merged30m"),
        ("flair:flair-merged30m@{flair}", "not both"),
    ],
)
def test_released_layouts_are_distinguished(released: dict[str, str], content: str, line: str) -> None:
    files = {kind.partition("@")[0]: spec.partition("@")[2] for kind, spec in released.items()}
    assert re.search(line, refused(content.format(**files)))


@pytest.mark.parametrize("spec", ["random:3", "open_clip:TINY"])
def test_loading_a_model_leaves_the_callers_random_numbers_alone(spec: str) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    load_model(spec)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("spec", ["random", "open_clip:TINY", "open_clip:TINY-custom"])
def test_causal_text_tower_is_trimmed_and_matches_open_clips_own_forward(spec: str) -> None:
    model: Any = load_model(spec)
    tokens = model.tokenize(TEXTS)
    with inference(model):
        torch.testing.assert_close(model.encode_text(tokens), model.module.encode_text(tokens), atol=1e-6, rtol=0)
    assert model.trim(tokens[:1]).shape[1] == 4


def test_text_tower_that_attends_to_padding_is_never_trimmed() -> None:
    assert not hasattr(load_model("open_clip:TINY-attends-to-padding"), "trim")


@pytest.mark.parametrize("spec", ["random", "open_clip:TINY"])
def test_tower_runs_in_evaluation_mode_and_gets_its_own_modes_back(spec: str) -> None:
    model: Any = load_model(spec)
    _modes_survive(model, model.module.visual)


def test_foreign_module_runs_in_evaluation_mode_and_gets_its_own_modes_back() -> None:
    module = Module()
    _modes_survive(from_module(module, _pixels, _letters), module.norm)


def _modes_survive(model: Any, frozen: nn.Module) -> None:
    model.module.train()
    frozen.eval()
    modes = [part.training for part in model.module.modules()]
    with pytest.raises(ZeroDivisionError), inference(model):
        assert not any(part.training for part in model.module.modules())
        assert torch.is_inference_mode_enabled()
        raise ZeroDivisionError
    assert [part.training for part in model.module.modules()] == modes
    assert not torch.is_inference_mode_enabled()


# Fingerprints


@pytest.mark.parametrize("parameter", ["visual.proj", "token_embedding.weight", "logit_scale"])
def test_fingerprint_changes_when_one_weight_changes(checkpoint: Path, parameter: str) -> None:
    model: Any = load_model(f"open_clip:TINY@{checkpoint}")
    before = model.describe()
    with torch.no_grad():
        dict(model.module.named_parameters())[parameter].view(-1)[0] += 1e-3
    after = model.describe()
    assert after.fingerprint != before.fingerprint
    assert after.image_identity != before.image_identity and after.text_identity != before.text_identity


def test_fingerprint_is_of_the_weights_not_of_the_file(checkpoint: Path, weights: dict[str, torch.Tensor]) -> None:
    expected = load_model(f"open_clip:TINY@{checkpoint}").describe()
    files = [checkpoint.with_name(name) for name in ("bare.pt", "final.bin", "plain.safetensors")]
    torch.save(weights, files[0])
    torch.save({"state_dict": weights, "epoch": 1}, files[1])
    save_file(weights, files[2])
    for file in files:
        found = load_model(f"open_clip:TINY@{file}").describe()
        assert (found.fingerprint, found.image_identity, found.text_identity) == (
            expected.fingerprint,
            expected.image_identity,
            expected.text_identity,
        )


def test_fingerprint_does_not_depend_on_training_mode() -> None:
    module = Module()
    adapter = from_module(module, _pixels, _letters)
    before = adapter.describe().fingerprint
    module.eval()
    assert adapter.describe().fingerprint == before


def test_architecture_and_seed_enter_the_fingerprint(weights: dict[str, torch.Tensor], checkpoint: Path) -> None:
    specs = ["random", "random:1", "open_clip:TINY", f"open_clip:TINY@{checkpoint}"]
    specs.append(f"open_clip:TINY-quickgelu@{checkpoint}")
    assert len({load_model(spec).describe().fingerprint for spec in specs}) == len(specs)


def test_precision_changes_the_embeddings_key_but_not_the_fingerprint() -> None:
    full, half = load_model("random").describe(), load_model("random", precision="bf16").describe()
    assert full.fingerprint == half.fingerprint and half.precision == "bf16"
    assert full.image_identity != half.image_identity and full.text_identity != half.text_identity


def test_transform_enters_the_key_of_images_and_the_tokenizer_that_of_texts() -> None:
    module = Module()
    base = from_module(module, _pixels, _letters).describe()
    pixels = from_module(module, lambda image: _pixels(image) * 2, _letters).describe()
    letters = from_module(module, _pixels, lambda texts: _letters([text.lower() for text in texts])).describe()
    assert pixels.image_identity != base.image_identity and pixels.text_identity == base.text_identity
    assert letters.text_identity != base.text_identity and letters.image_identity == base.image_identity


def test_untrained_weights_have_a_notice(checkpoint: Path) -> None:
    assert "random weights" in load_model("open_clip:TINY").describe().notice
    assert load_model(f"open_clip:TINY@{checkpoint}").describe().notice == ""
    assert load_model("random").describe().home == "shapes" and load_model("open_clip:TINY").describe().home == ""


@pytest.mark.parametrize("spec", ["random:x", "random:-1", "random@file.pt"])
def test_random_takes_a_seed_only(spec: str) -> None:
    assert "random:SEED" in refused(spec)


# from_module


def test_foreign_module_is_encoded_unmodified_and_stays_trainable() -> None:
    module = Module()
    model: Any = from_module(module, _pixels, _letters, name="mine")
    assert model.describe().spec == "mine"
    module.eval()
    with torch.no_grad():
        expected = module.encode_text(_letters(TEXTS))
    module.train()
    with inference(model):
        assert torch.equal(model.encode_text(model.tokenize(TEXTS)), expected)
    loss = module.encode_text(_letters(TEXTS)).sum()
    loss.backward()
    assert module.text.weight.grad is not None


def test_a_training_loops_tf32_and_autocast_do_not_reach_embeddings() -> None:
    model: Any = load_model("random")
    with inference(model):
        plain = model.encode_text(model.tokenize(TEXTS))
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16), inference(model):
            assert torch.get_float32_matmul_precision() == "highest" and not torch.backends.cudnn.allow_tf32
            assert torch.equal(model.encode_text(model.tokenize(TEXTS)), plain)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
