"""Model probes: a correct model passes, and each kind of broken model fails the corresponding probe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from goldieval.core.errors import GoldievalError
from goldieval.doctor.check import Check
from goldieval.doctor.inputs import PUBLISHED_CONSTANTS
from goldieval.doctor.probes import checks, probe
from goldieval.models.loading import from_module
from goldieval.models.spec import parse_spec
from goldieval.models.torch_adapter import TorchAdapter

CONTEXT, END, SIDE = 32, 257, 16
OPENAI = PUBLISHED_CONSTANTS["OpenAI's"]


class Tiny(nn.Module):
    """Two correct towers: linear over pixels, and the sum of token embeddings without padding."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.image = nn.Linear(3 * SIDE * SIDE, 12)
        self.text = nn.Embedding(END + 1, width)
        self.dropout = nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(12)
        self.act = nn.GELU()

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.dropout(self.norm(self.act(self.image(pixels.flatten(1)))))
        return features

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = (self.text(tokens) * (tokens != 0).unsqueeze(-1)).sum(1)
        return features


class Transform:
    """Resize to ``SIDE`` by squashing, scale to 0 to 1, normalise."""

    def __init__(self, mean: Sequence[float] = OPENAI[0], std: Sequence[float] = OPENAI[1], scale: float = 255) -> None:
        self.mean, self.std, self.scale = torch.tensor(mean), torch.tensor(std), scale

    def __repr__(self) -> str:
        return f"Transform({self.mean.tolist()}, {self.std.tolist()}, {self.scale})"

    def __call__(self, image: Image.Image) -> torch.Tensor:
        array = np.asarray(self.fit(image.convert("RGB")), dtype=np.float32)
        pixels = torch.from_numpy(array).permute(2, 0, 1) / self.scale
        return (pixels - self.mean[:, None, None]) / self.std[:, None, None]

    def fit(self, image: Image.Image) -> Image.Image:
        return image.resize((SIDE, SIDE))


def tokenize(texts: list[str]) -> torch.Tensor:
    """Bytes plus one, an end token, zero padding; a long text is cut and keeps its end token."""
    rows = torch.zeros(len(texts), CONTEXT, dtype=torch.long)
    for row, text in zip(rows, texts, strict=True):
        ids = [*[byte + 1 for byte in text.encode()][: CONTEXT - 1], END]
        row[: len(ids)] = torch.tensor(ids)
    return rows


def found(
    module: nn.Module | None = None,
    transform: Callable[[Image.Image], torch.Tensor] | None = None,
    tokenizer: Any = tokenize,
) -> dict[str, Check]:
    return probed(from_module(module or Tiny(), transform or Transform(), tokenizer))


def probed(model: Any) -> dict[str, Check]:
    return {check.name: check for check in probe(model, parse_spec("module"))}


def failures(checks: dict[str, Check]) -> set[str]:
    return {name for name, check in checks.items() if check.passed is False}


def test_a_sound_model_passes() -> None:
    result = found()
    assert failures(result) == set()
    passed = {name for name, check in result.items() if check.passed}
    assert passed == {
        *("evaluation mode", "finite values", "unit norm", "widths", "determinism", "batch size"),
        *("normalisation", "fingerprint", "left as found"),
    }
    assert result["size"].found.startswith("0.0 M parameters, fp32 on cpu")


def test_random_passes_everything() -> None:
    result = {check.name: check for check in checks("random", "cpu", offline=True)}
    assert failures(result) == set()
    assert result["trimming"].passed is True and "down to 4 of 77 tokens" in result["trimming"].found
    assert result["normalisation"].found.endswith("OpenAI's")
    assert "cut to the centre" in result["resolution"].found and "64 x 64" in result["resolution"].found
    assert "77 tokens" in result["context length"].found and "keeps the end token" in result["context length"].found
    assert "GELU in 4 places" in result["activation"].found


def test_unknown_model_is_bad_input() -> None:
    with pytest.raises(GoldievalError, match="no model family"):
        checks("randon", "cpu", offline=True)


class StaysInTraining(TorchAdapter):
    """An adapter that does not call eval()."""

    @contextmanager
    def inference(self) -> Iterator[None]:
        with torch.inference_mode():
            yield


def test_training_mode_is_named() -> None:
    model = StaysInTraining(Tiny(), Transform(), tokenize, spec="module", family="module")
    result = probed(model)
    assert result["evaluation mode"].passed is False
    assert "6 modules" in result["evaluation mode"].found
    # its dropout and its BatchNorm show in what it computes, and its statistics in what it is
    assert failures(result) >= {"determinism", "batch size", "fingerprint"}


def test_a_model_in_training_is_left_in_training() -> None:
    module = Tiny()
    module.image.eval()
    assert failures(found(module)) == set()
    assert module.training and module.norm.training and not module.image.training


