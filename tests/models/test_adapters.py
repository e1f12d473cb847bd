"""Model families: one contract over all of them, then what each must refuse."""

from __future__ import annotations

import json
import os
import pickle
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from helpers import embeddings_folder, one_line, toy_model
from open_clip import factory, pretrained
from PIL import Image
from safetensors.torch import save_file
from tiny_models import cosmos_file, flair_file, huggingface_folder, superclip_file
from torch import nn

from goldieval import from_module, load_model
from goldieval.core.errors import GoldievalError, TaskError
from goldieval.models.adapter import Adapter, LoadOptions, ModelInfo, Precomputed, inference
from goldieval.models.loading import load
from goldieval.models.spec import parse_spec

TINY: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
SIGLIP_TEXT = TINY["text_cfg"] | {"no_causal_mask": True, "pool_type": "last"}
ARCHITECTURES = {
    "TINY": TINY,
    "TINY-custom": TINY | {"custom_text": True},
    "TINY-quickgelu": TINY | {"quick_gelu": True},
    "TINY-attends-to-padding": TINY | {"custom_text": True, "text_cfg": SIGLIP_TEXT},
    "TINY-wide": TINY | {"embed_dim": 48},
}
TEXTS = ["a dog", "a photo of a large red circle left of two small blue squares", "", "étude 3", "dog " * 100]


@pytest.fixture(scope="module", autouse=True)
def architectures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Register a few architectures with two layers in open_clip."""
    folder = tmp_path_factory.mktemp("configs")
    for name, config in ARCHITECTURES.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # towers this small only lose by sharing
    yield
    torch.set_num_threads(threads)
    factory._MODEL_CONFIG_PATHS.remove(folder)
    for name in ARCHITECTURES:
        del factory._MODEL_CONFIGS[name]


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    """A state dict of TINY different from every seed of the adapter."""
    torch.manual_seed(7)
    module = open_clip.create_model("TINY")
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


@pytest.fixture
def checkpoint(tmp_path: Path, weights: dict[str, torch.Tensor]) -> Path:
    """A training checkpoint as open_clip writes it."""
    moments = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 1e-3, "params": [0]}]}
    prefixed = {f"module.{name}": tensor for name, tensor in weights.items()}
    file = tmp_path / "epoch_32.pt"
    torch.save({"epoch": 32, "name": "run", "state_dict": prefixed, "optimizer": moments}, file)
    return file


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def refused(spec: str, **options: Any) -> str:
    """Return the error line with which a model is refused."""
    with pytest.raises(GoldievalError) as caught:
        load_model(spec, **options)
    return one_line(str(caught.value))


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
        for name in [name for name in state or {} if name.endswith("resblocks.1.mlp.c_fc.weight")]:
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


# Checkpoints


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("name", ["evil.pt", "evil.bin", "plain.pkl", "evil.npy", "evil.npz"])
def test_code_in_a_checkpoint_is_refused_and_not_run(
    tmp_path: Path, weights: dict[str, torch.Tensor], name: str
) -> None:
    marker, file = tmp_path / "was_run", tmp_path / name
    content: Any = {"state_dict": weights, "extra": Evil(marker)}
    if name == "plain.pkl":
        file.write_bytes(pickle.dumps({"state_dict": {}, "extra": Evil(marker)}))
    elif name.startswith("evil.np"):
        (np.save if name.endswith("y") else np.savez)(file, np.array([Evil(marker)], dtype=object))
    else:
        torch.save(content, file)
    line = refused(f"open_clip:TINY@{file}")
    assert name in line and "set to `False`" not in line  # torch's advice is to run it
    assert ("it contains" in line) == (name in ("evil.pt", "evil.bin"))
    assert ("can run any code" in line) == (not name.startswith("evil.np"))
    assert not marker.exists()


def test_file_that_is_damaged_or_something_else_is_refused_by_name(checkpoint: Path) -> None:
    whole = checkpoint.read_bytes()
    for name, content in {
        "half.pt": whole[: len(whole) // 2],
        "empty.pt": b"",
        "page.pt": b"<html>404</html>",
        "half.safetensors": b"\x10\0\0\0\0\0\0\0{}",
    }.items():
        file = checkpoint.with_name(name)
        file.write_bytes(content)
        line = refused(f"open_clip:TINY@{file}")
        assert name in line and "does not fit" not in line


@pytest.mark.parametrize("content", [{}, [1, 2], {"state_dict": {}}, {"state_dict": 3}, torch.ones(3)], ids=str)
def test_file_without_a_state_dict_is_refused_by_name(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "other.pt")
    assert "other.pt" in refused(f"open_clip:TINY@{tmp_path}/other.pt")


@pytest.mark.filterwarnings("error:.*TorchScript archive:UserWarning")
def test_torchscript_archive_is_refused_for_what_it_is(tmp_path: Path) -> None:
    """OpenAI's own files are TorchScript: they contain code, whatever their sizes."""
    torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "ViT-B-32.pt"))
    line = refused(f"open_clip:TINY@{tmp_path}/ViT-B-32.pt")
    assert "ViT-B-32.pt is a TorchScript program" in line


