"""Descriptions of models between runs: used again only while everything that decided them is as it was."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import toy_model
from PIL import Image
from tiny_fine_grained import betaclip_file, fgclip2_folder, fgclip_folder
from tiny_llava import llava_folder
from tiny_models import cosmos_file, flair_file, huggingface_folder, superclip_file
from tiny_open_clip import open_clip_folder, own_config

from goldieval import from_module
from goldieval.core import reads
from goldieval.core.errors import ChangedModelError
from goldieval.core.memory import Memory
from goldieval.models import remembered
from goldieval.models.adapter import (
    Adapter,
    Dense,
    Generative,
    Instructed,
    LoadOptions,
    ModelInfo,
    Precomputed,
    TextConditioned,
)
from goldieval.models.lazy import LazyModel
from goldieval.models.remembered import load_described
from goldieval.models.spec import parse_spec


def _clip_folder(folder: Path) -> str:
    return f"huggingface:{huggingface_folder(folder, 'clip')}"


MODELS: dict[str, Callable[[Path], str]] = {
    "flair": lambda folder: f"flair@{flair_file(folder)}",
    "cosmos": lambda folder: f"cosmos:teacher@{cosmos_file(folder)}",
    "superclip": lambda folder: f"superclip@{superclip_file(folder)}",
    "open_clip": lambda folder: f"open_clip:TINY@{_open_clip_file(folder)}",
    "open_clip, a folder": lambda folder: f"open_clip:{open_clip_folder(folder / 'own', own_config())}",
    "betaclip": lambda folder: f"betaclip@{betaclip_file(folder)}",
    "fgclip": lambda folder: f"fgclip:{fgclip_folder(folder)}::text=long",
    "fgclip2": lambda folder: f"fgclip2:{fgclip2_folder(folder)}::text=box",
    "huggingface": _clip_folder,
    "goldiclip": lambda folder: "goldiclip",
    "vlm": lambda folder: f"vlm:{llava_folder(folder / 'llava')}",
}
TEXTS = ["a dog", "two cats", "dog " * 100]


def _open_clip_file(folder: Path) -> Path:
    import open_clip

    torch.manual_seed(3)
    torch.save({"state_dict": open_clip.create_model("TINY").state_dict()}, folder / "tiny.pt")
    return folder / "tiny.pt"


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Memory:
    """An empty memory; files count as settled at once, and the architectures that tests add as open_clip's own."""
    monkeypatch.setattr(reads, "RACY_NS", 0)
    monkeypatch.setattr(remembered, "_has_own_architectures", lambda: False)
    return Memory(tmp_path / "memory", 50)


def described(spec: str, memory: Memory | None, **how: Any) -> tuple[Any, ModelInfo]:
    return load_described(parse_spec(spec), LoadOptions(**how), memory)


def is_recalled(spec: str, memory: Memory, **how: Any) -> bool:
    return isinstance(described(spec, memory, **how)[0], LazyModel)


@pytest.mark.usefixtures("architectures")
@pytest.mark.parametrize("family", MODELS)
def test_a_recalled_model_is_the_model(family: str, tmp_path: Path, memory: Memory) -> None:
    spec = MODELS[family](tmp_path)
    (model, info), (lazy, recalled) = described(spec, memory), described(spec, memory)
    assert isinstance(lazy, LazyModel) and not isinstance(model, LazyModel)
    assert recalled == info == lazy.describe() == model.describe()
    for protocol in (Adapter, Precomputed, TextConditioned, Generative, Dense, Instructed):
        assert isinstance(lazy, protocol) == isinstance(model, protocol), protocol
    for name in ("trim", "count_tokens", "inference", "pool", "generate", "dense", "device", "image_embeddings"):
        assert hasattr(model, name) == (name in dir(lazy) or name in lazy._members), name
    assert lazy._model is None  # nothing so far needed it
    with torch.inference_mode():
        assert _used(lazy) == _used(model)
    assert lazy.device == model.device
    if getattr(model, "pool", None) is not None:
        assert torch.equal(lazy.pool.out.weight, model.pool.out.weight)
    assert not hasattr(lazy, "surely_not_there")


def _used(model: Any) -> list[Any]:
    """What a model makes of texts: embeddings and numbers of tokens, or answers."""
    if isinstance(model, Instructed):
        pixels = model.preprocess(Image.new("RGB", (40, 30), "red"))
        return [model.respond([pixels] * 2, TEXTS[:2], 4), model.prompt_lengths(TEXTS)]
    return [model.encode_text(model.tokenize(TEXTS)).tolist(), model.count_tokens(TEXTS)]


