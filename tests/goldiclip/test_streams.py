"""Shards over the network and from commands: all samples, all faults, bounded, and nothing secret shown."""

from __future__ import annotations

import json
import os
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from helpers import one_line, tar
from shard_server import ShardServer, shard_server
from training_samples import jpeg, row, shard, shards

from goldieval.core.errors import GoldievalError
from goldieval.data.fetch import connection
from goldieval.goldiclip.data.addresses import is_stream, shown, sources_of, without_secrets
from goldieval.goldiclip.data.corpus import BadSampleError
from goldieval.goldiclip.data.stream import reading_ahead, tar_stream
from goldieval.goldiclip.data.stream.faults import UnreadableError
from goldieval.goldiclip.data.stream.reading_ahead import ReadingAhead
from goldieval.goldiclip.data.stream.shards import addresses_of
from goldieval.goldiclip.data.stream.sizes import samples_of_shards
from goldieval.goldiclip.data.stream.tar_stream import EncodedSample, samples_in

LARGE = b"\xff" * 300_000  # of a picture, so that a shard is cut in the middle of one


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_ahead, "pause", lambda seconds: None)
    monkeypatch.setattr(connection, "TIMEOUT_S", 1)


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    samples = {f"{n:06d}": {"jpg": LARGE if n == 1 else jpeg(n), "json": row(n)} for n in range(4)}
    return shard(tmp_path / "made.tar", samples).read_bytes()


@pytest.fixture
def server(content: bytes) -> Iterator[ShardServer]:
    with shard_server({"/a/0.tar": content}) as serving:
        yield serving


def keys(address: str) -> list[str]:
    """Return the keys of a shard's samples; a fault of a sample counts as its kind."""
    found = samples_in(address)
    return [one.bad.kind if isinstance(one, BadSampleError) else one.where.rpartition(" ")[2] for one in found]


def fault_of(address: str) -> tuple[list[str], str]:
    """Return the keys that come before the fault of a shard, and the fault."""
    came: list[str] = []
    with pytest.raises(UnreadableError) as failure:
        for one in samples_in(address):
            assert isinstance(one, EncodedSample)
            came.append(one.where.rpartition(" ")[2])
    return came, one_line(str(failure.value))


ALL = [f"{number:06d}" for number in range(4)]


# Where shards lie


def test_a_shard_from_anywhere_is_the_same(server: ShardServer, content: bytes, tmp_path: Path) -> None:
    import fsspec

    file = tmp_path / "made.tar"
    with fsspec.open("memory://bucket/0.tar", "wb") as stream:
        stream.write(content)
    addresses = [f"{server.url}/a/0.tar", "memory://bucket/0.tar", f"file://{file}", str(file), f"pipe:cat {file}"]
    expected = [vars(one)["text"] for one in samples_in(addresses[0])]
    assert [json.loads(text) for text in expected] == [row(number) for number in range(4)]
    for address in addresses:
        assert keys(address) == ALL
        assert [vars(one)["text"] for one in samples_in(address)] == expected


def test_lists_braces_and_files(tmp_path: Path) -> None:
    shards(tmp_path / "s", [1, 1, 1])
    path = f"https://host/{{00..02}}.tar::pipe:gunzip -c {{a,b}}.tar.gz::{tmp_path}/s::memory://x/1.tar"
    assert is_stream(path) and len(sources_of(path)) == 4 and not is_stream(str(tmp_path))
    found = addresses_of(path)
    assert found[:4] == ["https://host/00.tar", "https://host/01.tar", "https://host/02.tar", "pipe:gunzip -c a.tar.gz"]
    assert found[5:8] == [f"{tmp_path}/s/0000{n}.tar" for n in range(3)] and found[8] == "memory://x/1.tar"
    assert not is_stream("C:\\data\\{0..3}.tar") and not is_stream("a::b") and is_stream("hf://datasets/x/y.tar")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("s3://bucket/{0..3}.tar", "s3:// cannot be read here"),
        ("nonsense://bucket/0.tar", "nonsense:// cannot be read here"),
        ("https://h/{0..9999999}.tar", "braces cannot be expanded"),
        ("https://me:secret@h/{0..99999999}.tar", "braces cannot be expanded"),
        ("https://h/0.tar::/none/{0..3}.tar", "there is no shard /none/0.tar"),
    ],
)
def test_what_cannot_be_read_is_one_line(path: str, says: str) -> None:
    try:
        import s3fs  # noqa: F401

        installed = True
    except ImportError:
        installed = False
    if path.startswith("s3:") and installed:
        pytest.skip("s3fs is installed here")
    with pytest.raises(GoldievalError) as failure:
        addresses_of(path)
    assert says in one_line(str(failure.value)) and "secret" not in str(failure.value)