def test_weights_of_another_size_name_the_architecture_and_a_tensor(checkpoint: Path) -> None:
    line = refused(f"open_clip:TINY-wide@{checkpoint}")
    assert "does not fit TINY-wide" in line and "size mismatch" in line and len(line) < 700


def test_weights_that_lack_a_tensor_or_have_one_more_are_refused(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    fewer = {name: tensor for name, tensor in weights.items() if name != "visual.proj"}
    for state in (fewer, weights | {"extra.weight": torch.ones(1)}):
        torch.save(state, tmp_path / "x.pt")
        assert "x.pt does not fit TINY" in refused(f"open_clip:TINY@{tmp_path}/x.pt")


@pytest.mark.parametrize("name", ["gone.pt", "."])
def test_missing_checkpoint_is_reported(tmp_path: Path, name: str) -> None:
    assert f"no checkpoint {tmp_path / name}" in refused(f"open_clip:TINY@{tmp_path / name}")


# Named weights


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ("open_clip", "name an architecture"),
        ("open_clip:/openai", "name an architecture"),
        ("open_clip:ViT-B-23", "Did you mean ViT-B-32"),
        ("open_clip:vit-b-32", "ViT-B-32"),
        ("open_clip:ViT-B-32/laion2b_s34b_b97k", "laion2b_s34b_b79k"),
        ("open_clip:TINY/openai", "none"),
        ("open_clip:ViT-B-32/openai@x.pt", "not both"),
        ("open_clipp:ViT-B-32", "Did you mean open_clip"),
        ("rondom", "Did you mean random"),
    ],
)
def test_unknown_name_suggests_the_nearest(spec: str, named: str) -> None:
    assert named in refused(spec)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("spec", "right"),
    [
        ("ViT-B-16/openai", "ViT-B-16-quickgelu/openai"),
        ("ViT-L-14/openai", "ViT-L-14-quickgelu/openai"),
        ("RN50/openai", "RN50-quickgelu/openai"),
        ("ViT-B-32-quickgelu/laion2b_s34b_b79k", "ViT-B-32/laion2b_s34b_b79k"),
    ],
)
def test_quickgelu_mismatch_is_an_error_that_names_the_right_architecture(spec: str, right: str) -> None:
    line = refused(f"open_clip:{spec}")
    assert f"open_clip:{right}" in line and "QuickGELU" in line


@pytest.mark.usefixtures("no_network")
def test_every_mismatch_names_an_architecture_that_has_these_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """For all of open_clip's named weights: a spec is refused for its GELU, or would be downloaded."""
    from goldieval.data import remote

    monkeypatch.setattr(remote, "cached_weights", lambda *_: False)
    known = {f"{architecture}/{tag}" for architecture, tag in open_clip.list_pretrained()}
    mismatches = 0
    for spec in sorted(known):
        line = refused(f"open_clip:{spec}", offline=True)
        if "--offline" not in line:
            mismatches += 1
            assert line.rpartition("open_clip:")[2] in known, line
    assert mismatches >= 3


