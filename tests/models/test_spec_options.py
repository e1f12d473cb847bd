"""Options of a spec: the models that open_clip itself would make, and exactly the identities that they change."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import open_clip
import pytest
import torch
from adapter_cases import refused
from helpers import goldieval, one_line, records
from PIL import Image
from safetensors.torch import load_file
from tiny_models import cosmos_file, flair_file, huggingface_folder, superclip_file

from goldieval import load_model
from goldieval.models.adapter import ModelInfo, inference

pytestmark = pytest.mark.usefixtures("architectures")

PICTURE = Image.effect_noise((90, 60), 80).convert("RGB")
TEXTS = ["a dog on a mat", "a photo of a large red circle " * 9]


def spec_of(file: Path, *options: str, name: str = "TINY") -> str:
    return "::".join([f"open_clip:{name}@{file}", *options])


def describe(spec: str) -> ModelInfo:
    return load_model(spec).describe()


def embeddings(model: Any) -> tuple[torch.Tensor, torch.Tensor]:
    with inference(model):
        return model.encode_image(model.preprocess(PICTURE)[None]), model.encode_text(model.tokenize(TEXTS))


# The numbers of open_clip

FORCED: dict[str, tuple[list[str], dict[str, Any]]] = {
    "size": (["size=64"], {"force_image_size": 64}),
    "rectangle": (["size=64x96"], {"force_image_size": (64, 96)}),
    "smaller": (["size=16"], {"force_image_size": 16}),
    "context": (["context=248"], {"force_context_length": 248}),
    "shorter": (["context=20"], {"force_context_length": 20}),
    "quickgelu": (["quickgelu=yes"], {"force_quick_gelu": True}),
    "transform": (
        ["mean=0.5", "std=0.4,0.3,0.2", "interpolation=bilinear", "resize=squash"],
        {
            "image_mean": (0.5, 0.5, 0.5),
            "image_std": (0.4, 0.3, 0.2),
            "image_interpolation": "bilinear",
            "image_resize_mode": "squash",
        },
    ),
    "all": (
        ["resize=longest", "size=96", "quickgelu=yes", "context=100"],
        {
            "force_image_size": 96,
            "force_context_length": 100,
            "force_quick_gelu": True,
            "image_resize_mode": "longest",
        },
    ),
}


@pytest.mark.parametrize("case", FORCED)
@pytest.mark.parametrize("name", ["TINY", "TINY-custom"])
def test_embeddings_are_bit_equal_to_open_clips_forced_model(checkpoint: Path, case: str, name: str) -> None:
    options, forced = FORCED[case]
    own, _, transform = open_clip.create_model_and_transforms(name, pretrained=str(checkpoint), **forced)
    tokens = open_clip.get_tokenizer(name, context_length=forced.get("force_context_length"))(TEXTS)
    with torch.inference_mode():
        expected = own.eval().encode_image(transform(PICTURE)[None]), own.encode_text(tokens)
    found = embeddings(load_model(spec_of(checkpoint, *options, name=name)))
    assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])


def test_pooling_is_that_of_open_clips_config(checkpoint: Path) -> None:
    own = open_clip.create_model("TINY", pretrained=str(checkpoint)).eval()
    own.visual.pool_type = "avg"
    model: Any = load_model(spec_of(checkpoint, "pooling=avg"))
    with torch.inference_mode():
        assert torch.equal(embeddings(model)[0], own.encode_image(model.preprocess(PICTURE)[None]))


def test_an_architecture_without_weights_is_open_clips_seeded_model() -> None:
    torch.manual_seed(0)
    own = open_clip.create_model("TINY", force_image_size=64, force_context_length=20)
    model: Any = load_model("open_clip:TINY::size=64::context=20")
    assert all(torch.equal(part, model.module.state_dict()[name]) for name, part in own.state_dict().items())


def test_a_timm_tower_interpolates_its_own_positions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vision = {"timm_model_name": "vit_tiny_patch16_224", "timm_pool": "token", "timm_proj": "linear", "image_size": 32}
    config = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": {"width": 32, "heads": 2, "layers": 1}}
    _register(monkeypatch, "TIMM", config)
    own = open_clip.create_model("TIMM").eval()
    torch.save(own.state_dict(), tmp_path / "timm.pt")
    model: Any = load_model(spec_of(tmp_path / "timm.pt", "size=64", name="TIMM"))
    own.visual.set_input_size((64, 64))
    with torch.inference_mode():
        assert torch.equal(embeddings(model)[0], own.encode_image(model.preprocess(PICTURE)[None]))
    assert "pooling" in refused(spec_of(tmp_path / "timm.pt", "pooling=avg", name="TIMM"))


def _register(monkeypatch: pytest.MonkeyPatch, name: str, config: dict[str, Any]) -> None:
    from open_clip import factory

    monkeypatch.setitem(factory._MODEL_CONFIGS, name, config)


def test_a_tower_whose_positions_cannot_be_interpolated_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vision = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16}
    _register(
        monkeypatch,
        "RESNET",
        {"embed_dim": 32, "vision_cfg": vision, "text_cfg": {"width": 32, "heads": 2, "layers": 1}},
    )
    torch.save(open_clip.create_model("RESNET").state_dict(), tmp_path / "resnet.pt")
    assert "cannot be interpolated" in refused("open_clip:RESNET::size=96")
    line = refused(spec_of(tmp_path / "resnet.pt", "size=96", name="RESNET"))
    assert "size: the positions of this image tower cannot be interpolated; it has size=64" in line
    assert describe(spec_of(tmp_path / "resnet.pt", "size=64", "mean=0.5", name="RESNET")).resolution == 64


# Identities

CHANGES = [  # options, whether embeddings of images change, whether those of texts do
    ("size=64", True, False),
    ("size=64x32", True, False),
    ("mean=0.5", True, False),
    ("std=0.5,0.4,0.3", True, False),
    ("interpolation=bilinear", True, False),
    ("resize=squash", True, False),
    ("resize=longest", True, False),
    ("pooling=avg", True, False),
    ("context=40", False, True),
    ("quickgelu=yes", True, True),
    ("size=32", False, False),  # what the model has anyway
    ("size=32x32", False, False),
    ("context=77", False, False),
    ("quickgelu=no", False, False),
    ("mean=0.48145466,0.4578275,0.40821073", False, False),
    ("std=0.26862954,0.26130258,0.27577711", False, False),
    ("interpolation=bicubic", False, False),
    ("resize=shortest", False, False),
    ("pooling=tok", False, False),
    ("tokenizer=ViT-B-32", False, False),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, architectures: None) -> Path:
    """A checkpoint of TINY and one model each of other families."""
    folder = tmp_path_factory.mktemp("options")
    torch.manual_seed(5)
    torch.save(open_clip.create_model("TINY").state_dict(), folder / "tiny.pt")
    for make in (flair_file, cosmos_file, superclip_file):
        make(folder)
    huggingface_folder(folder, "clip")
    huggingface_folder(folder, "siglip2")
    return folder


@pytest.mark.parametrize(("option", "image", "text"), CHANGES)
def test_an_option_changes_exactly_the_identities_whose_embeddings_it_changes(
    folder: Path, option: str, image: bool, text: bool
) -> None:
    before, after = describe(spec_of(folder / "tiny.pt")), describe(spec_of(folder / "tiny.pt", option))
    assert (before.image_identity != after.image_identity, before.text_identity != after.text_identity) == (image, text)
    assert (before.fingerprint != after.fingerprint) == (image or text)
    assert list(after.options) == [option.partition("=")[0]] and before.options == {}
    found, own = (embeddings(load_model(spec_of(folder / "tiny.pt", *each))) for each in ([option], []))
    differ = [a.shape != b.shape or not torch.equal(a, b) for a, b in zip(found, own, strict=True)]
    assert differ == [image, text]


def test_two_options_keep_what_each_of_them_leaves(folder: Path) -> None:
    both, size, context = (
        describe(spec_of(folder / "tiny.pt", *options))
        for options in (("size=64", "context=40"), ("size=64",), ("context=40",))
    )
    assert (both.image_identity, both.text_identity) == (size.image_identity, context.text_identity)
    assert both.fingerprint == describe(spec_of(folder / "tiny.pt", "context=40", "size=64x64")).fingerprint
    assert len({both.fingerprint, size.fingerprint, context.fingerprint}) == 3


def test_one_model_has_one_fingerprint_however_it_is_named(folder: Path) -> None:
    quick = describe(spec_of(folder / "tiny.pt", "quickgelu=yes"))
    assert quick.fingerprint == describe(spec_of(folder / "tiny.pt", name="TINY-quickgelu")).fingerprint
    forced = open_clip.create_model("TINY", pretrained=str(folder / "tiny.pt"), force_image_size=64)
    torch.save(forced.state_dict(), folder / "forced.pt")
    assert (
        describe(spec_of(folder / "forced.pt")).fingerprint
        == describe(spec_of(folder / "tiny.pt", "size=64")).fingerprint
    )


def test_weights_that_change_after_loading_change_all_identities(folder: Path) -> None:
    model: Any = load_model(spec_of(folder / "tiny.pt", "size=64", "mean=0.5"))
    before = model.describe()
    with torch.no_grad():
        model.module.logit_scale += 1
    after = model.describe()
    assert not {before.fingerprint, before.image_identity, before.text_identity} & {
        after.fingerprint,
        after.image_identity,
        after.text_identity,
    }


FAMILIES = ("flair@{}/flair.pt", "cosmos@{}/cosmos.pt", "superclip@{}/superclip.pt", "huggingface:{}/clip", "random")
EVERYWHERE = ["size=96", "context=40", "mean=0.5", "std=0.5", "interpolation=bilinear", "resize=squash"]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_honours_the_shared_options(folder: Path, family: str) -> None:
    spec = family.format(folder)
    plain = describe(spec)
    for option in EVERYWHERE:
        found = describe(f"{spec}::{option}")
        changed = (plain.image_identity != found.image_identity, plain.text_identity != found.text_identity)
        assert changed == ((False, True) if option.startswith("context") else (True, False)), option
        assert found.fingerprint != plain.fingerprint
    model: Any = load_model("::".join([spec, *EVERYWHERE]))
    assert (model.describe().resolution, model.describe().context_length) == (96, 40)
    assert all(bool(part.isfinite().all()) for part in embeddings(model))


def test_the_tower_of_transformers_interpolates_as_its_library_does(folder: Path) -> None:
    from transformers import AutoModel

    model: Any = load_model(f"huggingface:{folder}/clip::size=64::quickgelu=no::context=40")
    own = AutoModel.from_pretrained(folder / "clip").eval()
    for tower in (own.text_model, own.vision_model):
        for layer in tower.encoder.layers:
            layer.mlp.activation_fn = torch.nn.GELU()
    with torch.inference_mode():
        pixels = model.preprocess(PICTURE)[None]
        expected = own.get_image_features(pixels, interpolate_pos_encoding=True)
    assert pixels.shape[-2:] == (64, 64)
    torch.testing.assert_close(embeddings(model)[0], getattr(expected, "pooler_output", expected), atol=1e-6, rtol=0)
    table = load_file(folder / "clip/model.safetensors")["text_model.embeddings.position_embedding.weight"]
    resized = {"positional_embedding": table.clone()}
    open_clip.model.resize_text_pos_embed(resized, SimpleNamespace(positional_embedding=torch.zeros(40, 64)))
    assert torch.equal(model.module.text_model.embeddings.position_embedding.weight, resized["positional_embedding"])


# Refusals

REFUSED = [
    ("open_clip:TINY@{}/tiny.pt::sise=384", "open_clip has no option 'sise'; it has size, .* Did you mean size"),
    ("open_clip:TINY@{}/tiny.pt::size=big", "size=big is not possible: size is pixels, 1 to 8,192"),
    ("open_clip:TINY@{}/tiny.pt::size=0", "size=0 is not possible"),
    ("open_clip:TINY@{}/tiny.pt::size=1x2x3", "size=1x2x3 is not possible"),
    ("open_clip:TINY@{}/tiny.pt::size=8193", "size=8193 is not possible"),
    ("open_clip:TINY@{}/tiny.pt::size=8", "size: an image must have at least the 16 px of a patch"),
    ("open_clip:TINY::size=8", "size: an image must have at least the 16 px of a patch"),
    ("open_clip:TINY@{}/tiny.pt::context=1", "context=1 is not possible: context is a number of tokens, 2 to"),
    ("open_clip:TINY@{}/tiny.pt::context=99999", "context=99999 is not possible"),
    ("open_clip:TINY@{}/tiny.pt::quickgelu=true", "quickgelu=true is not possible: quickgelu is yes or no"),
    ("open_clip:TINY@{}/tiny.pt::resize=crop", "resize is shortest or longest or squash"),
    ("open_clip:TINY@{}/tiny.pt::interpolation=area", "interpolation is bicubic or bilinear"),
    ("open_clip:TINY@{}/tiny.pt::mean=0.5,0.5", "mean=0.5,0.5 is not possible: mean is one number or three"),
    ("open_clip:TINY@{}/tiny.pt::mean=nan", "mean=nan is not possible"),
    ("open_clip:TINY@{}/tiny.pt::std=0", "std=0 is not possible: std is one positive number or three"),
    ("open_clip:TINY@{}/tiny.pt::pooling=none", "pooling is tok or avg"),
    ("open_clip:TINY@{}/tiny.pt::drop=,", "drop is names"),
    ("open_clip:TINY@{}/tiny.pt::tokenizer=ViT-B-61", "neither a folder, a file nor .* Did you mean ViT-B-16"),
    ("flair@{}/flair.pt::pooling=avg", "flair has no option 'pooling'; it has size"),
    ("goldiclip::context=248", "goldiclip has no option 'context'; it has size, resize"),
    ("goldiclip::size=63", "multiples of the 8 px of a patch"),
    ("embeddings:{}::size=64", "embeddings has no option 'size'; it has no options"),
    ("huggingface:{}/clip::pooling=avg", "huggingface has no option 'pooling'"),
    ("huggingface:{}/clip::resize=longest", "resize=longest: the image processor of this model .* does not do this"),
    ("huggingface:{}/clip::size=64x96", "crops to squares"),
    ("huggingface:{}/siglip2::size=64", "size: the image processor of this model .* does not do this"),
    ("huggingface:{}/clip::tokenizer=ViT-B-32", "name a folder or a tokenizer.json of transformers"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "line"), REFUSED)
def test_what_is_not_possible_is_refused_by_name(folder: Path, spec: str, line: str) -> None:
    import re

    assert re.search(line, refused(spec.format(folder)))


# Adapters of others

MINE = """
from goldieval.models.spec_options import accepts_options, standard_options
import goldieval