class NeverRestores(TorchAdapter):
    @contextmanager
    def inference(self) -> Iterator[None]:
        self.module.eval()
        with torch.inference_mode():
            yield


def test_a_mode_that_is_not_restored_is_caught() -> None:
    model = NeverRestores(Tiny().train(), Transform(), tokenize, spec="module", family="module")
    assert failures(probed(model)) == {"left as found"}


class KeepsGradients(TorchAdapter):
    @contextmanager
    def inference(self) -> Iterator[None]:
        self.module.eval()
        yield
        self.module.train()


@pytest.mark.filterwarnings("ignore:Converting a tensor")  # by the probes after the one that fails
def test_gradients_are_caught() -> None:
    result = probed(KeepsGradients(Tiny(), Transform(), tokenize, spec="module", family="module"))
    assert failures(result) == {"finite values"} and "gradients" in result["finite values"].found


class Noisy(Tiny):
    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(super().encode_text(tokens), 0.5, training=True)


def test_dropout_that_ignores_the_mode_is_caught() -> None:
    result = found(Noisy())
    assert result["evaluation mode"].passed is True
    assert result["determinism"].passed is False and "text batch twice" in result["determinism"].found


class MixesBatch(Tiny):
    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        features = super().encode_image(pixels)
        return features + self.share * features.mean(0)


def test_a_batch_dependent_model_is_caught() -> None:
    result = found(MixesBatch(0.01))
    assert failures(result) == {"batch size"} and "encode_image mixes" in result["batch size"].found
    assert failures(found(MixesBatch(1e-6))) == set()