@pytest.mark.usefixtures("no_network")
def test_offline_missing_weights_are_an_error_without_a_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    line = refused("open_clip:ViT-B-32/laion2b_s34b_b79k", offline=True)
    assert "--offline" in line and "https://huggingface.co/laion/CLIP-ViT-B-32" in line


class _Hub(BaseHTTPRequestHandler):
    """The part of the Hub that downloading one file requires."""

    files: dict[str, bytes] = {}
    asked: list[str] = []

    def do_HEAD(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        found = self.files.get(self.path)
        self.send_response(200 if found is not None else 404)
        if found is None:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("ETag", f'"{len(found or b"")}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(found or b"")))
        self.end_headers()
        if found and self.command == "GET":
            self.wfile.write(found)

    do_GET = do_HEAD  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Hub]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_PROGRESS_BARS", True)
    _Hub.files, _Hub.asked = {}, []
    yield _Hub
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("place", "file"),
    [
        ("org/tiny/", "open_clip_model.safetensors"),
        ("org/tiny/", "open_clip_pytorch_model.bin"),
        ("org/tiny/weights.bin", "weights.bin"),
        ("org/tiny/weights.bin", "weights.safetensors"),
        ("org/tiny/weights.pt", "weights.pt"),
    ],
)
def test_named_weights_are_announced_with_their_size_and_fetched_once(
    hub: type[_Hub],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    weights: dict[str, torch.Tensor],
    checkpoint: Path,
    place: str,
    file: str,
) -> None:
    saved = _upload(hub, tmp_path, monkeypatch, weights, place, file)
    announced: list[str] = []
    model = load(parse_spec("open_clip:TINY/mini"), LoadOptions(announce=announced.append))
    assert model.describe().fingerprint == load_model(f"open_clip:TINY@{checkpoint}").describe().fingerprint
    assert len(announced) == 1 and f"{saved.stat().st_size / 1e6:,.0f} MB" in announced[0] and file in announced[0]
    assert [line for line in hub.asked if line.startswith("GET /org")] == [f"GET /org/tiny/resolve/main/{file}"]

    again = load(parse_spec("open_clip:TINY/mini"), LoadOptions(offline=True, announce=announced.append))
    assert again.describe().fingerprint == model.describe().fingerprint
    assert len(announced) == 1, "what is here already is not announced"


