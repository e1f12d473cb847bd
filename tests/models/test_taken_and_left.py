"""Checkpoints of all trainers for all families: what is taken, what is left, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from adapter_cases import refused
from safetensors.torch import save_file
from tiny_models import cosmos_file, flair_file, huggingface_folder, superclip_file

from goldieval import load_model

pytestmark = pytest.mark.usefixtures("architectures")

State = dict[str, torch.Tensor]
MOMENTS = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 1e-3, "params": [0]}]}


@dataclass(frozen=True)
class Family:
    """A family with a small model.

    Attributes:
        state: Its tensors by its own names.
        before: Its spec up to the place of the weights.
        fingerprint: Fingerprint of the model as its own code saves it.
        config: Content of a config beside the weights, if the family needs one.
    """

    state: State
    before: str
    fingerprint: str
    config: dict[str, Any] | None = None

    def load(self, place: Path) -> Any:
        """Return the description of the model in a file or folder."""
        if self.config is not None:
            (place if place.is_dir() else place.parent).joinpath("config.json").write_text(json.dumps(self.config))
        return load_model(f"{self.before}@{place}").describe()


def _released(make: Callable[[Path], Path]) -> Callable[[Path], Family]:
    def family(folder: Path) -> Family:
        file = make(folder)
        content = torch.load(file, weights_only=True)
        state = {
            name.removeprefix("module."): part
            for name, part in (content.get("state_dict") or content["student"]).items()
        }
        return Family(state, file.stem, load_model(f"{file.stem}@{file}").describe().fingerprint)

    return family


def _open_clip(folder: Path) -> Family:
    torch.manual_seed(7)
    state = {name: part.clone() for name, part in open_clip.create_model("TINY").state_dict().items()}
    torch.save(state, folder / "bare.pt")
    return Family(state, "open_clip:TINY", load_model(f"open_clip:TINY@{folder}/bare.pt").describe().fingerprint)


def _huggingface(folder: Path) -> Family:
    model: Any = load_model(f"huggingface:{huggingface_folder(folder, 'clip')}")
    state = {name: part.clone() + 0.01 for name, part in model.module.state_dict().items()}
    model.module.load_state_dict(state)
    return Family(state, f"huggingface:{folder}/clip", model.describe().fingerprint)


def _goldiclip(_: Path) -> Family:
    model: Any = load_model("goldiclip")
    state = {name: part.clone() for name, part in model.module.state_dict().items()}
    return Family(state, "goldiclip", model.describe().fingerprint, model.module.config.model_dump())


FAMILIES: dict[str, Callable[[Path], Family]] = {
    "open_clip": _open_clip,
    "flair": _released(flair_file),
    "cosmos": _released(cosmos_file),
    "superclip": _released(superclip_file),
    "huggingface": _huggingface,
    "goldiclip": _goldiclip,
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, architectures: None) -> Family:
    return FAMILIES[request.param](tmp_path_factory.mktemp(request.param))


def prefixed(state: State, prefix: str) -> State:
    return {f"{prefix}{name}": part for name, part in state.items()}


def saved(folder: Path, content: Any, name: str = "epoch.pt") -> Path:
    torch.save(content, folder / name)
    return folder / name


def fsdp(state: State) -> State:
    """Wrappers of FSDP and of activation checkpointing, in the middle of names."""
    return {
        "_fsdp_wrapped_module."
        + re.sub(r"((?:resblocks|layers)\.\d+)\.", r"\1._fsdp_wrapped_module._checkpoint_wrapped_module.", name): part
        for name, part in state.items()
    }


# Each returns the place of the weights, and what the plan must say about it.


def _lightning(folder: Path, state: State) -> tuple[Path, str]:
    content = {"state_dict": prefixed(state, "net._orig_mod."), "optimizer_states": [MOMENTS], "loops": {"fit": {}}}
    return saved(folder, content, "last.ckpt"), " of state_dict, prefix net._orig_mod. removed"


def _deepspeed(folder: Path, state: State) -> tuple[Path, str]:
    step = folder / "global_step9"
    step.mkdir()
    (folder / "latest").write_text("global_step9\n")
    shapes = [{name: part.shape for name, part in state.items()}]
    torch.save({"module": prefixed(state, "module."), "param_shapes": shapes}, step / "mp_rank_00_model_states.pt")
    torch.save({"optimizer_state_dict": MOMENTS}, step / "zero_pp_rank_0_mp_rank_00_optim_states.pt")
    return folder, " of module, prefix module. removed"


def _trainer(folder: Path, state: State) -> tuple[Path, str]:
    save_file(
        prefixed({name: part.contiguous() for name, part in state.items()}, "model."), folder / "model.safetensors"
    )
    torch.save(MOMENTS, folder / "optimizer.pt")
    return folder, ", prefix model. removed"


def _shards(folder: Path, state: State) -> tuple[Path, str]:
    names = list(state)
    where = {name: f"model-0000{1 + index % 2}-of-00002.safetensors" for index, name in enumerate(names)}
    for shard in set(where.values()):
        save_file({name: state[name].contiguous() for name in names if where[name] == shard}, folder / shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    return folder / "model.safetensors.index.json", ""


def _nested(folder: Path, state: State) -> tuple[Path, str]:
    averaged = {name: part * 0.5 if part.is_floating_point() else part for name, part in state.items()}
    content = {"checkpoint": {"model_state_dict": fsdp(state), "ema_state_dict": prefixed(averaged, "module.")}}
    return saved(folder, content), "; also in the file: checkpoint.ema_state_dict (FILE#NAME)"


def _with_heads(folder: Path, state: State) -> tuple[Path, str]:
    heads = {"head.weight": torch.ones(5, 3), "head.bias": torch.ones(5), "image_queue": torch.ones(3, 9)}
    copies = {"momentum_encoder.conv.weight": torch.ones(2, 2)}
    content = {"state_dict": prefixed(state | heads | copies, "_orig_mod.module."), "optimizer": MOMENTS}
    return saved(folder, content), "head (2), image_queue, momentum_encoder"


TRAINERS = (_lightning, _deepspeed, _trainer, _shards, _nested, _with_heads)


@pytest.mark.parametrize("make", TRAINERS, ids=lambda make: make.__name__.strip("_"))
def test_every_family_reads_every_trainers_checkpoint_and_says_what_it_took(
    tmp_path: Path, family: Family, make: Callable[[Path, State], tuple[Path, str]]
) -> None:
    place, line = make(tmp_path, family.state)
    found = family.load(place)
    assert found.fingerprint == family.fingerprint
    assert re.match(r"took \d+ tensors", found.checkpoint) and line in found.checkpoint, found.checkpoint


def test_the_average_beside_the_weights_is_named_with_its_part(tmp_path: Path, family: Family) -> None:
    place, _ = _nested(tmp_path, family.state)
    averaged, raw = (family.load(Path(f"{place}#{part}")) for part in ("ema_state_dict", "model_state_dict"))
    assert raw.fingerprint == family.fingerprint != averaged.fingerprint
    assert "of checkpoint.ema_state_dict, prefix module. removed" in averaged.checkpoint


def test_a_tensor_that_may_change_the_embeddings_is_refused_and_can_be_dropped_by_name(
    tmp_path: Path, family: Family
) -> None:
    place = saved(tmp_path, {"state_dict": family.state | {"adapter.up.weight": torch.ones(3)}})
    if family.config:
        (tmp_path / "config.json").write_text(json.dumps(family.config))
    line = refused(f"{family.before}@{place}")
    assert "1 more than it has (adapter.up.weight)" in line and "::drop=adapter" in line
    found = load_model(f"{family.before}@{place}::drop=adapter").describe()
    assert found.fingerprint == family.fingerprint
    assert re.search("left: .*adapter", found.checkpoint)
    assert re.search("no such tensors; it has .*adapter", refused(f"{family.before}@{place}::drop=adapter2"))
    first = next(iter(family.state)).partition(".")[0]
    assert f"drop={first}: the model needs {first}" in refused(f"{family.before}@{place}::drop={first}")


def test_half_a_model_is_refused_by_every_family(tmp_path: Path, family: Family) -> None:
    part = {name: tensor for name, tensor in family.state.items() if ".1.mlp." not in name}
    assert len(part) < len(family.state)
    place = saved(tmp_path, {"state_dict": part})
    if family.config:
        (tmp_path / "config.json").write_text(json.dumps(family.config))
    assert "missing" in refused(f"{family.before}@{place}")


# One family is enough for what happens before a model is looked for.


@pytest.fixture
def state(weights: State) -> State:
    return weights


def at(place: Path) -> str:
    return f"open_clip:TINY@{place}"


INDICES: dict[str, tuple[Any, str]] = {
    "outside": ({"weight_map": {"a": "../model.safetensors"}}, "not a weights file beside it"),
    "missing": ({"weight_map": {"a": "gone.safetensors"}}, "gone.safetensors, which is not beside it. Copy all shards"),
    "no map": ({"weights": {}}, "is not an index of weights"),
    "a list": ([1], "is not an index of weights"),
    "no files": ({"weight_map": {}}, "names no files"),
    "numbers": ({"weight_map": {"a": 3}}, "names '3', which is not a weights file"),
}


@pytest.mark.parametrize("case", INDICES)
def test_a_wrong_index_of_shards_is_one_line(tmp_path: Path, case: str) -> None:
    content, line = INDICES[case]
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(content))
    assert line in refused(at(tmp_path))


def test_a_shard_that_lacks_tensors_is_refused(tmp_path: Path, state: State) -> None:
    file, _ = _shards(tmp_path, state)
    save_file({"other": torch.ones(1)}, tmp_path / "model-00002-of-00002.safetensors")
    assert "tensors missing" in refused(at(file))


def test_shards_of_processes_name_the_tool_that_merges_them(tmp_path: Path, state: State) -> None:
    (tmp_path / "dcp").mkdir()
    (tmp_path / "dcp" / "__0_0.distcp").touch()
    assert "dcp_to_torch" in refused(at(tmp_path / "dcp"))
    for rank in ("00", "01"):
        (tmp_path / f"mp_rank_{rank}_model_states.pt").touch()
    assert "model-parallel" in refused(at(tmp_path))
    empty = {"module": {name: torch.zeros(0) for name in state}}
    assert "zero_to_fp32.py" in refused(at(saved(tmp_path, empty, "zero3.pt")))
    assert "FULL_STATE_DICT" in refused(at(saved(tmp_path, {"model": {"_flat_param": torch.ones(9)}}, "flat.pt")))


@pytest.mark.parametrize(
    "name", ["visual.transformer.resblocks.0.attn.lora_A", "visual.transformer.resblocks.0.head.w"]
)
def test_a_tensor_within_the_layers_of_a_tower_is_never_left_out_silently(
    tmp_path: Path, state: State, name: str
) -> None:
    assert "1 more than it has" in refused(at(saved(tmp_path, state | {name: torch.ones(2)})))


def test_a_folder_that_latest_names_outside_of_itself_is_not_followed(tmp_path: Path, state: State) -> None:
    (tmp_path / "run").mkdir()
    torch.save({"module": state}, tmp_path / "mp_rank_00_model_states.pt")
    (tmp_path / "run" / "latest").write_text("..")
    assert "it is a folder" in refused(at(tmp_path / "run"))


def test_drop_belongs_to_a_file() -> None:
    assert "name the file after '@'" in refused("open_clip:TINY::drop=head")
    assert "holds nothing that could be left out" in refused("goldiclip::drop=head")
