"""Offline mode: no model family and no reader opens a socket, from Python and from the command line."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from helpers import (
    card,
    class_folders,
    goldieval,
    json_lines,
    one_line,
    picture,
    png_bytes,
    retrieval_embeddings,
    tar,
    toy_model,
)
from open_clip import factory
from tiny_fine_grained import betaclip_file, fgclip2_folder, fgclip_folder
from tiny_llava import llava_folder
from tiny_models import SIZES, clip_state, cosmos_file, flair_file, huggingface_folder, superclip_file

import goldieval as library
from goldieval import evaluate, load_model
from goldieval.core.errors import GoldievalError
from goldieval.core.offline import is_offline, offline
from goldieval.models.adapter import Instructed, inference

ELSEWHERE = SIZES | {"text_cfg": SIZES["text_cfg"] | {"hf_tokenizer_name": "someone/tokenizer"}}
TOWER = SIZES | {"text_cfg": {"hf_model_name": "someone/tower", "hf_tokenizer_name": "someone/tower"}}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the socket: every attempt to open one is logged and fails; caches of the Hub are empty."""
    asked: list[str] = []

    def refuse(name: str) -> Any:
        def call(*args: Any, **_: Any) -> None:
            asked.append(f"{name}{args[:2]}")
            raise AssertionError("a socket was opened")

        return call

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse(name))
    return asked


@pytest.fixture
def empty_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def architectures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("configs")
    made = {"OFFLINE-TINY": SIZES, "OFFLINE-ELSEWHERE": ELSEWHERE, "OFFLINE-TOWER": TOWER}
    for name, config in made.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    yield
    factory._MODEL_CONFIG_PATHS.remove(folder)
    for name in made:
        del factory._MODEL_CONFIGS[name]


def spec_of(kind: str, folder: Path) -> str:
    """Return a model of a family, created on this machine."""
    if kind == "open_clip":
        torch.save({"state_dict": clip_state()}, folder / "m.pt")
    makers: dict[str, Any] = {
        "random": lambda: "random",
        "goldiclip": lambda: "goldiclip",
        "open_clip": lambda: f"open_clip:OFFLINE-TINY@{folder / 'm.pt'}",
        "flair": lambda: f"flair@{flair_file(folder)}",
        "cosmos": lambda: f"cosmos:teacher@{cosmos_file(folder)}",
        "superclip": lambda: f"superclip@{superclip_file(folder)}",
        "fgclip": lambda: f"fgclip:{fgclip_folder(folder)}",
        "fgclip2": lambda: f"fgclip2:{fgclip2_folder(folder)}",
        "betaclip": lambda: f"betaclip@{betaclip_file(folder)}",
        "vlm": lambda: f"vlm:{llava_folder(folder)}",
        "file": lambda: toy_model(folder),
        **{
            f"huggingface {name}": lambda name=name: f"huggingface:{huggingface_folder(folder, name)}"
            for name in ("clip", "siglip", "siglip2")
        },
    }
    return makers[kind]()


FAMILIES = ("random", "goldiclip", "open_clip", "flair", "cosmos", "superclip", "fgclip", "fgclip2", "betaclip", "file")
KINDS = (*FAMILIES, "huggingface clip", "huggingface siglip", "huggingface siglip2", "vlm")


def test_every_family_is_covered() -> None:
    from goldieval.tasks.plugins import model_families

    tested = {kind.partition(" ")[0] for kind in KINDS} | {"embeddings"}
    assert {name for name, point in model_families().items() if point.value.startswith("model_adapters.")} <= tested


@pytest.mark.usefixtures("architectures", "empty_hub")
@pytest.mark.parametrize("kind", KINDS)
def test_no_family_opens_a_socket(kind: str, tmp_path: Path, opened: list[str]) -> None:
    from PIL import Image

    model: Any = load_model(spec_of(kind, tmp_path), offline=True)
    pixels = model.preprocess(Image.new("RGB", (40, 30)))
    with inference(model):
        if isinstance(model, Instructed):
            assert model.respond([pixels], ["What is it?"], 3)
        else:
            model.encode_image(torch.stack([pixels]))
            model.encode_text(model.tokenize(["a dog"]))
    assert model.describe().fingerprint and not opened


@pytest.mark.usefixtures("empty_hub")
def test_embeddings_open_no_socket(tmp_path: Path, opened: list[str]) -> None:
    folder = retrieval_embeddings(tmp_path / "e")
    (record,) = evaluate(f"embeddings:{folder}", str(folder / "card.yaml"), out=None, offline=True, data_dir=folder)
    assert record.status == "ok" and not opened


NOT_HERE = (
    "open_clip:ViT-B-32/laion2b_s34b_b79k",
    "open_clip:ViT-B-32-quickgelu/openai",
    "open_clip:OFFLINE-ELSEWHERE",
    "open_clip:OFFLINE-TOWER",
    "huggingface:openai/clip-vit-base-patch32",
    "flair:flair-merged30m",
    "cosmos:cosmos_vitb16_merged30m",
    "superclip:someone/weights/superclip.pt",
    "vlm:llava-hf/llava-1.5-7b-hf",
)


