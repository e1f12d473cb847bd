"""What features of models with known contents encode, and how it is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers import goldieval, one_line
from PIL import Image
from torch import nn

from goldieval.core.errors import GoldievalError
from goldieval.doctor.shortcuts import findings, measure, run
from goldieval.doctor.shortcuts.features import (
    FOR_BACKGROUND,
    FOR_OBJECT,
    IMAGE,
    ON_OBJECTS,
    PATCHES,
    image_features,
    unit_vectors,
)
from goldieval.doctor.shortcuts.measure import Shortcuts, background_share, shortcuts
from goldieval.doctor.shortcuts.scenes import crossed_scenes, scenes_of_one_object
from goldieval.goldiclip.pooling import TextConditionedPool
from goldieval.metrics.crossed_variance import BACKGROUND, OBJECTS
from goldieval.metrics.variance_shares import REST
from goldieval.models.loading import from_module
from goldieval.models.torch_adapter import TorchAdapter
from goldieval.report.share_screen import interval_note, share_panels
from goldieval.report.share_table import ShareRow, ShareTable

SIDE, PATCH, DIM = 32, 8, 48


def transform(picture: Image.Image) -> torch.Tensor:
    pixels = torch.from_numpy(np.asarray(picture.resize((SIDE, SIDE)), dtype=np.float32).copy())
    return pixels.permute(2, 0, 1) / 255


def tokenize(texts: list[str]) -> torch.Tensor:
    rows = torch.zeros(len(texts), 80, dtype=torch.long)
    for row, text in zip(rows, texts, strict=True):
        row[: len(text)] = torch.tensor([ord(letter) % 128 for letter in text[:80]])
    return rows


class Towers(nn.Module):
    """A text tower that counts letters; image towers are those of its children."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.letters = nn.Embedding(128, DIM)

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = (self.letters(tokens) * (tokens != 0).unsqueeze(-1)).sum(1)
        return features


class Backgrounds(Towers):
    """Sees two corners of the picture alone, where there is never an object."""

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels[:, :, :: SIDE - 1, 0].flatten(1)


class Silhouettes(Towers):
    """Sees where a picture differs from its edge, whatever the background."""

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        edge = pixels[:, :, :, :1]
        differs = ((pixels - edge).abs().amax(1) > 0.12).float()
        return torch.cat([torch.ones(len(pixels), 1), differs.flatten(1)], 1)


class Constant(Towers):
    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.ones(len(pixels), DIM)


class NotANumber(Constant):
    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        return super().encode_image(pixels) * float("nan")