def test_offline_cached_weights_are_loaded_without_a_request(
    hub: type[_Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: dict[str, torch.Tensor]
) -> None:
    _upload(hub, tmp_path, monkeypatch, weights, "org/tiny/weights.pt", "weights.pt")
    load(parse_spec("open_clip:TINY/mini"), LoadOptions(announce=lambda line: None))
    hub.asked.clear()
    load_model("open_clip:TINY/mini", offline=True)
    assert not hub.asked


def _upload(
    hub: type[_Hub],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    weights: dict[str, torch.Tensor],
    place: str,
    file: str,
) -> Path:
    """Put weights on the Hub as ``file``, named TINY/mini; return the local copy."""
    saved = folder / file
    (save_file if file.endswith(".safetensors") else torch.save)(weights, saved)
    hub.files = {f"/org/tiny/resolve/main/{file}": saved.read_bytes()}
    monkeypatch.setitem(pretrained._PRETRAINED, "TINY", {"mini": pretrained._pcfg(hf_hub=place)})
    return saved


def test_released_weights_come_from_a_hub_revision_once(hub: type[_Hub], tmp_path: Path) -> None:
    saved = flair_file(tmp_path)
    hub.files = {"/org/flair/resolve/v2/sub/flair.pt": saved.read_bytes()}
    announced: list[str] = []
    spec = parse_spec("flair:org/flair/sub/flair.pt@v2")
    model = load(spec, LoadOptions(announce=announced.append))
    assert model.describe().fingerprint == load_model(f"flair@{saved}").describe().fingerprint
    assert len(announced) == 1 and f"{saved.stat().st_size / 1e6:,.0f} MB" in announced[0]
    hub.asked.clear()
    again = load(spec, LoadOptions(offline=True, announce=announced.append))
    assert again.describe().fingerprint == model.describe().fingerprint and len(announced) == 1 and not hub.asked
    assert "cannot reach" in refused("flair:org/flair/other.pt")
    assert "--offline" in refused("flair:org/flair/other.pt", offline=True)


def test_weights_that_the_hub_lacks_are_one_line(hub: type[_Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pretrained._PRETRAINED, "TINY", {"mini": pretrained._pcfg(hf_hub="org/tiny/")})
    line = refused("open_clip:TINY/mini")
    assert "127.0.0.1" in line or "TINY/mini" in line


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


# embeddings:FOLDER


def _folder(folder: Path, dim: int = 4, text_dim: int = 4) -> Path:
    rng = np.random.default_rng(0)
    images, texts = rng.normal(size=(3, dim)).astype("float16"), rng.normal(size=(2, text_dim))
    return embeddings_folder(folder, images, ["a", "b", "c"], texts, ["x", "y"])


def test_precomputed_embeddings_are_looked_up_by_id(tmp_path: Path) -> None:
    model: Any = load_model(f"embeddings:{_folder(tmp_path)}")
    assert isinstance(model, Precomputed) and not isinstance(model, Adapter)
    stored = np.load(tmp_path / "image_embeddings.npy").astype(np.float32)
    found = model.image_embeddings(["c", "a", "b"])
    assert found.dtype == np.float32 and np.array_equal(found, stored[[2, 0, 1]])
    texts = np.load(tmp_path / "text_embeddings.npy").astype(np.float32)
    assert np.array_equal(model.text_embeddings(["y", "x"]), texts[::-1])


@pytest.mark.parametrize(
    ("ids", "line"),
    [
        (["a", "b"], "the task has 2, .* has 3; 0 of the task's are missing there, 1 are more"),
        (["a", "b", "z"], "the task has 3, .* has 3; 1 of the task's are missing there, for example z, 1 are more"),
        (["a", "b", "c", "d"], "the task has 4, .* has 3; 1 of the task's are missing there, for example d, 0 are"),
    ],
)
def test_ids_that_do_not_match_one_to_one_stop_with_the_counts(tmp_path: Path, ids: list[str], line: str) -> None:
    model: Any = load_model(f"embeddings:{_folder(tmp_path)}")
    with pytest.raises(TaskError, match=line):
        model.image_embeddings(ids)


def test_subset_of_the_ids_is_enough_where_the_task_is_a_subset(tmp_path: Path) -> None:
    model: Any = load_model(f"embeddings:{_folder(tmp_path)}")
    assert model.image_embeddings(["b"], subset=True).shape == (1, 4)
    with pytest.raises(TaskError, match="for example z"):
        model.image_embeddings(["b", "z"], subset=True)


def test_fingerprint_of_embeddings_is_of_arrays_and_ids(tmp_path: Path) -> None:
    first = load_model(f"embeddings:{_folder(tmp_path / 'a')}").describe().fingerprint
    assert load_model(f"embeddings:{_folder(tmp_path / 'b')}").describe().fingerprint == first
    (tmp_path / "b" / "image_ids.txt").write_text("a\nc\nb\n")
    assert load_model(f"embeddings:{tmp_path / 'b'}").describe().fingerprint != first
    array = np.load(tmp_path / "a" / "text_embeddings.npy")
    array[0, 0] += 1e-6
    np.save(tmp_path / "a" / "text_embeddings.npy", array)
    assert load_model(f"embeddings:{tmp_path / 'a'}").describe().fingerprint != first


def _pickled(file: Path) -> None:
    np.save(file, np.array([Evil(file.with_name("was_run"))], dtype=object), allow_pickle=True)


def _header(text: str) -> Any:
    about = f"{{'descr': '<f4', 'fortran_order': False, {text}}}\n".encode()
    return lambda file: file.write_bytes(b"\x93NUMPY\1\0" + len(about).to_bytes(2, "little") + about + bytes(64))


def test_ids_may_have_a_byte_order_mark_and_overflow_is_silent(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    folder = _folder(tmp_path)
    (folder / "image_ids.txt").write_text("a\nb\nc\n", encoding="utf-8-sig")
    np.save(folder / "image_embeddings.npy", np.full((3, 4), 1e300))
    model: Any = load_model(f"embeddings:{folder}")
    assert np.isinf(model.image_embeddings(["a"], subset=True)).all()  # refused where it is scored
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda file: np.save(file, np.zeros(3)), "image_embeddings.npy: expected float rows"),
        (lambda file: np.save(file, np.zeros((3, 4), dtype=int)), "image_embeddings.npy: expected float rows"),
        (lambda file: np.save(file, np.zeros((2, 4))), "image_ids.txt: 3 ids (0 twice) for 2 rows"),
        (lambda file: file.with_name("image_ids.txt").write_text("a\nb\na\n"), "image_ids.txt: 3 ids (1 twice)"),
        (lambda file: file.with_name("image_ids.txt").unlink(), "image_ids.txt"),
        (lambda file: file.unlink(), "cannot read"),
        (lambda file: file.write_bytes(file.read_bytes()[:-8]), "cannot read"),
        (lambda file: file.write_bytes(b""), "cannot read"),
        (lambda file: np.savez(file.open("wb"), a=np.zeros((3, 4))), "image_embeddings.npy"),
        (_pickled, "image_embeddings.npy as a plain array"),
        (_header("'shape': (3, 99999999999999999999)"), "cannot read"),
        (_header("'shape': (True, 4)"), "cannot read"),
        (_header("(" * 3000), "cannot read"),
        (lambda file: file.write_bytes(b"PK\3\4aaaa"), "cannot read"),
        (lambda file: (file.unlink(), os.mkfifo(file)), "not a regular file"),
        (lambda file: file.with_name("image_ids.txt").write_bytes(b"a\nb\n\xe9"), "byte 5 (line 3) is not UTF-8"),
    ],
)
def test_fault_in_an_embeddings_folder_is_one_line(tmp_path: Path, spoil: Any, line: str) -> None:
    folder = _folder(tmp_path)
    spoil(folder / "image_embeddings.npy")
    assert line in refused(f"embeddings:{folder}")
    assert not (folder / "was_run").exists()


