"""Weights by name: suggestions, activations, the Hub."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from adapter_cases import refused
from open_clip import pretrained
from safetensors.torch import save_file
from tiny_models import flair_file

from goldieval import load_model
from goldieval.models.adapter import LoadOptions
from goldieval.models.loading import load
from goldieval.models.spec import parse_spec

pytestmark = pytest.mark.usefixtures("architectures")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


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