class Pooled(Towers):
    """Patches are their own pixels; a pooling with random weights."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = TextConditionedPool(3 * PATCH * PATCH // 4, 2)

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.patch_tokens(pixels).mean(1)

    def patch_tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        small = nn.functional.avg_pool2d(pixels, 2)
        return nn.functional.unfold(small, PATCH // 2, stride=PATCH // 2).transpose(1, 2)


class PooledAdapter(TorchAdapter):
    @property
    def pool(self) -> Any:
        return self.module.pool

    def patch_tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        patches: torch.Tensor = self.module.patch_tokens(pixels)  # type: ignore[operator]
        return patches


def model(module: nn.Module) -> Any:
    return from_module(module, transform, tokenize)


@pytest.fixture(scope="module")
def silhouettes() -> Shortcuts:
    return shortcuts(model(Silhouettes()), "silhouettes")


def test_a_model_that_sees_backgrounds_only() -> None:
    found = background_share(model(Backgrounds()))
    assert found.shares is not None
    assert found.shares[BACKGROUND].value == pytest.approx(1, abs=1e-6)
    assert found.background_nearer == pytest.approx(1, abs=0.01)  # some textures look alike in the corners
    measured = Shortcuts("backgrounds", [found], [], [])
    (warning,) = findings.warnings(measured)
    assert "The background explains more than the objects do: image (100.0 % against 0.0 %)" in warning
    assert "background explains 100 %, the objects 0 %." in findings.summary(measured)


def test_a_model_that_sees_objects_only(silhouettes: Shortcuts) -> None:
    (scenes,), (one,) = silhouettes.scenes, silhouettes.one_object
    assert scenes.name == one.name == IMAGE
    assert scenes.shares is not None and one.shares is not None and scenes.background_nearer is not None
    assert scenes.shares[BACKGROUND].value < 0.05 < 0.8 < scenes.shares[OBJECTS].value
    assert scenes.background_nearer < 0.1
    assert findings.warnings(silhouettes) == []
    assert "gives no features of patches" in findings.summary(silhouettes)
    # What the silhouette tells is found, what it does not tell is not.
    assert one.shares["place"].value > 0.2
    assert all(one.shares[name].low > (one.shares[name].chance or 1) for name in ("shape", "size", "fill"))
    assert one.shares["colour"].value < 0.02 and one.shares[BACKGROUND].value < 0.02
    assert sum(one.shares[name].value for name in (*measure.OBJECT_ATTRIBUTES, BACKGROUND, REST)) == pytest.approx(1)


def test_sentences_are_measured_by_what_they_are_about(silhouettes: Shortcuts) -> None:
    objects, relations, backgrounds = silhouettes.sentences
    assert [each.name for each in silhouettes.sentences] == ["objects", "relations", "backgrounds"]
    assert objects.shares is not None and relations.shares is not None and backgrounds.shares is not None
    assert set(objects.shares) == {*measure.OBJECT_ATTRIBUTES, "words", REST}
    assert set(relations.shares) == {"shape", "colour", "relation", "words", REST}
    # A count of letters knows both objects of a relation but adds them up: nothing is left to combinations.
    assert relations.shares[REST].value < 0.15
    assert backgrounds.shares["words"].value > 0.3


def test_the_same_numbers_twice_and_with_other_numbers_of_threads(silhouettes: Shortcuts) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1 if before > 1 else 2)
    try:
        again = background_share(model(Silhouettes()))
    finally:
        torch.set_num_threads(before)
    assert again == silhouettes.scenes[0]


def test_a_collapsed_tower_is_said_to_be_collapsed() -> None:
    found = Shortcuts("constant", [background_share(model(Constant()))], [], [])
    assert found.scenes[0].shares is None
    assert findings.warnings(found) == ["All features are the same, the model has collapsed: image."]
    assert "the same for all pictures" in findings.summary(found)


def test_features_that_are_no_numbers_are_an_error() -> None:
    with pytest.raises(GoldievalError, match="NaN or infinite"):
        background_share(model(NotANumber()))


@pytest.mark.parametrize("shape", [(), (4, 2), (0,)])
def test_features_of_another_shape_are_an_error(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers of another shape could be arranged as if they were vectors."""
    wrong = model(Constant())
    monkeypatch.setattr(wrong, "encode_image", lambda pixels: torch.rand(len(pixels), *shape))
    with pytest.raises(GoldievalError, match=r"encode_image\(\) must return floats of shape \(64, dim\)"):
        background_share(wrong)


def test_an_error_names_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "load", lambda spec, options: model(NotANumber()))
    with pytest.raises(GoldievalError, match="model random: 960 of 960 image embeddings hold NaN or infinite"):
        list(run.measured("random", "cpu"))


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e37])
def test_unit_vectors_do_not_depend_on_the_scale_of_features(scale: float) -> None:
    features = torch.tensor([[3.0, 4.0], [0.0, 0.0]]) * scale
    expected = torch.tensor([[0.6, 0.8], [0.0, 0.0]])
    torch.testing.assert_close(unit_vectors(features, "image"), expected, atol=0.03, rtol=0)  # few digits at 1e-44


def test_the_same_features_have_no_intervals() -> None:
    table = ShareTable("", [], {"shape": "shape"}, (), (), [ShareRow("image", None)])
    assert interval_note(table) == "" and share_panels(table, 80)[0].row_count == 1


def pooled_model() -> PooledAdapter:
    return PooledAdapter(Pooled(), transform, tokenize, spec="pooled", family="module")