@pytest.mark.usefixtures("architectures")
@pytest.mark.parametrize("family", MODELS)
def test_every_file_that_python_opens_is_noted(family: str, tmp_path: Path, memory: Memory) -> None:
    spec = MODELS[family](tmp_path)
    with opened() as files:
        described(spec, memory)
    (stored,) = memory.folder.glob("*.json")
    noted = json.loads(stored.read_text())["content"]["result"]["reads"]
    own = {file for file in files if file.startswith(str(tmp_path)) and not file.startswith(str(memory.folder))}
    assert own <= set(noted["files"]) | set(noted["folders"])
    assert any(isinstance(state, list) for state in noted["files"].values())


_OPENED: list[set[str]] = []


class opened:  # noqa: N801 - a context manager
    """Collects the paths that are opened; an audit hook cannot be removed, so it is added once."""

    def __enter__(self) -> set[str]:
        if not _OPENED:
            sys.addaudithook(_note_open)
        _OPENED.append(set())
        return _OPENED[-1]

    def __exit__(self, *_: object) -> None:
        _OPENED.append(set())


def _note_open(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str | os.PathLike):
        _OPENED[-1].add(os.path.join(os.getcwd(), os.fspath(arguments[0])))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = superclip_file(tmp_path)
    content = torch.load(file, weights_only=True)
    with file.open("wb") as stream:  # an archive without the name of the file in it, so that copies have its size
        torch.save(content, stream)
    return file


def _other_content(file: Path) -> None:
    """Other weights with the same size and, as far as a user can set them, the same times."""
    about, content = file.stat(), torch.load(file, weights_only=True)
    content["state_dict"]["module.visual.proj"] += 1
    with file.open("wb") as stream:
        torch.save(content, stream)
    assert file.stat().st_size == about.st_size
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))


def _renamed_over(file: Path) -> None:
    other = file.with_name("other.pt")
    shutil.copy2(file, other)
    _other_content(other)
    other.replace(file)


def _retargeted(file: Path) -> None:
    other = file.with_name("other.pt")
    shutil.copy2(file.resolve(), other)
    _other_content(other)
    file.unlink()
    file.symlink_to(other)


def _config_beside(file: Path) -> None:
    file.with_name("config.json").write_text('{"quick_gelu": true}')


@pytest.mark.parametrize("change", [_other_content, _renamed_over, _retargeted, _config_beside])
def test_any_change_of_a_file_loads_the_model_again(
    change: Callable[[Path], None], tmp_path: Path, memory: Memory, file: Path
) -> None:
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "model.pt"
    link.symlink_to(file)
    place = link if change is _retargeted else file
    spec = f"superclip@{place}"
    before = described(spec, memory)[1]
    assert is_recalled(spec, memory)
    change(place)
    model, info = described(spec, memory)
    assert not isinstance(model, LazyModel) and info.fingerprint != before.fingerprint
    assert is_recalled(spec, memory) and described(spec, memory)[1] == info


