"""Checkpoints of other trainers: every container, wrapper and size, or one line that says what is wrong."""

from __future__ import annotations

import argparse
import datetime
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from helpers import goldieval, one_line, records
from open_clip import factory
from PIL import Image
from safetensors.torch import save_file
from tiny_models import cosmos_file, flair_file, superclip_file

from goldieval import load_model
from goldieval.core.errors import GoldievalError
from goldieval.models.adapter import inference

State = dict[str, torch.Tensor]
RESNET = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16}
SIZES: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "FILES-PLAIN": SIZES,
    "FILES-CUSTOM": SIZES | {"custom_text": True},
    "FILES-RESNET": SIZES | {"vision_cfg": RESNET},
    "FILES-WIDE": SIZES | {"embed_dim": 48},
}


@pytest.fixture(scope="module", autouse=True)
def architectures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("configs")
    for name, config in ARCHITECTURES.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    yield
    factory._MODEL_CONFIG_PATHS.remove(folder)
    for name in ARCHITECTURES:
        del factory._MODEL_CONFIGS[name]


def state_of(name: str = "FILES-PLAIN", seed: int = 7, **how: Any) -> State:
    """A state dict different from every seed of the adapter."""
    torch.manual_seed(seed)
    return {key: part.clone() for key, part in open_clip.create_model(name, **how).state_dict().items()}


@pytest.fixture(scope="module")
def state() -> State:
    return state_of()


