"""Tokenizers and contexts that a spec names, and text towers that are not CLIP's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from adapter_cases import refused
from tiny_models import superclip_file, unigram

from goldieval import load_model
from goldieval.models.adapter import ModelInfo, inference

pytestmark = pytest.mark.usefixtures("architectures")

TEXTS = ["a dog on a mat", "a photo of a large red circle " * 9]


def spec_of(file: Path, *options: str, name: str = "TINY") -> str:
    return "::".join([f"open_clip:{name}@{file}", *options])


def describe(spec: str) -> ModelInfo:
    return load_model(spec).describe()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, architectures: None) -> Path:
    folder = tmp_path_factory.mktemp("tokenizers")
    torch.manual_seed(5)
    torch.save(open_clip.create_model("TINY").state_dict(), folder / "tiny.pt")
    superclip_file(folder)
    return folder


def test_a_tokenizer_of_a_folder_or_a_file_gives_the_ids_of_its_library(folder: Path, tmp_path: Path) -> None:
    tokenizer = unigram(lower=True)
    tokenizer.save_pretrained(tmp_path / "my tokenizer@1:b")
    expected = tokenizer(TEXTS, padding="max_length", truncation=True, max_length=77, return_tensors="pt").input_ids
    plain = describe(spec_of(folder / "tiny.pt"))
    places = (tmp_path / "my tokenizer@1:b", tmp_path / "my tokenizer@1:b" / "tokenizer.json")
    for place in places:
        model: Any = load_model(spec_of(folder / "tiny.pt", f"tokenizer={place}"))
        ids = model.tokenize(TEXTS)
        ends = expected != 1  # the file alone does not name the token for padding
        assert torch.equal(ids[ends], expected[ends])
        found = model.describe()
        assert found.image_identity == plain.image_identity and found.text_identity != plain.text_identity
        assert found.fingerprint != plain.fingerprint and "tokenizer as in the spec" in found.checkpoint
        assert "not its largest id" in found.checkpoint
        assert model.count_tokens(["a dog"])[0] < 10
    shutil.copytree(places[0], tmp_path / "moved")
    moved = describe(spec_of(folder / "tiny.pt", f"tokenizer={tmp_path}/moved"))
    assert moved.fingerprint == describe(spec_of(folder / "tiny.pt", f"tokenizer={places[0]}")).fingerprint


def test_a_checkpoint_with_another_vocabulary_gets_a_tokenizer(folder: Path, tmp_path: Path) -> None:
    content = torch.load(folder / "superclip.pt", weights_only=True)
    state = content["state_dict"]
    state["module.text.token_embedding.weight"] = state["module.text.token_embedding.weight"][:100].clone()
    torch.save(content, tmp_path / "small.pt")
    unigram(lower=True).save_pretrained(tmp_path / "tokenizer")
    with pytest.raises(Exception, match="no tokenizer is known"):
        load_model(f"superclip@{tmp_path}/small.pt").tokenize(["a dog"])  # type: ignore[union-attr]
    model: Any = load_model(f"superclip@{tmp_path}/small.pt::tokenizer={tmp_path}/tokenizer")
    with inference(model):
        assert model.encode_text(model.tokenize(TEXTS)).shape == (2, 64)
    assert "has 49,408 tokens, the text tower 100" in refused(f"superclip@{tmp_path}/small.pt::tokenizer=ViT-B-32")


def test_a_tokenizer_that_asks_for_code_or_is_none_is_refused(folder: Path, tmp_path: Path) -> None:
    unigram(lower=True).save_pretrained(tmp_path / "code")
    config = json.loads((tmp_path / "code/tokenizer_config.json").read_text())
    (tmp_path / "code/tokenizer_config.json").write_text(json.dumps(config | {"auto_map": {"AutoTokenizer": "a.B"}}))
    (tmp_path / "empty").mkdir()
    for name, content in (("words.json", "words"), ("list.json", "[]"), ("no_model.json", '{"model": 3}')):
        (tmp_path / name).write_text(content)
    assert "asks to run code" in refused(spec_of(folder / "tiny.pt", f"tokenizer={tmp_path}/code"))
    for name in ("empty", "words.json", "list.json", "no_model.json"):
        assert f"tokenizer={tmp_path}/{name}" in refused(spec_of(folder / "tiny.pt", f"tokenizer={tmp_path}/{name}"))


def test_a_text_tower_of_transformers_reads_texts_up_to_its_positions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a tower has no positions to interpolate; the tokenizer alone decides the length."""
    from open_clip import factory
    from transformers import BertConfig

    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    BertConfig(vocab_size=100, max_position_embeddings=40, **sizes).save_pretrained(tmp_path)
    unigram(lower=True).save_pretrained(tmp_path)
    text = {"hf_model_name": str(tmp_path), "hf_tokenizer_name": str(tmp_path), "hf_proj_type": "mlp"}
    text |= {"hf_pooler_type": "mean_pooler", "context_length": 30}
    vision = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
    monkeypatch.setitem(factory._MODEL_CONFIGS, "BERT", {"embed_dim": 32, "vision_cfg": vision, "text_cfg": text})
    file = tmp_path / "bert.pt"
    torch.save(open_clip.create_model("BERT", pretrained_text=False).state_dict(), file)
    plain, longer = describe(spec_of(file, name="BERT")), describe(spec_of(file, "context=40", name="BERT"))
    assert (plain.context_length, longer.context_length) == (30, 40)
    assert plain.fingerprint != longer.fingerprint and plain.text_identity != longer.text_identity
    assert plain.image_identity == longer.image_identity
    assert describe(spec_of(file, f"tokenizer={tmp_path}", name="BERT")).fingerprint == plain.fingerprint
    assert "reads at most 40 tokens" in refused(spec_of(file, "context=41", name="BERT"))


def test_a_folder_without_a_tokenizer_is_refused(folder: Path, tmp_path: Path) -> None:
    line = refused(spec_of(folder / "tiny.pt", f"tokenizer={tmp_path}"))
    assert "no file of a tokenizer, such as tokenizer.json" in line