def test_features_of_patches_and_those_pooled_for_a_sentence() -> None:
    scenes, adapter = crossed_scenes()[::97], pooled_model()
    found = image_features(adapter, scenes)
    names = [IMAGE, PATCHES, ON_OBJECTS, "patches beside objects", FOR_OBJECT, FOR_BACKGROUND]
    assert list(found) == names
    assert all(np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5) for vectors in found.values())
    assert found[IMAGE] == pytest.approx(found[PATCHES], abs=1e-5)  # this tower's own feature is that mean
    # Patches on objects look like the one colour of the object, patches beside them like that of the background.
    large = next(
        s for s in scenes_of_one_object().scenes if s.objects[0].size == "large" and s.objects[0].fill == "solid"
    )
    one = image_features(adapter, [large])
    assert not np.allclose(one[ON_OBJECTS], one["patches beside objects"], atol=0.05)


def test_pooled_features_are_those_whose_cosine_is_the_conditioned_score() -> None:
    from goldieval.data.shapes.draw import draw
    from goldieval.doctor.shortcuts.scenes import object_sentence
    from goldieval.scoring.conditioned import conditioned_matrix

    scenes, adapter = crossed_scenes()[::240], pooled_model()
    texts = [object_sentence(scene) for scene in scenes]
    with adapter.inference():
        pixels = torch.stack([transform(draw(scene, SIDE)) for scene in scenes])
        vectors = adapter.encode_text(tokenize(texts))
        scores = conditioned_matrix(adapter.pool, vectors, adapter.patch_tokens(pixels)).diagonal()
    pooled = torch.from_numpy(image_features(adapter, scenes)[FOR_OBJECT])
    assert (pooled * nn.functional.normalize(vectors, dim=-1)).sum(1).numpy() == pytest.approx(scores.numpy(), abs=1e-5)


def test_a_model_without_towers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "load", lambda spec, options: SimpleNamespace(describe=None))
    with pytest.raises(GoldievalError, match="--shortcuts needs a model that encodes pictures and texts"):
        list(run.measured("random", "cpu"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shortcuts"], "give --model"),
        (["--model", "random", "--shortcuts", "--verify"], "no --verify"),
        (["--model", "random", "--html", "page.html"], "--html requires --shortcuts"),
        (["--model", "randon", "--shortcuts"], "no model family"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str) -> None:
    answer = goldieval("doctor", *arguments, "--device", "cpu")
    assert answer.code != 0 and answer.out == ""
    assert message in one_line(answer.err)


@pytest.mark.parametrize("columns", [80, 60])
def test_screen_page_and_json(
    monkeypatch: pytest.MonkeyPatch, silhouettes: Shortcuts, tmp_path: Path, columns: int
) -> None:
    from dataclasses import replace

    monkeypatch.setenv("COLUMNS", str(columns))
    strange = replace(silhouettes, model="file:<b>&\x1b[31m")
    monkeypatch.setattr(run, "measured", lambda *_: iter([strange]))
    monkeypatch.setattr(run, "untrained", lambda _: silhouettes)
    page = tmp_path / "page.html"
    screen = goldieval("doctor", "--model", "x", "--shortcuts", "--html", str(page))
    assert (screen.code, screen.err) == (0, "")
    assert "image, untrained" in screen.out and "\x1b" not in screen.out and "…" not in screen.out
    assert max(len(line) for line in screen.out.splitlines() if not line.startswith("page:")) <= columns
    text = page.read_text(encoding="utf-8")
    assert "&lt;b&gt;&amp;" in text and "<b>&" not in text and "\x1b" not in text
    assert "<script" not in text and text.count('class="track') == 2 * (1 + 1 + 3)
    answer = goldieval("doctor", "--model", "x", "--shortcuts", "--json")
    found = json.loads(answer.out)
    assert found["models"][0]["scenes"][0]["shares"][BACKGROUND].keys() == {"value", "low", "high", "chance"}
    assert found["models"][0]["warnings"] == [] and found["untrained"]["model"] == "silhouettes"


@pytest.mark.parametrize("place", ["file/page.html", "folder"])
def test_a_page_that_cannot_be_written_is_one_line_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    measured: list[str] = []

    def measure_nothing(spec: str, *_: Any) -> Iterator[Shortcuts]:
        measured.append(spec)
        return iter([])

    monkeypatch.setattr(run, "measured", measure_nothing)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    answer = goldieval("doctor", "--model", "random", "--shortcuts", "--html", str(tmp_path / place))
    assert answer.code != 0 and place in one_line(answer.err)
    assert measured == []
