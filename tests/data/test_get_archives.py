"""``data get``: plain addresses, archives, a full disk, two at once, check and repair."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import yaml
from archives import zipped
from get_cases import card, everything, lock, root
from helpers import content, goldieval, one_line, png_bytes, toy_model
from hub_server import COMMIT, Server, serving
from rich.console import Console

from goldieval.data.fetch import download
from goldieval.data.manage.get import carry_out, jobs
from goldieval.report.fetching import FetchReporter
from goldieval.tasks.card import load_card

pytestmark = pytest.mark.usefixtures("waits")


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


HOLDER = """
import sys, time, filelock
lock = filelock.FileLock(sys.argv[1])
lock.acquire()
print(flush=True)
time.sleep(600)
"""


# Two at once


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


# Plain addresses and archives


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