def test_a_new_file_in_the_folder_of_a_model_loads_it_again(tmp_path: Path, memory: Memory, file: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(file, folder / "pytorch_model.bin")
    spec = f"superclip@{folder}"
    described(spec, memory)
    assert is_recalled(spec, memory)
    _other_content(file)
    shutil.copy(file, folder / "mp_rank_00_model_states.pt")  # of lower rank, yet another choice of files
    assert not is_recalled(spec, memory)


def test_specs_options_and_precisions_have_their_own_descriptions(tmp_path: Path, memory: Memory, file: Path) -> None:
    spec = f"superclip@{file}"
    info = described(spec, memory)[1]
    assert not is_recalled(f"{spec}::size=64", memory) and not is_recalled(spec, memory, precision="bf16")
    assert not is_recalled(f"cosmos@{cosmos_file(tmp_path)}", memory)
    assert is_recalled(f"{spec}::size=64", memory) and is_recalled(spec, memory, precision="bf16")
    assert described(spec, memory)[1] == info
    assert described(f"{spec}::size=64", memory)[1] == described(f"{spec}::size=64", None)[1]


def test_a_relative_path_is_another_file_in_another_folder(
    tmp_path: Path, memory: Memory, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    shutil.copy2(file, tmp_path / "elsewhere")
    _other_content(tmp_path / "elsewhere" / file.name)
    infos = []
    for folder in (tmp_path, tmp_path / "elsewhere"):
        monkeypatch.chdir(folder)
        infos.append(described(f"superclip@{file.name}", memory)[1])
    assert infos[0].fingerprint != infos[1].fingerprint


@pytest.mark.parametrize("name", ["HF_HOME", "HOME", "TORCH_HOME"])
def test_other_versions_and_another_environment_load_again(
    name: str, memory: Memory, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = f"superclip@{file}"
    described(spec, memory)
    with monkeypatch.context() as patched:
        patched.setenv(name, "/elsewhere")
        assert not is_recalled(spec, memory)
    with monkeypatch.context() as patched:
        patched.setattr(torch, "get_default_dtype", lambda: torch.float64)
        assert not is_recalled(spec, memory)
    with monkeypatch.context() as patched:
        patched.setattr(remembered, "code_versions", lambda: {"torch": "0"})
        assert not is_recalled(spec, memory)
    with monkeypatch.context() as patched:
        patched.setattr(remembered, "code_versions", lambda: None)  # an editable installation
        assert not is_recalled(spec, memory)
    assert is_recalled(spec, memory)


def test_a_file_that_has_just_changed_is_not_trusted(
    memory: Memory, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "RACY_NS", 10**12)
    for _ in range(2):
        assert not is_recalled(f"superclip@{file}", memory)
    assert not memory.folder.exists()


def test_a_file_that_changes_while_it_is_read_is_not_trusted(
    memory: Memory, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = torch.load

    def slowly(*args: Any, **kwargs: Any) -> Any:
        content = read(*args, **kwargs)
        file.touch()
        return content

    monkeypatch.setattr(torch, "load", slowly)
    for _ in range(2):
        assert not is_recalled(f"superclip@{file}", memory)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"sha256": "0", "content": {"key": 1}}', b"\xff\xfe"])
def test_a_damaged_description_is_not_there(damage: bytes, memory: Memory, file: Path) -> None:
    spec = f"superclip@{file}"
    info = described(spec, memory)[1]
    (stored,) = memory.folder.glob("*.json")
    whole = stored.read_bytes()
    stored.write_bytes(damage)
    assert described(spec, memory)[1] == info
    stored.write_bytes(whole.replace(b'"fingerprint": "', b'"fingerprint": "0'))
    assert not is_recalled(spec, memory)


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("reads", {"files": {}, "folders": {"\0": "0"}, "only_offline": False}),
        ("reads", {"files": {}, "folders": {"\ud800": "0"}, "only_offline": False}),
        ("reads", {"files": [1], "folders": {}, "only_offline": False}),
        (
            "info",
            {
                "spec": "a",
                "family": "b",
                "fingerprint": "c",
                "image_identity": "d",
                "text_identity": "e",
                "scoring": "f",
            },
        ),
        ("info", {"spec": 1}),
        ("members", 3),
    ],
)
def test_a_description_with_wrong_values_is_not_there(part: str, wrong: Any, memory: Memory, file: Path) -> None:
    spec = f"superclip@{file}"
    described(spec, memory)
    (stored,) = memory.folder.glob("*.json")
    content = json.loads(stored.read_text())["content"]
    memory.keep(content["key"], content["result"] | {part: wrong})
    assert not is_recalled(spec, memory) and is_recalled(spec, memory)


def test_only_the_descriptions_used_last_are_kept(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "few", 3)
    for number in range(5):
        memory.keep(number, number)
        os.utime(memory._file(number), (number, number))
    assert [memory.recall(number) for number in range(5)] == [None, None, 2, 3, 4]


def test_a_model_without_noted_files_is_loaded_each_time(
    tmp_path: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for spec in ("random", "random:3", toy_model(tmp_path)):
        described(spec, memory)
        assert not is_recalled(spec, memory)
    monkeypatch.setattr(remembered, "_has_own_architectures", lambda: True)
    described("goldiclip", memory)
    assert not is_recalled("goldiclip", memory)


def test_a_model_that_reads_newer_files_from_the_network_is_recalled_offline_only(
    memory: Memory, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_adapters.superclip.locate", lambda *_: (reads.note_network(), file)[1])
    spec = f"superclip@{file}"
    described(spec, memory)
    assert not is_recalled(spec, memory) and is_recalled(spec, memory, offline=True)


def test_a_wrong_description_ends_where_the_model_is_used(memory: Memory, file: Path) -> None:
    spec = f"superclip@{file}"
    described(spec, memory)
    (stored,) = memory.folder.glob("*.json")
    content = json.loads(stored.read_text())["content"]
    content["result"]["info"]["fingerprint"] = "0" * 64
    memory.keep(content["key"], content["result"])
    lazy, info = described(spec, memory)
    assert info.fingerprint == "0" * 64
    with pytest.raises(ChangedModelError, match="not the one that this run was planned for"):
        lazy.tokenize(["a dog"])
    assert not is_recalled(spec, memory)  # it is removed


def test_a_module_of_the_caller_is_never_recalled(tmp_path: Path) -> None:
    """Its weights change between two calls, and it has no file."""
    module = torch.nn.Linear(2, 2)
    model = from_module(module, lambda image: torch.zeros(2), lambda texts: torch.zeros(len(texts), 4))
    before = model.describe()
    with torch.no_grad():
        module.weight += 1
    assert model.describe().fingerprint != before.fingerprint and replace(before) == before
