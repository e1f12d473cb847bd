"""``goldieval data get`` against a Hub and a web server on localhost: a correct result or one clear line."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from archives import zipped
from helpers import content, goldieval, one_line, png_bytes, records, tar, toy_model
from hub_server import COMMIT, Server, serving
from rich.console import Console

from goldieval.data.fetch import download, retry
from goldieval.data.fetch.download import fetch
from goldieval.data.fetch.file_request import FileRequest
from goldieval.data.manage.get import carry_out, jobs
from goldieval.report.fetching import FetchReporter
from goldieval.tasks.card import load_card

NAMES = ["cat", "dog", "eel"]


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[float]:
    """Replace delays, and collect their lengths."""
    waited: list[float] = []
    monkeypatch.setattr(retry, "pause", waited.append)
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HUGGING_FACE_HUB_TOKEN", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    return waited


@pytest.fixture
def shards(tmp_path: Path) -> dict[str, bytes]:
    """A web dataset of three classes in two shards, and other files of a repository."""
    files = {"classnames.txt": "\n".join(NAMES).encode(), "test/nshards.txt": b"2"}
    for shard in range(2):
        members = {}
        for number in range(3):
            members[f"s{shard}{number}.png"] = png_bytes(10 * shard + number)
            members[f"s{shard}{number}.cls"] = str(number).encode()
        files[f"test/{shard}.tar"] = tar(tmp_path / "made" / f"{shard}.tar", members).read_bytes()
    beside = {"name.py": b"raise SystemExit", "data.pkl": b"\x80", "weights.bin": b"0", "README.md": b"hello"}
    return files | beside


@pytest.fixture
def hub(shards: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving(Server(files=dict(shards))) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def root() -> Path:
    return Path(os.environ["GOLDIEVAL_DATA"])


def everything(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def card(folder: Path, **source: Any) -> str:
    """Write a card of six images in three classes."""
    about = content("webdataset", expect={"images": 6, "classes": 3}, source={"path": "", "id": "mine"} | source)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.yaml").write_text(yaml.safe_dump(about))
    return str(folder / "mine.yaml")


@pytest.fixture
def of_hub(tmp_path: Path) -> str:
    return card(tmp_path / "cards", hub="org/name")


def lock() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root() / "mine/.goldieval-source.json").read_text())
    return found


# From the Hub


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
    assert ran.code == 1 and "has no data files *.py" in one_line(ran.err)


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


# The disk


def test_insufficient_space_is_detected_before_the_download(
    hub: Server, of_hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: namedtuple("usage", "total used free")(10, 9, 1))
    ran = goldieval("data", "get", of_hub, "--yes")
    assert ran.code == 1 and "0.00000 GB free" in one_line(ran.err) and not hub.asked("/resolve/")


def test_full_disk_is_one_line_and_the_same_command_resumes(
    hub: Server, of_hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    whole = download.open_for_writing
    monkeypatch.setattr(download, "open_for_writing", lambda file, mode: Full() if "b" in mode else whole(file, mode))
    ran = goldieval("data", "get", of_hub, "--yes")
    assert ran.code == 1 and "the disk is full" in one_line(ran.err)
    assert not (root() / "mine").exists()
    monkeypatch.setattr(download, "open_for_writing", whole)
    assert goldieval("data", "get", of_hub, "--yes").code == 0


def test_files_of_the_users_own_behind_a_link_are_not_written(hub: Server, of_hub: str, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (root() / "mine").mkdir()
    (root() / "mine/test").symlink_to(own)
    ran = goldieval("data", "get", of_hub, "--yes")
    assert ran.code == 1 and "is a link to files of your own" in one_line(ran.err) and not everything(own)


# Two at once


HOLDER = """
import sys, time, filelock
lock = filelock.FileLock(sys.argv[1])
lock.acquire()
print(flush=True)
time.sleep(600)
"""


def test_second_get_waits_for_the_first_and_takes_over_when_that_is_killed(hub: Server, of_hub: str) -> None:
    command = [sys.executable, "-c", HOLDER, str(root() / ".mine.lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None and first.stdout.readline()
        notes = []

        class Listening(FetchReporter):
            def note(self, line: str, style: str = "") -> None:
                notes.append(line)
                if "waiting" in line:
                    assert not hub.asked("/resolve/")
                    first.kill()

        (job,) = jobs([load_card(Path(of_hub))], root())
        try:
            carry_out(job, False, Listening(Console(quiet=True)))
        finally:
            first.kill()
    assert notes[0] == "another goldieval is fetching mine; waiting for it" and not job.failure
    assert (root() / "mine/test/1.tar").exists()


# Plain addresses and archives


def tarred(members: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, data in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
        for name, to in (links or {}).items():
            about = tarfile.TarInfo(name)
            about.type, about.linkname = tarfile.SYMTYPE, to
            archive.addfile(about)
    return stream.getvalue()


def folders(folder: Path, server: Server, **download: Any) -> str:
    """A card of class folders in one archive on the web."""
    urls = [{"url": f"{server.url}/web/pictures.zip?key=secret", "unpack": True} | download]
    source = {"path": "", "id": "mine", "folder_name": "pictures", "urls": urls}
    about = content("folder", expect={"images": 2, "classes": 2}, source=source)
    (folder / "mine.yaml").write_text(yaml.safe_dump(about))
    return str(folder / "mine.yaml")


PICTURES = {"pictures/cat/1.png": png_bytes(1), "pictures/dog/1.png": png_bytes(2)}


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_archive_from_an_address_is_unpacked_and_each_file_recorded(tmp_path: Path, pack: Any) -> None:
    data = pack(PICTURES)
    with serving(Server(files={"pictures.zip": data})) as server:
        sums = {"sha256": hashlib.sha256(data).hexdigest(), "md5": hashlib.md5(data).hexdigest(), "bytes": len(data)}
        task = folders(tmp_path, server, **sums)
        ran = goldieval("data", "get", task, "--yes")
        assert (ran.code, ran.err) == (0, "")
        assert everything(root() / "mine") == {*PICTURES, ".goldieval-source.json"}
        assert set(lock()["origins"][0]["files"]) == set(PICTURES)
        assert len(server.asked("pictures.zip")) == 1
        assert "already present" in goldieval("data", "get", task).out
        assert "already present" in goldieval("data", "get", task, "--repair").out
        assert len(server.asked("pictures.zip")) == 1
        (root() / "mine/pictures/cat/1.png").write_bytes(png_bytes(1)[:-1] + b"x")
        assert goldieval("data", "get", task, "--repair", "--yes").code == 0
        assert goldieval("data", "check", task).code == 0


@pytest.mark.parametrize("wrong", [{"sha256": "0" * 64}, {"md5": "0" * 32}, {"bytes": 7}])
def test_archive_with_another_checksum_is_not_unpacked(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with serving(Server(files={"pictures.zip": zipped(PICTURES)})) as server:
        ran = goldieval("data", "get", folders(tmp_path, server, **wrong), "--yes")
        line = one_line(ran.err)
        assert ran.code == 1 and ("wrong checksum" in line or "instead of 7" in line) and "secret" not in line
        assert not (root() / "mine").exists()


EVIL = {
    "up": zipped({"../../evil.txt": b"x", **PICTURES}),
    "absolute": zipped({"/tmp/goldieval-evil.txt": b"x"}),
    "windows": zipped({"..\\..\\evil.txt": b"x"}),
    "drive": zipped({"C:\\evil.txt": b"x"}),
    "tar up": tarred({"a/../../evil.txt": b"x"}),
    "tar absolute": tarred({"/tmp/goldieval-evil.txt": b"x"}),
    "link out": tarred(PICTURES, {"pictures/cat/link": "/etc/passwd"}),
    "link up": tarred({}, {"out": ".."}),
}


@pytest.mark.parametrize("name", EVIL)
def test_archive_member_that_escapes_refuses_the_archive(tmp_path: Path, name: str) -> None:
    with serving(Server(files={"pictures.zip": EVIL[name]})) as server:
        task = folders(tmp_path, server)
        before = everything(tmp_path), everything(root().parent)
        ran = goldieval("data", "get", task, "--yes")
        assert ran.code == 1 and "nothing was unpacked" in one_line(ran.err)
        assert not (root() / "mine").exists() and not Path("/tmp/goldieval-evil.txt").exists()
        assert everything(tmp_path) == before[0]
        new = everything(root().parent) - before[1]
        assert all(file.startswith(("data/.mine.fetching/", "data/.mine.lock")) for file in new)


def test_page_in_place_of_an_archive_and_a_truncated_archive_are_one_line(tmp_path: Path) -> None:
    whole = zipped(PICTURES)
    with serving(Server(files={"pictures.zip": b"<html>log in</html>"})) as server:
        task = folders(tmp_path, server)
        assert "is neither a zip nor a tar" in one_line(goldieval("data", "get", task, "--yes").err)
        server.files["pictures.zip"] = tarred(PICTURES)[:-60]
        assert "cannot unpack pictures.zip" in one_line(goldieval("data", "get", task, "--yes").err)
        server.files["pictures.zip"] = whole
        assert goldieval("data", "get", task, "--yes").code == 0


def test_address_of_the_hub_goes_to_the_endpoint_with_the_token(
    hub: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    hub.token, hub.files["pictures.zip"] = "hf_right", zipped(PICTURES)
    url = f"https://huggingface.co/datasets/org/name/resolve/{COMMIT}/pictures.zip"
    assert goldieval("data", "get", folders(tmp_path, hub, url=url), "--yes").code == 0


def test_source_that_no_command_fetches_prints_the_steps(tmp_path: Path) -> None:
    ran = goldieval("data", "get", card(tmp_path, manual="write to the authors"), "--yes")
    assert ran.code == 1 and one_line(ran.err).endswith("By hand: write to the authors")
    assert goldieval("data", "get", "shapes").code == 0


def test_one_failure_leaves_the_other_sources_alone(hub: Server, of_hub: str, tmp_path: Path) -> None:
    other = card(tmp_path / "other", id="other", manual="ask")
    text = Path(other).read_text().replace("name: mine", "name: other")
    Path(other).write_text(text)
    ran = goldieval("data", "get", other, of_hub, "--yes")
    assert ran.code == 1 and "other: no command fetches it" in one_line(ran.err) and (root() / "mine/test").is_dir()


@pytest.mark.parametrize("arguments", [["get"], ["get", "cifra10"], ["get", ","], ["check", "nothing"], ["where", "x"]])
def test_wrong_arguments_exit_2_with_one_line(arguments: list[str]) -> None:
    ran = goldieval("data", *arguments)
    assert ran.code == 2 and one_line(ran.err).startswith("error: ")


# Check, mend, where


def test_check_reports_each_problem_and_get_with_repair_fixes_it(hub: Server, of_hub: str) -> None:
    ran = goldieval("data", "check", of_hub)
    assert ran.code == 1 and f"to fix it: goldieval data get {of_hub}" in ran.out
    goldieval("data", "get", of_hub, "--yes")
    ran = goldieval("data", "check", of_hub)
    assert (ran.code, ran.out) == (0, "mine: ok, 4 files as fetched, 6 images, 3 classes\n")
    file = root() / "mine/test/1.tar"
    data = bytearray(file.read_bytes())
    data[600] ^= 255  # inside the first picture
    file.write_bytes(data)
    (root() / "mine/classnames.txt").write_text("cat\n")
    ran = goldieval("data", "check", of_hub)
    assert ran.code == 1
    assert "mine: test/1.tar: SHA-256 is not that of the file that was fetched" in ran.out
    assert "mine: classnames.txt: 4 bytes instead of" in ran.out
    assert ran.out.splitlines()[-1] == f"  to fix it: goldieval data get {of_hub} --repair"
    asked = len(hub.log)
    assert goldieval("data", "get", of_hub, "--repair", "--yes").code == 0
    fetched = {path.rpartition("/")[2] for method, path, _ in hub.log[asked:] if "/resolve/" in path}
    assert fetched == {"1.tar", "classnames.txt"} and goldieval("data", "check", of_hub).code == 0


def test_check_opens_every_image(tmp_path: Path) -> None:
    data = zipped(PICTURES | {"pictures/dog/1.png": b"no picture"})
    with serving(Server(files={"pictures.zip": data})) as server:
        task = folders(tmp_path, server)
        goldieval("data", "get", task, "--yes")
        ran = goldieval("data", "check", task)
        assert ran.code == 1 and "1 images cannot be read: pictures/dog/1.png (" in ran.out


def test_damaged_lock_file_is_one_line(hub: Server, of_hub: str) -> None:
    goldieval("data", "get", of_hub, "--yes")
    (root() / "mine/.goldieval-source.json").write_text("{")
    for command in (["data", "get", of_hub], ["data", "where", of_hub]):
        ran = goldieval(*command)
        assert ran.code in (1, 2) and ".goldieval-source.json is broken" in one_line(ran.err)
    assert "is broken" in goldieval("data", "check", of_hub).out


def test_where_shows_folder_bytes_and_origin(hub: Server, of_hub: str, shards: dict[str, bytes]) -> None:
    assert "mine: missing, " in goldieval("data", "where", of_hub).out
    goldieval("data", "get", of_hub, "--yes")
    (row,) = json.loads(goldieval("data", "where", of_hub, "--json").out)["tasks"]
    assert row["data"] == "present" and row["folder"] == str(root() / "mine")
    assert row["bytes"] == sum(file.stat().st_size for file in (root() / "mine").rglob("*") if file.is_file())
    assert row["origins"] == [f"org/name@{COMMIT}"]
    assert f"from org/name@{COMMIT}" in goldieval("data", "where", of_hub).out
    assert "shapes-zeroshot: made here" in goldieval("data", "where").out


def test_missing_data_are_downloaded_with_one_command(of_hub: str, tmp_path: Path) -> None:
    ran = goldieval("run", "--model", toy_model(tmp_path), "--tasks", of_hub)
    assert ran.code == 1 and f"To get it: goldieval data get {of_hub}" in ran.out
    ran = goldieval("run", "--model", toy_model(tmp_path), "--tasks", of_hub, "--data-dir", tmp_path)
    assert f"goldieval data get {of_hub} --data-dir {tmp_path}" in ran.out