@pytest.mark.parametrize("spec", ["embeddings", "embeddings:nowhere/at/all"])
def test_embeddings_need_a_folder(spec: str) -> None:
    assert "FOLDER" in refused(spec) or "no folder" in refused(spec)


# FILE.py:FUNCTION


def _file(tmp_path: Path, text: str) -> str:
    (tmp_path / "mine.py").write_text(text)
    return f"{tmp_path}/mine.py:load"


def test_python_file_gives_a_model_with_spec_and_options(tmp_path: Path) -> None:
    text = "def load(spec, options):\n    raise AssertionError((spec.name, options.device, options.precision))\n"
    with pytest.raises(Exception, match="'load', 'cpu', 'bf16'"):
        load_model(_file(tmp_path, text), precision="bf16")


def test_python_file_may_use_dataclasses_with_postponed_annotations(tmp_path: Path) -> None:
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n\n\n@dataclass\nclass A:\n    a: int\n"
    )
    assert "is not an adapter" in refused(_file(tmp_path, text + "\n\ndef load(spec, options):\n    return A(1)\n"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("def other(): ...", "has no function 'load'"),
        ("def load(:", "mine.py fails: SyntaxError"),
        ("import no_such_module", "mine.py fails: ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0", "mine.py fails: ZeroDivisionError"),
        ("def load(spec, options):\n    return 3", "int is not an adapter, it lacks describe, preprocess, tokenize"),
        ("load = 3", "mine.py"),
        ("def load():\n    return 3", "mine.py"),
        ("def load(spec, options):\n    raise ValueError('no weights')", "no weights"),
        ("raise ValueError('two\\nlines')", "mine.py fails: ValueError: two"),
    ],
)
def test_fault_in_a_python_file_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    assert line in refused(_file(tmp_path, text + "\n"))


def test_missing_python_file_is_reported(tmp_path: Path) -> None:
    assert "gone.py" in refused(f"{tmp_path}/gone.py:load")


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