@accepts_options("layer", "size")
def knows(spec, options):
    size = standard_options(spec).size
    model = goldieval.load_model("random")
    model.spec, model.notice = spec.text, f"layer {spec.options['layer']}, {size}"
    return model


def ignores(spec, options):
    return goldieval.load_model("random")
"""


def test_an_adapter_of_others_gets_the_options_that_it_accepts_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    found = describe(f"{tmp_path}/mine.py:knows::layer=-2::size=64x32")
    assert found.notice == "layer -2, (64, 32)"
    assert "this file has no option 'mean'; it has layer, size." in refused(f"{tmp_path}/mine.py:knows::mean=0.5")
    assert "size=x is not possible" in refused(f"{tmp_path}/mine.py:knows::layer=1::size=x")
    assert "this file has no option 'size'; it has no options." in refused(f"{tmp_path}/mine.py:ignores::size=64")
    assert describe(f"{tmp_path}/mine.py:ignores").family == "random"


# The commands


def test_run_show_and_compare_keep_models_with_and_without_options_apart(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "run 1@x"
    place.mkdir()
    for step in (1, 2):
        shutil.copy(folder / "tiny.pt", place / f"epoch_{step}.pt")
    pattern = spec_of(place / "epoch_*.pt", "size=64", "mean=0.5")
    plain = spec_of(place / "epoch_1.pt")
    where = ("--tasks", "shapes-retrieval", "--limit", 8, "--out", tmp_path / "out")
    ran = goldieval("run", "--model", pattern, "--model", plain, *where)
    assert ran.code == 0, ran.err
    assert "size=64 instead of 32; mean=0.5,0.5,0.5" in " ".join(ran.out.split())
    found = {record["model"]["spec"]: record["model"] for record in records(tmp_path / "out")}
    named = spec_of(place / "epoch_1.pt", "size=64", "mean=0.5")
    assert found[named]["options"] == {"size": "64", "mean": "0.5,0.5,0.5"} and found[plain]["options"] == {}
    assert found[named]["fingerprint"] != found[plain]["fingerprint"] and found[named]["resolution"] == 64
    assert found[named]["fingerprint"] == found[spec_of(place / "epoch_2.pt", "size=64", "mean=0.5")]["fingerprint"]
    compared = goldieval("compare", plain, named, "--out", tmp_path / "out")
    assert compared.code == 0 and "B against A: 0 better, 0 worse" in compared.out, compared.err
    wrong = goldieval("run", "--model", f"{plain}::sise=3", "--tasks", "shapes-retrieval", "--out", tmp_path / "no")
    assert wrong.code != 0 and "has no option 'sise'" in " ".join((wrong.out + wrong.err).split())
    assert not list((tmp_path / "no").glob("**/*.json"))
    assert one_line(goldieval("run", "--model", "random::size=", "--tasks", "shapes-retrieval").err)