class Gives(Tiny):
    """An adapter that returns a function of the image features."""

    def __init__(self, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.change = change

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.change(super().encode_image(pixels))


def test_nan_is_caught() -> None:
    result = found(Gives(lambda features: features.index_fill(1, torch.tensor([3]), float("nan"))))
    assert result["finite values"].passed is False and "8 of 8 image features" in result["finite values"].found
    assert result["unit norm"].passed is False and result["determinism"].passed is True


def test_a_collapsed_model_is_caught() -> None:
    result = found(Gives(lambda features: torch.ones_like(features)))
    assert result["finite values"].passed is True
    assert result["unit norm"].passed is False and "collapsed" in result["unit norm"].found


def test_zero_vectors_are_caught() -> None:
    assert "zero" in found(Gives(lambda features: features * 0))["unit norm"].found


def test_features_of_another_shape_are_caught() -> None:
    result = found(Gives(lambda features: features[:, None, :]))
    assert "expected floats, shape (8, dim)" in result["finite values"].found
    assert result["finite values"].passed is False


def test_widths_that_differ_are_caught() -> None:
    result = found(Tiny(width=10))
    assert failures(result) == {"widths"} and result["widths"].found.startswith("12 for images, 10 for texts")


def test_a_probe_that_raises_is_one_line_and_the_others_go_on() -> None:
    def refuse(features: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no kernel image\nsecond line")

    result = found(Gives(refuse))
    assert result["unit norm"] == Check("unit norm", False, "RuntimeError: no kernel image")
    assert result["normalisation"].passed is True and len(result) == len(found())


class ReadsPadding(Tiny):
    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.text(tokens).sum(1)
        return features


def test_a_wrong_trim_is_caught_and_a_right_one_passes() -> None:
    wrong = TorchAdapter(ReadsPadding(), Transform(), tokenize, spec="module", family="module", trims=True)
    result = probed(wrong)
    assert failures(result) == {"trimming"} and "trim removes tokens that the tower reads" in result["trimming"].found
    right = TorchAdapter(Tiny(), Transform(), tokenize, spec="module", family="module", trims=True)
    assert probed(right)["trimming"].passed is True
    right.trim = lambda tokens: tokens
    assert "removes nothing" in probed(right)["trimming"].found
    assert found()["trimming"].passed is None


def test_pixels_up_to_255_are_caught() -> None:
    result = found(transform=Transform((0, 0, 0), (1, 1, 1), scale=1))
    assert result["normalisation"].passed is False and "from 0 to 255" in result["normalisation"].found


def test_a_blind_transform_is_caught() -> None:
    result = found(transform=lambda image: torch.zeros(3, SIDE, SIDE))
    assert result["normalisation"].passed is False and "give the same pixels" in result["normalisation"].found


class Swapped(Transform):
    def __call__(self, image: Image.Image) -> torch.Tensor:
        return super().__call__(image).flip(0)


@pytest.mark.parametrize(
    ("transform", "passed", "ending"),
    [
        (Transform(*PUBLISHED_CONSTANTS["ImageNet's"]), True, "deviation 0.229 0.224 0.225: ImageNet's"),
        (Transform(*PUBLISHED_CONSTANTS["SigLIP's"]), True, "SigLIP's"),
        (Transform((0, 0, 0), (1, 1, 1)), None, "none; correct only if the model was trained without"),
        (Transform((0.3, 0.3, 0.3), (0.2, 0.2, 0.2)), None, "not those of a published model"),
        (Swapped(*PUBLISHED_CONSTANTS["SigLIP's"]), None, "channels are not in RGB order"),
        (
            lambda image: Transform()(image) ** 3,
            None,
            "not linear in brightness: mean and deviation cannot be determined",
        ),
    ],
)
def test_normalisation_is_recovered(transform: Any, passed: bool | None, ending: str) -> None:
    check = found(transform=transform)["normalisation"]
    assert check.passed is passed and check.found.endswith(ending)


class CentreCrop(Transform):
    def fit(self, image: Image.Image) -> Image.Image:
        short = min(image.size)
        left, top = (image.width - short) // 2, (image.height - short) // 2
        return image.crop((left, top, left + short, top + short)).resize((SIDE, SIDE))


class Letterbox(Transform):
    def fit(self, image: Image.Image) -> Image.Image:
        square = Image.new("RGB", (max(image.size),) * 2)
        square.paste(image, (0, 0))
        return square.resize((SIDE, SIDE))


@pytest.mark.parametrize(
    ("transform", "fate"), [(Transform(), "squashed"), (CentreCrop(), "cut to the centre"), (Letterbox(), "padded")]
)
def test_the_fate_of_a_wide_picture(transform: Transform, fate: str) -> None:
    assert f"16 x 16 pixels; a wide picture is {fate}" in found(transform=transform)["resolution"].found


def test_what_becomes_of_a_text_that_is_too_long() -> None:
    assert found()["context length"].found == "32 tokens; cutting a longer text keeps the end token"

    def cuts_end(texts: list[str]) -> torch.Tensor:
        rows = tokenize(texts)
        too_long = torch.tensor([len(text.encode()) >= CONTEXT for text in texts])
        rows[too_long, -1] = 7
        return rows

    assert "loses the end token" in found(tokenizer=cuts_end)["context length"].found

    def refuses(texts: list[str]) -> torch.Tensor:
        if max(len(text) for text in texts) > 300:
            raise ValueError("text is too long for context length 32")
        return tokenize(texts)

    model: Any = from_module(Tiny(), Transform(), tokenize)
    model.tokenize = refuses
    result = probed(model)
    assert failures(result) == {"context length"} and "too long" in result["context length"].found


class QuickGELU(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(1.702 * x)


def test_the_activation_is_named() -> None:
    module = Tiny()
    assert "GELU in 1 places" in found(module)["activation"].found.replace("QuickGELU", "quick")
    module.act = QuickGELU()  # type: ignore[assignment]
    assert found(module)["activation"].found.startswith("QuickGELU in 1 places")
    module.act = nn.ReLU()  # type: ignore[assignment]
    assert "no GELU" in found(module)["activation"].found


class Counts(Tiny):
    def __init__(self) -> None:
        super().__init__()
        self.calls: torch.Tensor
        self.register_buffer("calls", torch.zeros(1))

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return super().encode_text(tokens)


def test_an_identity_that_changes_is_caught() -> None:
    result = found(Counts())
    assert failures(result) == {"fingerprint"} and "image_identity" in result["fingerprint"].found


def test_a_model_that_cannot_say_who_it_is() -> None:
    result = found(tokenizer=lambda texts: [len(text) for text in texts])
    assert list(result) == ["describe"] and failures(result) == {"describe"}


def folder(place: Path, images: np.ndarray, texts: np.ndarray) -> str:
    for side, rows in (("image", images), ("text", texts)):
        np.save(place / f"{side}_embeddings.npy", rows.astype(np.float32))
        (place / f"{side}_ids.txt").write_text("".join(f"{side}{row}\n" for row in range(len(rows))), encoding="utf-8")
    return f"embeddings:{place}"


def test_stored_embeddings(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images, texts = rng.normal(size=(20, 8)), rng.normal(size=(30, 8))

    def of(images: np.ndarray, texts: np.ndarray) -> dict[str, Check]:
        return {check.name: check for check in checks(folder(tmp_path, images, texts), "cpu", offline=True)}

    result = of(images, texts)
    assert [check.passed for check in result.values()] == [True] * 3
    assert result["text rows"].found.startswith("30 rows of 8 values, norms ")
    assert failures(of(images, texts[:, :6])) == {"widths"}
    assert "1 of 20 image embeddings are zero" in of(images * (np.arange(20) != 4)[:, None], texts)["image rows"].found
    assert "collapsed" in of(images, np.ones((30, 8)))["text rows"].found
    images[3, 2] = np.nan
    result = of(images, texts)
    assert failures(result) == {"image rows"} and "NaN" in result["image rows"].found
