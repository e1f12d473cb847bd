"""Files that declare more than they contain, or refer to other files: refused before memory is allocated."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import one_line, png_bytes
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_models import cosmos_file, flair_file, huggingface_folder, superclip_file

from goldieval import load_model
from goldieval.core.declared_sizes import CONTEXT, check_declared
from goldieval.core.errors import GoldievalError, TaskError
from goldieval.data.parquet import ParquetSource
from goldieval.goldiclip.shipped import shipped_weights
from model_adapters.no_code import json_pairs


def refused(spec: str) -> str:
    with pytest.raises(GoldievalError) as caught:
        load_model(spec)
    return one_line(str(caught.value))


@pytest.mark.parametrize("make", [flair_file, superclip_file, cosmos_file])
def test_tensors_that_repeat_a_few_values_are_refused(make: Any, tmp_path: Path) -> None:
    """A view with strides of 0 is an ordinary tensor to torch, but has 10**9 rows when it is copied."""
    file = make(tmp_path)
    content = torch.load(file, weights_only=True)
    for state in (part for part in content.values() if isinstance(part, dict)):
        state["module.positional_embedding"] = torch.zeros(1).expand(10**9, 64)
    torch.save(content, file)
    assert "has a shape of 64,000,000,000 values" in refused(f"{file.stem}@{file}")


def test_tensor_without_values_declares_no_size(tmp_path: Path) -> None:
    state = torch.load(flair_file(tmp_path), weights_only=True)["state_dict"]
    name = next(name for name in state if name.endswith("image_post.proj"))
    save_file(state | {name: torch.zeros(0, 10**9)}, tmp_path / "a.safetensors")
    assert "has a shape of 1,000,000,000 values" in refused(f"flair@{tmp_path / 'a.safetensors'}")


def test_deep_config_of_own_checkpoint_is_one_line(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", metadata={"goldiclip": "[" * 100_000})
    assert "not a readable safetensors checkpoint" in refused(f"goldiclip@{tmp_path / 'a.safetensors'}")


@pytest.mark.parametrize("make", [flair_file, superclip_file])
def test_context_length_is_limited(make: Any, tmp_path: Path) -> None:
    file = make(tmp_path)
    content = torch.load(file, weights_only=True)
    state = content["state_dict"]
    name = next(name for name in state if name.endswith("positional_embedding") and "visual" not in name)
    state[name] = torch.zeros(CONTEXT + 1, 64)
    torch.save(content, file)
    assert f"texts of {CONTEXT + 1:,} tokens" in refused(f"{file.stem}@{file}")


@pytest.mark.parametrize(
    "sizes",
    [
        {"text_layers": 10**9},
        {"context_length": 10**9},
        {"image_size": 8 * 10**6},
        {"vision_width": 64 * 10**6},
        {"embed_dim": 4 * 10**8},
        {"prototypes": 10**12},
    ],
    ids=str,
)
def test_own_checkpoint_is_limited_by_its_file_size(sizes: dict[str, int], tmp_path: Path) -> None:
    with safe_open(str(shipped_weights()), "pt") as stored:
        about = json.loads(stored.metadata()["goldiclip"])
    about["config"] |= sizes
    file = tmp_path / "hostile.safetensors"
    save_file(load_file(shipped_weights()), file, metadata={"goldiclip": json.dumps(about)})
    line = refused(f"goldiclip@{file}")
    assert "declares a model of" in line or next(iter(sizes)) in line


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return huggingface_folder(tmp_path_factory.mktemp("clip"), "clip")


@pytest.fixture
def own(clip: Path, tmp_path: Path) -> Path:
    shutil.copytree(clip, tmp_path / "own")
    return tmp_path / "own"


def changed(file: Path, part: str, **keys: Any) -> None:
    content = json.loads(file.read_text())
    (content[part] if part else content).update(keys)
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("file", "part", "keys"),
    [
        ("config.json", "text_config", {"num_hidden_layers": 10**6}),
        ("config.json", "vision_config", {"image_size": 10**6}),
        ("config.json", "text_config", {"vocab_size": 10**11}),
        ("config.json", "vision_config", {"intermediate_size": 10**11}),
        ("processor_config.json", "image_processor", {"crop_size": {"height": 10**5, "width": 10**5}}),
        ("processor_config.json", "image_processor", {"size": {"shortest_edge": 1e9}}),
        ("processor_config.json", "image_processor", {"size": {"longest_edge": 65_536}}),
        ("processor_config.json", "image_processor", {"min_pixels": 10**9}),
        ("processor_config.json", "image_processor", {"image_grid_pinpoints": [[336, 10**6]]}),
    ],
    ids=str,
)
def test_config_of_the_hub_is_limited(own: Path, file: str, part: str, keys: dict[str, Any]) -> None:
    changed(own / file, part, **keys)
    line = refused(f"huggingface:{own}")
    assert next(iter(keys)) in line or "exceeds the maximum" in line or "declares a model of" in line


QWEN: dict[str, Any] = {"image_processor_type": "Qwen3VLImageProcessorFast"}
OF_PIXELS: dict[str, Any] = {"shortest_edge": 65_536, "longest_edge": 16_777_216}


@pytest.mark.parametrize(
    ("content", "is_allowed"),
    [
        (QWEN | {"size": OF_PIXELS}, True),
        ({"image_processor": QWEN | {"size": OF_PIXELS}}, True),
        (QWEN | {"size": OF_PIXELS | {"shortest_edge": 10**9}}, False),
        (QWEN | {"crop_size": {"height": 65_536, "width": 8}}, False),
        ({"image_processor_type": "CLIPImageProcessor", "size": OF_PIXELS}, False),
        (QWEN | {"image_processor": {"size": OF_PIXELS}}, False),
        (QWEN | {"feature_processor_type": "CLIP", "size": OF_PIXELS}, False),
    ],
    ids=str,
)
def test_edges_that_are_numbers_of_pixels_are_known_by_their_processor(
    content: dict[str, Any], is_allowed: bool, tmp_path: Path
) -> None:
    file = tmp_path / "preprocessor_config.json"
    file.write_text(json.dumps(content))
    with nullcontext() if is_allowed else pytest.raises(GoldievalError, match="exceeds the maximum"):
        check_declared(json_pairs(file), file)


@pytest.mark.parametrize("name", ["../outside.safetensors", "weights.bin", "/tmp/x.safetensors", "a/b.safetensors", 3])
def test_index_of_weights_refers_to_no_other_files(own: Path, name: Any) -> None:
    names = dict.fromkeys(load_file(own / "model.safetensors"), name)
    (own / "model.safetensors").rename(own.parent / "outside.safetensors")
    (own / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    assert "model.safetensors.index.json names" in refused(f"huggingface:{own}")


@pytest.mark.parametrize(
    "keys",
    [
        {"audio_tokenizer": {"audio_tokenizer_class": "DacModel", "audio_tokenizer_name_or_path": "some/one"}},
        {"model_type": "vision-text-dual-encoder", "text_config": {"model_type": "bert"},
         "vision_config": {"model_type": "timm_wrapper", "architecture": "hf-hub:some/one"}},
    ],
    ids=["processor", "tower"],
)  # fmt: skip
def test_reference_to_another_repository_uses_no_network(
    own: Path, keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("socket.getaddrinfo", lambda *about, **_: asked.append(about))
    monkeypatch.setattr("socket.socket.connect", lambda *about: asked.append(about))
    for file in ("config.json", "processor_config.json"):
        changed(own / file, "", **keys)
    refused(f"huggingface:{own}")
    assert not asked


def test_kernels_of_one_part_are_code_as_well(own: Path) -> None:
    changed(own / "config.json", "", attn_implementation={"text_config": "someone/kernel"})
    assert "asks to run code (attn_implementation)" in refused(f"huggingface:{own}")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_devices_in_a_model_do_not_block(own: Path) -> None:
    os.mkfifo(own / "generation_config.json")
    assert "not a regular file" in refused(f"huggingface:{own}")
    (own / "generation_config.json").unlink()
    (own / "generation_config.json").symlink_to("/dev/zero")
    assert "not a regular file" in refused(f"huggingface:{own}")


@pytest.mark.parametrize("kind", ["Image", "Audio"])
@pytest.mark.parametrize("column", ["caption", "image"])
def test_parquet_opens_no_file_that_a_row_names(
    kind: str, column: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schema of a file may declare any column an image elsewhere, on this disk or on the web."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "private.png").write_bytes(png_bytes())
    place = [{"bytes": None, "path": str(tmp_path / "private.png")}]
    columns = {"image": [png_bytes()], "caption": ["a cat"]} | {column: place}
    features = {
        "image": {"_type": "Value", "dtype": "binary"},
        "caption": {"_type": "Value", "dtype": "string"},
        column: {"_type": kind},
    }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    folder = tmp_path / "data"
    folder.mkdir()
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), folder / "a.parquet")
    source = ParquetSource(reader="parquet", path="data", caption="caption")
    if column == "caption":
        with pytest.raises(TaskError, match="'caption' should hold a text"):
            source.read(folder)
        return
    (sample,) = source.read(folder).images
    with pytest.raises(OSError, match="holds no image bytes"):
        sample.source.open()