@pytest.fixture(scope="module")
def bare(state: State, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The model loaded from the bare weights."""
    return info(saved(tmp_path_factory.mktemp("bare"), state))


def prefixed(state: State, prefix: str) -> State:
    return {f"{prefix}{name}": part for name, part in state.items()}


def saved(folder: Path, content: Any, name: str = "epoch.pt") -> Path:
    torch.save(content, folder / name)
    return folder / name


def info(file: Path | str, name: str = "FILES-PLAIN") -> Any:
    return load_model(f"open_clip:{name}@{file}").describe()


def refused(file: Path | str, name: str = "FILES-PLAIN") -> str:
    with pytest.raises(GoldievalError) as caught:
        load_model(f"open_clip:{name}@{file}")
    return one_line(str(caught.value))


# Containers and wrappers

MOMENTS = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 1e-3, "params": [0]}]}
CONTAINERS: dict[str, Callable[[State], Any]] = {
    "bare": lambda state: state,
    **{
        key: lambda state, key=key: {"epoch": 3, key: state, "optimizer": MOMENTS}
        for key in (
            "state_dict", "model", "model_state_dict", "module", "ema", "model_ema", "state_dict_ema", "teacher", "w",
        )
    },
    "lightning": lambda state: {
        "epoch": 1, "global_step": 9, "pytorch-lightning_version": "2.0", "state_dict": state, "loops": {"fit": {}},
        "callbacks": {"best": {"score": torch.tensor(0.3)}}, "optimizer_states": [MOMENTS],
        "hyper_parameters": {"lr": 0.1},
    },
    "nested": lambda state: {"checkpoint": {"model": {"state_dict": state}}},
    "list": lambda state: {"models": [state]},
    "pairs": lambda state: list(state.items()),
    "moments by name": lambda state: {"model": state, "optimizer": {"exp_avg": state, "exp_avg_sq": state}},
}  # fmt: skip
WHOLE = ("bare", "nested", "list", "pairs")  # containers with nothing beside the model
PREFIXES = (
    "", "module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module.", "clip.", "net.", "student.",
    "clip_model.", "_forward_module.", "backbone.", "model.clip._orig_mod.", "whatever.it.is.",
    "module.module.", "_fsdp_wrapped_module._orig_mod.", "model.module.model.", "_orig_mod._orig_mod.",
)  # fmt: skip


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_gives_the_model_of_the_bare_weights(
    tmp_path: Path, state: State, bare: Any, container: str
) -> None:
    for prefix in ("", "module._orig_mod."):
        found = info(saved(tmp_path, CONTAINERS[container](prefixed(state, prefix))))
        assert found.fingerprint == bare.fingerprint and found.checkpoint.startswith("took 38 tensors")
        assert (f"prefix {prefix} removed" in found.checkpoint) == bool(prefix)
        assert ("left: " in found.checkpoint) == (container not in WHOLE)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_prefix_gives_the_model_of_the_bare_weights_and_is_noted(
    tmp_path: Path, state: State, bare: Any, prefix: str
) -> None:
    found = info(saved(tmp_path, {"state_dict": prefixed(state, prefix)}))
    assert found.fingerprint == bare.fingerprint
    removed = f", prefix {prefix} removed" if prefix else ""
    assert found.checkpoint == f"took 38 tensors of state_dict{removed}"


@pytest.mark.parametrize("name", ["epoch.safetensors", "epoch.pt"])
def test_safetensors_are_known_by_their_content(tmp_path: Path, state: State, bare: Any, name: str) -> None:
    save_file(prefixed(state, "model."), tmp_path / name)
    found = info(tmp_path / name)
    assert found.fingerprint == bare.fingerprint and found.checkpoint == "took 38 tensors, prefix model. removed"


def test_wrappers_inside_the_model_are_taken_off(tmp_path: Path, state: State, bare: Any) -> None:
    inside = {
        re.sub(r"^visual\.|(resblocks\.\d+)\.", lambda found: f"{found[0]}_orig_mod.", name): part
        for name, part in state.items()
    }
    assert "visual._orig_mod.conv1.weight" in inside
    assert info(saved(tmp_path, inside)).fingerprint == bare.fingerprint


@pytest.mark.parametrize(("name", "other"), [("FILES-PLAIN", "FILES-CUSTOM"), ("FILES-CUSTOM", "FILES-PLAIN")])
def test_open_clips_two_layouts_are_one_model(tmp_path: Path, name: str, other: str) -> None:
    file = saved(tmp_path, {"state_dict": prefixed(state_of(other), "model.")})
    own = saved(tmp_path, state_of(name), "own.pt")
    assert info(file, name).fingerprint == info(own, name).fingerprint


@pytest.mark.parametrize(
    ("kind", "make"), [("flair", flair_file), ("cosmos", cosmos_file), ("superclip", superclip_file)]
)
def test_the_other_families_are_unwrapped_as_well(tmp_path: Path, kind: str, make: Callable[[Path], Path]) -> None:
    file = make(tmp_path)
    before = load_model(f"{kind}@{file}").describe()
    content = torch.load(file, weights_only=True)
    inner = content.get("state_dict") or content["student"]
    again = {
        "checkpoint": {"net": {name.replace("module.", "_orig_mod.module."): part for name, part in inner.items()}}
    }
    after = load_model(f"{kind}@{saved(tmp_path, again)}").describe()
    assert after.fingerprint == before.fingerprint and "checkpoint.net" in after.checkpoint


# Several models in a file


@pytest.mark.parametrize(
    ("first", "second"),
    [("student", "teacher"), ("model", "model_ema"), ("state_dict", "state_dict_ema"), ("model", "ema.module")],
)
def test_of_two_models_the_trained_one_is_taken_and_the_other_can_be_named(
    tmp_path: Path, state: State, first: str, second: str
) -> None:
    other = state_of(seed=8)
    own, averaged = (info(saved(tmp_path, each, "bare.pt")).fingerprint for each in (state, other))
    file = saved(tmp_path, prefixed(other, f"{second}.") | prefixed(state, f"{first}."))
    found = info(file)
    assert found.fingerprint == own and second.partition(".")[0] in found.checkpoint and "#" in found.checkpoint
    assert info(f"{file}#{second.partition('.')[0]}").fingerprint == averaged
    assert info(f"{file}#{first}").fingerprint == own
    assert "holds no nobody, only" in refused(f"{file}#nobody")


def test_two_indistinguishable_models_are_refused_by_name(tmp_path: Path, state: State) -> None:
    file = saved(tmp_path, {"a": state, "b": state_of(seed=8)})
    line = refused(file)
    assert "2 models, a and b" in line and "epoch.pt#a" in line
    assert info(f"{file}#b").fingerprint == info(saved(tmp_path, state_of(seed=8), "b.pt")).fingerprint
    assert info(saved(tmp_path, {"a": state, "b": state}, "same.pt")).fingerprint == info(f"{file}#a").fingerprint


def test_a_teacher_with_an_additional_tensor_is_not_the_only_model(tmp_path: Path, state: State, bare: Any) -> None:
    other = state_of(seed=8)
    less = {name: part for name, part in state.items() if name != "logit_scale"}
    file = saved(tmp_path, {"student": less, "teacher": other})
    about = info(file)
    assert about.fingerprint == bare.fingerprint
    assert "took 37 tensors of student; also in the file: teacher (FILE#NAME)" in about.checkpoint


def test_tensors_beside_a_model_are_noted_and_tensors_within_it_refused(tmp_path: Path, state: State) -> None:
    loss = {"loss.temperature": torch.ones(1)}
    beside = info(saved(tmp_path, {"state_dict": prefixed(state, "model.") | loss}))
    assert beside.checkpoint == "took 38 tensors of state_dict, prefix model. removed; left: state_dict.loss"
    head = prefixed(state, "clip.model.") | {"clip.head.weight": torch.ones(1), "clip.head.bias": torch.ones(1)}
    assert info(saved(tmp_path, head)).checkpoint.endswith("left: clip.head (2)")
    line = refused(saved(tmp_path, state | loss))
    assert "1 more than it has (loss.temperature)" in line and len(line) < 400


# Sizes


@pytest.mark.parametrize("custom", [False, True])
def test_image_size_and_context_come_from_the_tensors(tmp_path: Path, custom: bool) -> None:
    name = "FILES-CUSTOM" if custom else "FILES-PLAIN"
    file = saved(tmp_path, {"state_dict": state_of(name, force_image_size=64, force_context_length=24)})
    model: Any = load_model(f"open_clip:{name}@{file}")
    about = model.describe()
    assert (about.resolution, about.context_length) == (64, 24)
    sizes = "sizes from the tensors: 64 px (the config says 32) and 24 tokens (the config says 77)"
    assert about.checkpoint == f"took 38 tensors of state_dict; {sizes}"
    assert model.preprocess(Image.new("RGB", (200, 90))).shape == (3, 64, 64)
    assert model.tokenize(["a dog " * 50]).shape == (1, 24)
    for key, part in torch.load(file, weights_only=True)["state_dict"].items():
        torch.testing.assert_close(model.module.state_dict()[key], part, atol=0, rtol=0)


def test_a_resnets_image_size_comes_from_its_pooling(tmp_path: Path) -> None:
    about = info(saved(tmp_path, state_of("FILES-RESNET", force_image_size=96)), "FILES-RESNET")
    assert about.resolution == 96 and "96 px (the config says 64)" in about.checkpoint


def test_a_timm_towers_image_size_comes_from_its_positions(tmp_path: Path) -> None:
    module = _timm()
    from model_adapters.open_clip_sizes import Sizes, sizes_of

    state = {"visual.trunk.pos_embed": torch.zeros(1, module.visual.trunk.pos_embed.shape[1] + 9 - 4, 64)}
    assert sizes_of(state, module, tmp_path) == Sizes(image=48)


def _timm() -> Any:
    """A timm ViT of 2 x 2 patches of 16 in open_clip's wrapper."""
    import timm

    trunk = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=1, embed_dim=64, num_heads=1, num_classes=0)
    return SimpleNamespace(visual=SimpleNamespace(trunk=trunk, image_size=(32, 32)))