# Faults of the network


@pytest.mark.parametrize("fault", ["cut", "silent", 503, 429])
def test_a_broken_connection_is_taken_up_where_it_broke(fault: int | str, server: ShardServer) -> None:
    server.faults["/a/0.tar"] = [fault]
    assert keys(f"{server.url}/a/0.tar") == ALL
    first, second = server.asked("/a/0.tar")
    assert first == "" and (second.startswith("bytes=") if isinstance(fault, str) else second == "")


def test_a_server_without_ranges_sends_everything_again(server: ShardServer) -> None:
    server.ranges, server.faults["/a/0.tar"] = False, ["cut"]
    assert keys(f"{server.url}/a/0.tar") == ALL and len(server.asked("/a/0.tar")) == 2


def test_a_server_that_begins_elsewhere_than_it_was_asked_to(server: ShardServer) -> None:
    server.begins_at = 0
    server.faults["/a/0.tar"] = ["cut"]
    assert keys(f"{server.url}/a/0.tar") == [f"{n:06d}" for n in range(4)]


def test_a_server_that_always_stops_is_given_up(server: ShardServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.faults["/a/0.tar"] = ["silent"] * 50
    monkeypatch.setattr(connection, "TIMEOUT_S", 0.1)
    monkeypatch.setattr(reading_ahead, "MOST_TRIES", 6)  # each brings half of what was missing
    came, fault = fault_of(f"{server.url}/a/0.tar")
    assert came[:1] == ALL[:1] and fault.endswith("(6 attempts)") and len(server.asked("/a/0.tar")) == 6
    server.faults["/a/0.tar"] = [503] * 50
    assert fault_of(f"{server.url}/a/0.tar")[1] == "HTTP 503 (4 attempts)"


def test_a_connection_that_only_drips_is_given_up(server: ShardServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_ahead, "WINDOW_S", -1.0)
    monkeypatch.setattr(reading_ahead, "SLOWEST", 10**12)
    monkeypatch.setattr(reading_ahead, "MOST_TRIES", 3)
    assert fault_of(f"{server.url}/a/0.tar")[1].startswith("fewer than")


def test_a_shard_that_is_not_there_is_not_asked_for_again(server: ShardServer) -> None:
    assert fault_of(f"{server.url}/a/1.tar") == ([], "HTTP 404") and len(server.asked("/a/1.tar")) == 1
    assert "No such file" in fault_of("file:///none/0.tar")[1]


def test_what_a_truncated_shard_holds_is_used(server: ShardServer, content: bytes) -> None:
    server.files["/a/0.tar"] = content[: len(content) - 20_480 - 1_000]
    came, fault = fault_of(f"{server.url}/a/0.tar")
    assert came == ALL[:1] and "unexpected end of data" in fault
    end = content.rindex(b"ustar")  # the header of the last member: a cut between two members
    server.files["/a/0.tar"] = content[: end - 257]
    came, fault = fault_of(f"{server.url}/a/0.tar")
    assert came == ALL[:3] and "end-of-archive mark" in fault


def test_a_silent_source_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time limit of a library helps with a command that neither says anything nor ends."""
    monkeypatch.setattr(reading_ahead, "SILENT_S", 0.3)
    before, start = set(threading.enumerate()), time.monotonic()
    came, fault = fault_of("pipe:sleep 60")
    assert came == [] and "nothing arrived" in fault and time.monotonic() - start < 10
    for _ in range(100):
        if set(threading.enumerate()) <= before:
            break
        time.sleep(0.05)
    assert set(threading.enumerate()) <= before


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    came, fault = fault_of(f"pipe:cat {tmp_path}/none.tar")
    assert came == [] and "ended with 1" in fault and "No such file" in fault and str(tmp_path) not in fault
    samples = {f"{n:06d}": {"jpg": jpeg(n), "json": row(n)} for n in range(4)}
    file, marker = shard(tmp_path / "made.tar", samples), tmp_path / "once"
    flaky = f"pipe:[ -e {marker} ] && cat {file} || {{ touch {marker}; head -c 5000 {file}; exit 1; }}"
    assert keys(flaky) == ALL  # what it said before is skipped


# What a shard may hold


def test_what_is_wrong_with_samples_and_shards(tmp_path: Path) -> None:
    members = {
        "a.jpg": jpeg(),
        "b.json": json.dumps(row(1)).encode(),
        "c.jpg": jpeg(),
        "c.png": jpeg(),
        "c.json": json.dumps(row(1)).encode(),
        "README.md": b"x",
        "./sub/d.JPG": jpeg(),
        "./sub/d.txt": b"ignored",
        "./sub/d.json": json.dumps(row(1)).encode(),
    }
    tar(tmp_path / "0.tar", members)
    assert keys(f"file://{tmp_path}/0.tar") == ["no JSON", "no picture", "several pictures", "sub/d"]
    (tmp_path / "text.tar").write_bytes(b"text" * 1000)
    assert "not a readable tar file" in fault_of(f"file://{tmp_path}/text.tar")[1]
    (tmp_path / "gz.tar").write_bytes(b"\x1f\x8b" + bytes(1000))
    assert "compressed" in fault_of(f"file://{tmp_path}/gz.tar")[1]
    (tmp_path / "empty.tar").write_bytes(b"")
    assert "tar file" in fault_of(f"file://{tmp_path}/empty.tar")[1]


def test_absurd_sizes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_stream, "PICTURE_BYTES", 1_000)
    shard(tmp_path / "0.tar", {"a": {"jpg": bytes(2_000), "json": row(0)}})
    assert "a member of 2,000 bytes" in fault_of(f"file://{tmp_path}/0.tar")[1]
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 10**12
    (tmp_path / "1.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(10_000))
    assert "a header of 1,000,000,000,000 bytes" in fault_of(f"file://{tmp_path}/1.tar")[1]


def test_readers_that_stop_early_leave_nothing_behind(server: ShardServer) -> None:
    server.files["/big.tar"] = bytes(64 * 2**20)
    before = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))
    with closing(ReadingAhead(f"{server.url}/big.tar")) as stream:
        assert len(stream.read(10)) == 10
    for _ in range(100):
        if len(os.listdir("/proc/self/fd")) <= before[1] and set(threading.enumerate()) <= before[0]:
            break
        time.sleep(0.05)
    assert len(os.listdir("/proc/self/fd")) <= before[1] and set(threading.enumerate()) <= before[0]


# Secrets

SECRETS = (
    "https://me:pa55word@host/a.tar",
    "https://host/{0..3}.tar?sig=pa55word&se=1",
    "pipe:curl -H 'Authorization: Bearer pa55word' https://host/{0..3}.tar",
    "pipe:TOKEN=pa55word aws s3 cp s3://b/0.tar -",
    "https://host/0.tar#pa55word",
    "a.tar::s3://key:pa55word@bucket/0.tar",
)


@pytest.mark.parametrize("path", SECRETS)
def test_secrets_are_not_shown(path: str) -> None:
    assert "pa55word" not in shown(path) and shown(shown(path)) == shown(path)
    for source in sources_of(path):
        assert (
            "pa55word" not in without_secrets(f"cannot open {source}, pa55word: refused", source) or source == "a.tar"
        )


def test_a_password_goes_to_the_server_and_nowhere_else(server: ShardServer) -> None:
    address = server.url.replace("http://", "http://me:pa%2055@")
    assert keys(f"{address}/a/0.tar?key=5ecret") == ALL
    path, _, authorization = server.log[-1]
    assert path.endswith("?key=5ecret") and authorization == "Basic bWU6cGEgNTU="
    shown_keys = next(iter(samples_in(f"{address}/a/0.tar?key=5ecret")))
    assert isinstance(shown_keys, EncodedSample) and "5ecret" not in shown_keys.where and "pa" not in shown_keys.where
    assert fault_of(f"{address}/none.tar?key=5ecret")[1] == "HTTP 404"


# Sizes


def test_the_number_of_samples_beside_the_shards(server: ShardServer) -> None:
    server.files["/a/sizes.json"] = json.dumps({"0.tar": 4, "1.tar": "5", "2.tar": 100}).encode()
    assert samples_of_shards([f"{server.url}/a/0.tar?k=1", f"{server.url}/a/1.tar?k=1"]) == 9
    assert server.log[-1][0] == "/a/sizes.json?k=1"
    for addresses, says in (
        ([f"{server.url}/a/3.tar"], "does not name"),
        ([f"{server.url}/b/0.tar"], "HTTP 404"),
        (["pipe:cat x"], "data.samples is needed"),
    ):
        with pytest.raises(GoldievalError, match=r"data\.samples") as failure:
            samples_of_shards(addresses)
        assert says in one_line(str(failure.value))
    for content in (b"[1]", b"{", b'{"0.tar": "x"}', b'{"0.tar": -3}'):
        server.files["/a/sizes.json"] = content
        with pytest.raises(GoldievalError, match=r"data\.samples"):
            samples_of_shards([f"{server.url}/a/0.tar"])
