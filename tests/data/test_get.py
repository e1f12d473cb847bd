"""``data get`` from the Hub, against a server in this process."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from get_cases import card, everything, lock, root
from helpers import goldieval, one_line, records, toy_model
from hub_server import COMMIT, Server, serving
from rich.console import Console

from goldieval.data.fetch.download import fetch
from goldieval.data.fetch.file_request import FileRequest
from goldieval.report.fetching import FetchReporter

pytestmark = pytest.mark.usefixtures("waits")


def test_get_downloads_counts_and_records_origins(hub: Server, of_hub: str, shards: dict[str, bytes]) -> None:
    ran = goldieval("data", "get", of_hub, "--yes")
    assert (ran.code, ran.err) == (0, "")
    assert f"from org/name at {COMMIT} (current state of main), 4 files" in ran.out
    assert "licence: mine" in ran.out and " GB" in ran.out
    assert "mine: 6 images, 3 classes, as its card expects" in ran.out
    wanted = {"classnames.txt", "test/nshards.txt", "test/0.tar", "test/1.tar"}
    assert everything(root() / "mine") == wanted | {".goldieval-source.json"}
    (origin,) = lock()["origins"]
    assert (origin["hub"], origin["revision"], origin["commit"]) == ("org/name", "main", COMMIT)
    for name in wanted:
        data = shards[name]
        assert (root() / "mine" / name).read_bytes() == data
        assert origin["files"][name] == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert not [path for _, path, _ in hub.log if path.endswith((".py", ".pkl", ".bin"))]
    assert everything(root()) <= {f"mine/{name}" for name in wanted | {".goldieval-source.json"}} | {".mine.lock"}


def test_what_was_fetched_runs_offline_and_its_commit_is_in_the_record(
    hub: Server, of_hub: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    goldieval("data", "get", of_hub, "--yes")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    asked = len(hub.log)
    assert goldieval("data", "get", of_hub).code == 0
    assert goldieval("data", "check", of_hub).code == 0
    assert goldieval("run", "--model", toy_model(tmp_path), "--tasks", of_hub, "--no-cache").code == 0
    assert len(hub.log) == asked
    (record,) = records(tmp_path / "results")
    assert record["data"]["origins"] == [f"org/name@{COMMIT}"] and len(record["data"]["sha256"]) == 64


def test_nothing_is_fetched_without_a_yes_or_on_a_dry_run(hub: Server, of_hub: str) -> None:
    ran = goldieval("data", "get", of_hub)
    assert ran.code == 2 and "Add --yes to download" in one_line(ran.err)
    dry = goldieval("data", "get", of_hub, "--dry-run")
    assert dry.code == 0 and f"org/name at {COMMIT}" in dry.out and "licence: mine" in dry.out
    assert not hub.asked("/resolve/") and not everything(root())


def test_a_pinned_commit_is_used_without_a_query(hub: Server, tmp_path: Path) -> None:
    pinned = card(tmp_path, hub="org/name", revision=COMMIT)
    assert goldieval("data", "get", pinned, "--yes").code == 0
    assert not hub.asked("/main") and all(f"/{COMMIT}/" in path for path, _ in hub.asked("/resolve/"))


def test_glob_patterns_select_files(hub: Server, tmp_path: Path) -> None:
    only = card(tmp_path, hub="org/name", hub_files=["test/*", "classnames.txt", "*.py"])
    ran = goldieval("data", "get", only, "--yes")
    assert ran.code == 0 and "left out, not data: name.py" in ran.out
    ran = goldieval("data", "get", card(tmp_path / "other", id="other", hub="org/name", hub_files=["*.py"]), "--yes")
    assert ran.code == 1 and "is made by a script (name.py)" in one_line(ran.err)


def test_interrupted_get_downloads_only_the_rest(
    hub: Server, of_hub: str, shards: dict[str, bytes], tmp_path: Path
) -> None:
    hub.faults["test/1.tar"] = ["cut", 404]
    ran = goldieval("data", "get", of_hub, "--yes")
    assert ran.code == 1 and "HTTP 404" in ran.err
    assert not (root() / "mine").exists()  # nothing that a reader could take for whole
    half = len(shards["test/1.tar"]) // 2
    asked = len(hub.log)
    assert goldieval("run", "--model", toy_model(tmp_path), "--tasks", of_hub).code == 1
    assert goldieval("data", "get", of_hub, "--yes").code == 0
    again = [(path, span) for method, path, span in hub.log[asked:] if "/resolve/" in path]
    assert again == [(f"/datasets/org/name/resolve/{COMMIT}/test/1.tar", f"bytes={half}-")]
    assert (root() / "mine/test/1.tar").read_bytes() == shards["test/1.tar"]


def test_broken_connection_is_resumed_in_the_same_run(hub: Server, of_hub: str, waits: list[float]) -> None:
    hub.faults["test/0.tar"] = ["cut", "cut"]
    assert goldieval("data", "get", of_hub, "--yes").code == 0
    spans = [span for _, span in hub.asked("test/0.tar")]
    assert spans[0] == "" and len(spans) == 3 and all(span.startswith("bytes=") for span in spans[1:])
    assert waits == [1, 1]


def test_part_of_another_commit_is_not_joined(hub: Server, of_hub: str) -> None:
    hub.faults["test/1.tar"] = ["cut", 404]
    assert goldieval("data", "get", of_hub, "--yes").code == 1
    hub.commit = "d" * 40
    assert goldieval("data", "get", of_hub, "--yes").code == 0
    assert hub.asked("test/1.tar")[-1] == (f"/datasets/org/name/resolve/{hub.commit}/test/1.tar", "")


def test_wrong_checksum_keeps_nothing_of_the_file(hub: Server, of_hub: str, shards: dict[str, bytes]) -> None:
    listed = hub.files["test/0.tar"]

    class Lying(dict[str, bytes]):
        def __getitem__(self, name: str) -> bytes:
            return b"x" * len(listed) if name == "test/0.tar" else super().__getitem__(name)

    hub.files = Lying(shards)
    ran = goldieval("data", "get", of_hub, "--yes")
    assert ran.code == 1 and "test/0.tar: wrong checksum: SHA-256" in one_line(ran.err)
    assert not (root() / "mine").exists()
    assert not [name for name in everything(root()) if "0.tar" in name]
    hub.files = dict(shards)
    assert goldieval("data", "get", of_hub, "--yes").code == 0


def test_missing_file_and_missing_repository_are_one_line_with_what_to_do(hub: Server, tmp_path: Path) -> None:
    task = card(tmp_path, hub="org/name", manual="ask the authors for it")
    hub.faults["test/1.tar"] = [404]
    ran = goldieval("data", "get", task, "--yes")
    assert ran.code == 1
    line = one_line(ran.err)
    assert "test/1.tar: HTTP 404" in line and line.endswith("By hand: ask the authors for it")
    hub.faults["/revision/main"] = [404]
    assert "datasets/org/name: HTTP 404" in one_line(goldieval("data", "get", task, "--yes").err)


@pytest.mark.parametrize("place", ["test/1.tar", "/revision/main"])
def test_429_and_500_are_retried(hub: Server, of_hub: str, waits: list[float], place: str) -> None:
    hub.faults[place] = [500, (429, 7), 503]
    ran = goldieval("data", "get", of_hub, "--yes")
    assert ran.code == 0, ran.err
    assert 7 in waits
    assert "HTTP 429; trying again in 7 s" in ran.out


def test_permanently_failing_server_is_one_line(hub: Server, of_hub: str, waits: list[float]) -> None:
    hub.faults["test/1.tar"] = [503] * 50
    ran = goldieval("data", "get", of_hub, "--yes")
    assert ran.code == 1 and "HTTP 503 (5 times in a row)" in one_line(ran.err)
    assert waits == [1, 2, 4, 8]
    hub.faults["test/1.tar"] = [(429, 86400)]
    assert "the server asks to wait 86,400 s" in one_line(goldieval("data", "get", of_hub, "--yes").err)


@pytest.mark.parametrize("status", [401, 403])
def test_gated_source_prints_the_steps_and_the_token_is_never_shown(
    hub: Server, of_hub: str, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    hub.token, hub.keyless = "hf_right", status
    for token in ("", "hf_wrong"):
        if token:
            monkeypatch.setenv("HF_TOKEN", token)
        ran = goldieval("data", "get", of_hub, "--yes")
        assert ran.code == 1
        line = one_line(ran.err)
        assert f"accept its terms: {hub.url}/datasets/org/name 2. " in line and "HF_TOKEN=… goldieval data get" in line
        assert "hf_" not in ran.out + ran.err
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    ran = goldieval("data", "get", of_hub, "--yes")
    assert ran.code == 0 and "hf_right" not in ran.out + ran.err
    assert "hf_right" not in "".join(file.read_text(errors="ignore") for file in root().rglob("*") if file.is_file())


def test_token_is_not_sent_to_another_server(hub: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The Hub redirects to other servers; addresses outside the Hub never receive the token."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with serving(Server(files={"a.txt": b"abc"})) as other:
        task = card(tmp_path, urls=[{"url": f"{other.url}/web/a.txt"}])
        goldieval("data", "get", task, "--yes")
        assert other.keys == [""]
        with serving(Server(faults={"/x": [(302, f"{other.url}/web/a.txt")]})) as first:
            wanted = FileRequest("a.txt", f"{first.url}/web/x", headers={"Authorization": "Bearer hf_secret"})
            fetch(wanted, tmp_path / "a.txt", FetchReporter(Console(quiet=True)))
            assert first.keys == ["Bearer hf_secret"] and other.keys == ["", ""]
    assert "hf_secret" not in repr(wanted)


def test_offline_is_respected(hub: Server, of_hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ran = goldieval("data", "get", of_hub, "--yes")
    assert ran.code == 1 and "HF_HUB_OFFLINE is set" in one_line(ran.err) and not hub.log


def test_no_server_at_all_is_one_line(of_hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    ran = goldieval("data", "get", of_hub, "--yes")
    assert ran.code == 1 and "no connection" in one_line(ran.err)


def test_listing_that_names_a_path_outside_is_refused(hub: Server, of_hub: str, tmp_path: Path) -> None:
    hub.listed = ["../../evil.txt"]
    before = everything(tmp_path)
    ran = goldieval("data", "get", of_hub, "--yes")
    assert ran.code == 1 and "would leave its folder" in one_line(ran.err)
    assert not hub.asked("/resolve/") and everything(tmp_path) == before


def test_terminal_gets_a_bar_and_a_line_for_each_whole_file() -> None:
    stream = io.StringIO()
    with FetchReporter(Console(file=stream, force_terminal=True, width=100)) as screen:
        screen.at("a.tar", 1_000_000, 4_000_000)
        screen.at("b.tar", 1_000_000, None)
        assert screen._progress is not None
        screen._progress.refresh()
        screen.at("a.tar", 4_000_000, 4_000_000)
    assert "1.0/4.0 MB" in stream.getvalue() and "a.tar  4.0 MB" in stream.getvalue()
