"""Import from the Hub, on a local server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import goldieval, png_bytes, tar
from hub_server import COMMIT, Server, serving
from import_cases import card_of, refused
from reader_cases import images, parquet

WORDS = ("a red square here", "a tall green tree", "an old man reads", "two dogs run away")


@pytest.fixture
def server(waits: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for split, count in (("train", 4), ("test", 3)):
        parquet(Path("made", split), {"image": images(*range(count)), "caption": list(WORDS[:count])})
    files = {f"data/{split}-00000-of-00001.parquet": Path("made", split).read_bytes() for split in ("train", "test")}
    with serving(Server(files={**files, "load.py": b"raise SystemExit", "README.md": b"hello"})) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def test_the_card_pins_repository_commit_and_files(server: Server) -> None:
    found = card_of("hf:org/birds", "--yes")
    assert found["name"] == "birds" and found["expect"] == {"images": 3, "texts": 3}
    assert {key: found["source"][key] for key in ("id", "hub", "revision", "hub_files", "files")} == {
        "id": f"hub/org/birds/{COMMIT[:12]}",
        "hub": "org/birds",
        "revision": COMMIT,
        "hub_files": ["data/test-00000-of-00001.parquet"],
        "files": "data/test-*.parquet",
    }
    assert not server.asked("train") and not server.asked("load.py")
    ran = goldieval("data", "import", "hf:org/birds@main", "--split", "train", "--yes", "--name", "more")
    assert ran.code == 0 and "4 images, 4 texts" in ran.out, ran.out + ran.err


def test_the_card_downloads_its_data_for_somebody_else(server: Server, tmp_path: Path, monkeypatch: Any) -> None:
    card_of("hf:org/birds", "--yes")
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("GOLDIEVAL_DATA", str(tmp_path / "other"))
    ran = goldieval("data", "get", "./birds.yaml", "--yes")
    assert ran.code == 0 and "3 images, 3 texts, as its card expects" in ran.out, ran.out + ran.err


def test_size_and_commit_are_shown_before_anything_is_downloaded(server: Server) -> None:
    ran = goldieval("data", "import", "hf:org/birds", "--dry-run")
    assert ran.code == 0 and f"org/birds at {COMMIT}: 1 file, 0.0000" in ran.out and not server.asked("/resolve/")
    assert "of 2 splits test is taken; the others: train (--split)" in ran.out
    ran = goldieval("data", "import", "hf:org/birds")
    assert ran.code == 2 and "Add --yes to download 0.0000" in ran.err and not server.asked("/resolve/")
    assert not Path("birds.yaml").exists()


def test_an_interrupted_download_goes_on(server: Server) -> None:
    server.faults["test-00000-of-00001.parquet"] = ["cut"]
    ran = goldieval("data", "import", "hf:org/birds", "--yes")
    assert ran.code == 0, ran.out + ran.err
    assert [span != "" for _, span in server.asked("test-00000")] == [False, True]


def test_a_token_is_used_and_never_shown(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.token = "hf_secret"
    assert "is gated: accept its terms on" in refused("hf:org/birds", "--yes")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    ran = goldieval("data", "import", "hf:org/birds", "--yes")
    assert ran.code == 0 and "hf_secret" not in ran.out + ran.err + Path("birds.yaml").read_text()


def test_configurations_are_folders_or_declared_in_the_readme(server: Server) -> None:
    data = server.files["data/test-00000-of-00001.parquet"]
    server.files = {f"{config}/test/0000.parquet": data for config in ("en", "fr")}
    assert "has 2 configurations (en, fr): add --config" in refused("hf:org/birds", "--yes")
    assert "has no configuration 'xx'; it has en, fr" in refused("hf:org/birds", "--config", "xx")
    assert card_of("hf:org/birds", "--config", "fr", "--yes")["source"]["files"] == "fr/test/0000.parquet"


def test_the_readme_declares_configurations_and_licence(server: Server) -> None:
    data = server.files["data/test-00000-of-00001.parquet"]
    server.files = {"b/one.parquet": data, "a/two.parquet": data, "a/three.parquet": data}
    files = [{"split": "val", "path": "a/th*"}, {"split": "train", "path": ["b/*", "a/two.parquet"]}]
    server.card = {"license": ["cc-by-4.0", "other"], "configs": [{"config_name": "all", "data_files": files}]}
    found = card_of("hf:org/birds", "--yes")
    assert found["licence"] == "cc-by-4.0, other" and found["source"]["files"] == "a/three.parquet"
    server.card = {"license": "x\x1b[31m", "configs": [{"config_name": 7, "data_files": [{"path": 7}]}, "x"]}
    assert card_of("hf:org/birds", "--config", "b", "--yes", "--name", "more")["licence"] == "not stated"


def test_shards_of_a_web_dataset(server: Server, tmp_path: Path) -> None:
    server.files = {}
    for number in range(2):
        shard = tar(tmp_path / "t.tar", {"a.png": png_bytes(number), "a.txt": f"cap {number}".encode()})
        server.files[f"{number:05d}.tar"] = shard.read_bytes()
    found = card_of("hf:org/birds", "--yes")["source"]
    assert (found["reader"], found["shards"], found["hub_files"]) == ("webdataset", "{00000..00001}.tar", ["*.tar"])


REFUSED = {
    "hf:org/birds@nope": "has no revision 'nope'",
    "hf:../../etc": "write hf:OWNER/NAME",
    "hf:": "write hf:OWNER/NAME",
    "hf:a/b/c": "write hf:OWNER/NAME",
    "hf:org/birds@../x": "write hf:OWNER/NAME",
}


@pytest.mark.parametrize("what", REFUSED)
def test_requests_that_name_nothing_are_refused(server: Server, what: str) -> None:
    assert REFUSED[what] in refused(what, "--yes")


def test_repositories_without_data_are_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files = {"birds.py": b"raise SystemExit"}
    assert "is made by a script (birds.py)" in refused("hf:org/birds", "--yes")
    server.files = {"train.json": b"[]", "birds.py": b""}
    assert "has no Parquet files and no tars" in refused("hf:org/birds", "--yes")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set" in refused("hf:org/birds", "--yes")


def test_hostile_paths_and_damaged_files_stay_contained(server: Server) -> None:
    server.listed = ["../../evil.parquet"]
    refused("hf:org/birds", "--yes")
    server.listed = []
    server.files = {"test.parquet": b"PAR1 nonsense"}
    ran = goldieval("data", "import", "hf:org/birds", "--yes")
    assert ran.code == 2 and "test.parquet as parquet" in ran.err and not Path("birds.yaml").exists()


def test_options_of_the_hub_are_refused_for_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "--split is for data sets on the Hub" in refused(".", "--split", "test")