@pytest.mark.usefixtures("architectures", "empty_hub")
@pytest.mark.parametrize("spec", NOT_HERE)
def test_missing_files_are_one_line_and_open_no_socket(spec: str, tmp_path: Path, opened: list[str]) -> None:
    """Also if the Hub's library was imported before, and read its setting then."""
    for run in (lambda: load_model(spec, offline=True), lambda: evaluate(spec, "shapes-vqa", out=None, offline=True)):
        with pytest.raises(GoldievalError) as caught:
            run()
        assert "offline" in one_line(str(caught.value))
    ran = goldieval("run", "--model", spec, "--tasks", "shapes-vqa", "--out", tmp_path / "out", "--offline")
    assert ran.code == 2 and "offline" in one_line(ran.err) and not opened


@pytest.mark.usefixtures("architectures", "empty_hub")
@pytest.mark.parametrize("spec", NOT_HERE)
def test_the_users_own_variable_is_respected(spec: str, opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(GoldievalError):
        load_model(spec)
    assert not opened


def cards(folder: Path) -> dict[str, Path]:
    """Return a card for each reader of an image folder, a table, shards and COCO annotations."""
    class_folders(folder / "folder" / "data", {"cat": 2, "dog": 2})
    rows = [{"image": f"{n}.png", "caption": f"caption {n}"} for n in range(3)]
    for n in range(3):
        picture(folder / "table" / "data" / f"{n}.png", n)
        picture(folder / "coco" / "data" / "images" / f"{n}.png", n)
    json_lines(folder / "table" / "data" / "rows.jsonl", rows)
    test = folder / "webdataset" / "data" / "test"
    tar(
        test / "0.tar",
        {f"{n}.png": png_bytes(n) for n in range(3)} | {f"{n}.txt": f"caption {n}".encode() for n in range(3)},
    )
    (test / "nshards.txt").write_text("1")
    annotations = {
        "images": [{"id": n, "file_name": f"{n}.png", "height": 8, "width": 8} for n in range(3)],
        "annotations": [{"id": n, "image_id": n, "caption": f"caption {n}"} for n in range(3)],
    }
    (folder / "coco" / "data" / "captions.json").write_text(json.dumps(annotations))
    rows_of = {"file": "rows.jsonl", "image": "image", "caption": "caption"}
    of_coco = {"annotations": "captions.json", "images": "images"}
    return {
        "folder": card(folder / "folder"),
        "table": card(folder / "table", "table", "retrieval", source=rows_of),
        "webdataset": card(folder / "webdataset", "webdataset", "retrieval"),
        "coco": card(folder / "coco", "coco", "retrieval", source=of_coco),
    }


@pytest.mark.usefixtures("empty_hub")
@pytest.mark.parametrize("reader", ["folder", "table", "webdataset", "coco"])
def test_no_reader_opens_a_socket(reader: str, tmp_path: Path, opened: list[str]) -> None:
    file = cards(tmp_path)[reader]
    (record,) = evaluate("random", str(file), out=None, offline=True, cache=False, data_dir=file.parent)
    assert record.status == "ok", record.reason
    assert not opened


@pytest.mark.usefixtures("empty_hub")
def test_the_built_in_world_opens_no_socket(opened: list[str]) -> None:
    """Every family of tasks."""
    names = ("shapes-retrieval", "shapes-zeroshot", "shapes-vqa", "shapes-segmentation")
    records = evaluate("goldiclip", names, out=None, offline=True, cache=False, limit=4)
    assert len(list(records)) == len(names) and not opened


def test_the_setting_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "0")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(KeyError), offline():
        assert is_offline() and constants.is_offline_mode() and os.environ["HF_HUB_OFFLINE"] == "1"
        raise KeyError
    assert not constants.is_offline_mode() and "HF_HUB_OFFLINE" not in os.environ
    assert os.environ["HF_DATASETS_OFFLINE"] == "0"
    with offline(False):
        assert not constants.is_offline_mode()


def test_a_plug_in_that_uses_the_network_anyway_is_one_line(tmp_path: Path) -> None:
    """The sockets of this thread refuse other machines, but not this one."""
    (tmp_path / "asks.py").write_text(
        "import urllib.request\ndef load(spec, options):\n    urllib.request.urlopen('http://192.0.2.1/weights')\n"
    )
    with pytest.raises(GoldievalError, match=r"offline: no connection to 192\.0\.2\.1"):
        load_model(f"{tmp_path}/asks.py:load", offline=True)
    with socket.create_server(("127.0.0.1", 0)) as server, offline():
        socket.create_connection(server.getsockname()).close()
        with pytest.raises(ConnectionError, match="offline"):
            socket.getaddrinfo("example.invalid", 80)
        with pytest.raises(ConnectionError, match="offline"):
            socket.socket().connect_ex(("192.0.2.1", 80))


def test_other_threads_keep_network_access() -> None:
    """A training loop that evaluates offline may still log to a server."""
    forbidden: list[bool] = []
    within = threading.Event()
    thread = threading.Thread(target=lambda: within.wait() and forbidden.append(_forbidden_here()))
    thread.start()
    with offline():
        within.set()
        thread.join()
        assert _forbidden_here()
    assert forbidden == [False]


def test_threads_that_are_started_offline_are_bound_until_it_ends() -> None:
    """Readers decode in threads, and libraries download in them; a pool may outlive the block."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        with offline():
            assert pool.submit(_forbidden_here).result()
            assert pool.submit(lambda: ThreadPoolExecutor(1).submit(_forbidden_here).result()).result()
        assert not pool.submit(_forbidden_here).result()


def _forbidden_here() -> bool:
    try:
        socket.socket().connect_ex(("192.0.2.1", 0))
    except ConnectionError:
        return True
    except OSError:
        return False
    return False


def test_the_public_api_accepts_offline() -> None:
    assert library.evaluate is evaluate and library.load_model is load_model