def test_positions_that_are_not_square_are_refused(tmp_path: Path, state: State) -> None:
    file = saved(tmp_path, state | {"visual.positional_embedding": torch.zeros(7, 32)})
    assert "visual.positional_embedding has 7 positions" in refused(file) and "not a square" in refused(file)


def test_plan_and_record_show_the_sizes_and_the_wrappers(tmp_path: Path) -> None:
    file = saved(tmp_path, {"model": state_of(force_image_size=64, force_context_length=24)})
    ran = goldieval(
        "run", "--model", f"open_clip:FILES-PLAIN@{file}", "--tasks", "shapes-zeroshot", "--limit", 4, "--no-cache",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    output = " ".join(ran.out.split())
    assert "took 38 tensors of model; sizes from the tensors: 64 px (the config says 32) and 24 tokens" in output
    (record,) = records(tmp_path / "out")
    assert record["model"]["resolution"] == 64 and record["model"]["context_length"] == 24
    assert "64 px" in record["model"]["checkpoint"]


# What else a file may bring


def test_the_bias_of_a_sigmoid_loss_is_left_out_and_noted(tmp_path: Path, state: State, bare: Any) -> None:
    for bias in (torch.tensor(-10.0), torch.tensor([-10.0])):
        about = info(saved(tmp_path, {"epoch": 1, "state_dict": state | {"logit_bias": bias}}))
        assert about.fingerprint == bare.fingerprint and "logit_bias left out: cosines" in about.checkpoint


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_read_as_float32(tmp_path: Path, state: State, dtype: torch.dtype) -> None:
    model: Any = load_model(f"open_clip:FILES-PLAIN@{saved(tmp_path, {k: v.to(dtype) for k, v in state.items()})}")
    with inference(model):
        features = model.encode_text(model.tokenize(["a dog"]))
    assert features.dtype == torch.float32 and bool(features.isfinite().all())


def test_constants_of_other_versions_do_not_matter(tmp_path: Path, state: State, bare: Any) -> None:
    more = {"input_resolution": torch.tensor(32), "context_length": torch.tensor(77), "vocab_size": torch.tensor(49408)}
    about = info(saved(tmp_path, state | more | {"attn_mask": torch.zeros(77, 77)}))
    assert about.fingerprint == bare.fingerprint


@pytest.mark.parametrize(
    "value",
    [
        argparse.Namespace(lr=1, out=Path("runs")),
        np.float64(0.3),
        np.int64(3),
        Path("runs/a"),
        frozenset([1]),
        SimpleNamespace(lr=1),
        datetime.datetime(2026, 1, 2, 3),
        datetime.timedelta(1),
    ],
    ids=type,
)
def test_plain_values_of_a_trainer_beside_the_weights_are_read(
    tmp_path: Path, state: State, bare: Any, value: Any
) -> None:
    assert info(saved(tmp_path, {"state_dict": state, "args": value})).fingerprint == bare.fingerprint


class Runs:
    """An object that writes a file when its pickle is executed."""

    def __reduce__(self) -> Any:
        return exec, ("open('executed', 'w').close()",)


def test_no_plain_value_carries_code(tmp_path: Path, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    inside = (argparse.Namespace(it=Runs()), SimpleNamespace(it=Runs()))
    for value in (Runs(), *inside, frozenset([Runs()]), np.array([Runs()], dtype=object)):
        refused(saved(tmp_path, {"state_dict": state, "args": value}))
    assert not (tmp_path / "executed").exists()


def test_a_model_without_its_temperature_is_read_and_noted(tmp_path: Path, state: State, bare: Any) -> None:
    less = {name: part for name, part in state.items() if name != "logit_scale"}
    about = info(saved(tmp_path, {"state_dict": less}))
    line = "took 37 tensors of state_dict; no logit_scale in the file: cosines do not need it"
    assert about.checkpoint == line
    model: Any = load_model(f"open_clip:FILES-PLAIN@{tmp_path / 'epoch.pt'}")
    whole: Any = load_model(f"open_clip:FILES-PLAIN@{saved(tmp_path, state, 'whole.pt')}")
    with inference(model), inference(whole):
        assert torch.equal(*(each.encode_text(each.tokenize(["a dog"])) for each in (model, whole)))
    assert about.logit_factor is None, "that of a new module is not the model's own"
    assert whole.describe().logit_factor == pytest.approx(float(state["logit_scale"].exp()), rel=1e-6)


def test_the_architecture_that_fits_is_not_suggested_again(tmp_path: Path, state: State) -> None:
    assert "Its sizes" not in refused(saved(tmp_path, state | {"visual.proj_lora": torch.ones(2)}))


def with_nan(state: State) -> State:
    return state | {"visual.proj": state["visual.proj"].clone().fill_(float("nan"))}


WRONG: dict[str, tuple[Callable[[State], Any], str]] = {
    "NaN": (with_nan, "1 of .* hold NaN or infinity .visual.proj.*diverged"),
    "int8": (lambda state: state | {"visual.proj": state["visual.proj"].to(torch.int8)}, "int8.*Quantised"),
    "no tensors": (lambda state: {"epoch": 3, "state_dict": {}}, "holds no state dict"),
    "empty": (lambda state: {}, "holds no state dict"),
    "optimiser only": (lambda state: {"optimizer": MOMENTS, "epoch": 1}, "holds no state dict"),
    "one tensor": (lambda state: torch.ones(3), "holds no state dict"),
    "other model": (lambda state: {"encoder.weight": torch.ones(3)}, "does not fit FILES-PLAIN: .* tensors missing"),
    "transformers": (
        lambda state: {"vision_model.x": torch.ones(1), "logit_scale": torch.ones(1)}, "write huggingface:FOLDER",
    ),
    "half a model": (lambda state: {k: v for k, v in state.items() if k < "t"}, "does not fit .* tensors missing"),
    "other vocabulary": (
        lambda state: state | {"token_embedding.weight": torch.zeros(100, 32)}, "mismatch for token_embedding.weight",
    ),
    "other patch": (
        lambda state: state | {"visual.conv1.weight": torch.zeros(32, 3, 8, 8)}, "mismatch for visual.conv1.weight",
    ),
    "sparse": (lambda state: state | {"visual.proj": state["visual.proj"].to_sparse()}, "visual.proj is stored as .*"),
    "one tower": (
        lambda state: {k: v for k, v in state.items() if k.startswith("visual.")}, "tensors missing .positional_emb",
    ),
    "no tokens": (lambda state: state | {"positional_embedding": torch.zeros(0, 32)}, "texts of 0 tokens"),
    "20,000 tokens": (lambda state: state | {"positional_embedding": torch.zeros(20_000, 32)}, "20,000 tokens"),
    "263,169 patches": (
        lambda state: state | {"visual.positional_embedding": torch.zeros(513**2 + 1, 32)}, "px; the maximum is 8,192",
    ),
    "10 million tokens that are not there": (
        lambda state: state | {"positional_embedding": torch.zeros(1, 1).expand(10**7, 32)}, "the file has fewer",
    ),
    "arrays": (
        lambda state: {"state_dict": {k: v.numpy() for k, v in state.items()}},
        "it contains .* in addition to tensors",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_weights_that_are_wrong_are_one_short_line(tmp_path: Path, state: State, what: str) -> None:
    make, line = WRONG[what]
    message = refused(saved(tmp_path, make(state)))
    assert re.search(line, message) and "epoch.pt" in message and len(message) < 500, message


def test_another_architecture_is_named_where_it_fits(tmp_path: Path) -> None:
    line = refused(saved(tmp_path, state_of("FILES-WIDE")))
    assert "size mismatch" in line and "Its sizes are those of FILES-WIDE" in line


NO_WEIGHTS = {
    b"": "empty",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n": "Git LFS pointer",
    b"<!DOCTYPE html><html><body>404</body></html>": "web page",
    b"\n <html>404</html>": "web page",
    b"these are no weights at all, but words\n": "a text",
    b'{"state_dict": "in words"}': "a text",
}


@pytest.mark.parametrize("content", NO_WEIGHTS, ids=lambda content: content[:9].decode())
@pytest.mark.parametrize("name", ["epoch.pt", "epoch.safetensors", "epoch.bin"])
@pytest.mark.parametrize("family", ["open_clip:FILES-PLAIN", "flair", "cosmos", "superclip", "goldiclip"])
def test_a_file_without_weights_is_identified(tmp_path: Path, content: bytes, name: str, family: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GoldievalError, match=f"{name} is not loaded: it is .*{NO_WEIGHTS[content]}"):
        load_model(f"{family}@{tmp_path / name}")


def test_a_folder_is_not_a_checkpoint_and_its_files_are_named(tmp_path: Path, state: State) -> None:
    saved(tmp_path, state, "b.pt")
    for place in (tmp_path, f"{tmp_path}/"):
        assert "it is a folder; it holds b.pt; name a file" in refused(place)


def test_files_with_marks_of_the_grammar_in_their_names(
    tmp_path: Path, state: State, bare: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("a@b/epoch.pt", "a@b@c.pt", "run[1]/e.pt", "run #2/e.pt", "e#3.pt", "two words.pt", "a:b.pt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        saved(tmp_path, state, name)
        assert info(f"~/{name}").fingerprint == bare.fingerprint


def test_code_in_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{"params/img/pos_embedding": np.zeros((1, 9, 4))})
    assert "a.npz" in refused(tmp_path / "a.npz")
