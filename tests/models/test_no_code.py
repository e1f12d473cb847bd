"""Python code of a repository is never run, whichever file refers to it, and there is no prompt to allow it."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from commands import forked
from helpers import one_line
from tiny_models import huggingface_folder

from goldieval import load_model
from goldieval.core.errors import GoldievalError
from model_adapters.no_code import check_no_code, no_code

FILES = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer_config.json",
    "image_processor_config.json",
    "video_preprocessor_config.json",
    "feature_extractor_config.json",
    "generation_config.json",
)
CLASSES: dict[str, Any] = dict.fromkeys(("AutoConfig", "AutoModel", "AutoProcessor", "AutoImageProcessor"), "evil.Evil")
CLASSES |= {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return huggingface_folder(tmp_path_factory.mktemp("clip"), "clip")


@pytest.fixture
def own(clip: Path, tmp_path: Path) -> Path:
    """A complete model with a Python file beside it, which leaves a trace when it is run."""
    folder = tmp_path / "own"
    shutil.copytree(clip, folder)
    (folder / "evil.py").write_text(f"open({str(marker(folder))!r}, 'w')\nclass Evil: pass\n")
    return folder


def marker(folder: Path) -> Path:
    return folder.with_name("was_run")


def changed(file: Path, **keys: Any) -> None:
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(content | keys))


def refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the error line with which a folder is refused; a prompt would be answered with yes."""
    asked: list[Any] = []
    monkeypatch.setattr("builtins.input", lambda *text: asked.append(text) or "y")
    with pytest.raises(GoldievalError) as caught:
        load_model(f"huggingface:{folder}")
    assert not asked and not marker(folder).exists()
    return one_line(str(caught.value))


def test_an_unreferenced_python_file_is_ignored(own: Path) -> None:
    assert load_model(f"huggingface:{own}").describe().parameters and not marker(own).exists()


@pytest.mark.parametrize("name", FILES)
def test_code_is_refused_whichever_file_refers_to_it(own: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changed(own / name, auto_map=CLASSES)
    line = refused(own, monkeypatch)
    assert name in line and "auto_map" in line and "no code" in line


@pytest.mark.parametrize(
    "keys",
    [
        {"text_config": {"auto_map": {"AutoConfig": "evil.Evil"}}},
        {"parts": [{"deep": [{"auto_map": {"AutoModel": "someone/else--evil.Evil"}}]}]},
        {"custom_pipelines": {"evil": {"impl": "evil.Evil"}}},
        {"trust_remote_code": True},
        {"attn_implementation": "someone/kernel"},
        {"vision_config": {"_attn_implementation": "someone/kernel:attention"}},
    ],
    ids=str,
)
def test_references_to_code_are_refused_at_any_depth(
    own: Path, keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed(own / "config.json", **keys)
    assert "config.json asks to run code" in refused(own, monkeypatch)


def test_duplicate_keys_are_both_examined(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (own / "config.json").read_text().rstrip().removesuffix("}")
    (own / "config.json").write_text(text + ', "auto_map": {"AutoModel": "evil.Evil"}, "auto_map": {}}')
    assert "auto_map" in refused(own, monkeypatch)
    (own / "config.json").write_text(text + ', "\\u0061uto_map": {"AutoModel": "evil.Evil"}}')
    assert "auto_map" in refused(own, monkeypatch)


def test_an_adapter_on_another_model_is_refused(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed(own / "adapter_config.json", base_model_name_or_path="someone/else")
    assert "adapter_config.json" in refused(own, monkeypatch)


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b'{"a": "\xff"}'], ids=["cut", "deep", "bytes"])
def test_json_that_cannot_be_read_is_one_line(own: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    (own / "preprocessor_config.json").write_bytes(content)
    assert "preprocessor_config.json is not readable JSON" in refused(own, monkeypatch)


@pytest.mark.parametrize("content", ["[]", "3", '"x"', "[1, [2, {}]]", '{"auto_map": {}}'])
def test_json_of_any_shape_without_code_is_let_through(tmp_path: Path, content: str) -> None:
    (tmp_path / "other.json").write_text(content)
    check_no_code(tmp_path)


@pytest.mark.parametrize("name", FILES[:4])
def test_the_gates_before_transformers_hold_where_the_files_were_not_examined(
    own: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second line of defence: without the first there is no prompt, and the code is not run."""
    asked: list[Any] = []
    monkeypatch.setattr("builtins.input", lambda *text: asked.append(text) or "y")
    monkeypatch.setattr("model_adapters.huggingface.check_no_code", lambda folder: None)
    unknown = {"model_type": "of_their_own", "processor_class": "Evil", "image_processor_type": "Evil"}
    changed(own / name, auto_map=CLASSES, **unknown)
    with suppress(GoldievalError):  # some files are read without what they name
        load_model(f"huggingface:{own}")
    assert not asked and not marker(own).exists()


def test_code_is_not_run_even_where_a_caller_would_trust_it(own: Path) -> None:
    from transformers import AutoConfig

    changed(own / "config.json", auto_map=CLASSES, model_type="of_their_own")
    with no_code(), pytest.raises(GoldievalError, match="no code"):
        AutoConfig.from_pretrained(own, trust_remote_code=True)
    assert not marker(own).exists()


def test_the_command_line_has_no_prompt_and_exits_with_2(own: Path, tmp_path: Path) -> None:
    changed(own / "preprocessor_config.json", auto_map=CLASSES)
    command = ["run", "--model", f"huggingface:{own}", "--tasks", "shapes-zeroshot"]
    ran = forked(*command, stdin=b"y\ny\n", cwd=tmp_path)
    assert ran.returncode == 2 and "auto_map" in one_line(ran.stderr.decode()) and not marker(own).exists()
