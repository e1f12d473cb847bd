"""Other architectures that answer prompts, older folders of LLaVA, and folders that are none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from adapter_cases import refused
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_llava import llava_folder
from tiny_models import huggingface_folder
from tiny_prompted import MAKERS

from goldieval import load_model
from goldieval.core.errors import TaskError
from goldieval.models.adapter import inference
from model_adapters.vlm_inputs import batches_of

PROMPTS = ["What colour is the circle?", "Is there a dog in the image?", "no", "What colour is the square?"] * 2
SIZES = [(40, 30), (30, 90), (90, 30), (64, 64), (40, 30), (30, 90), (1, 1), (33, 33)]
LONGEST = 6


def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)) for size in SIZES]


def answers(model: Any, images: list[Image.Image], prompts: list[str]) -> list[str]:
    with inference(model):
        found: list[str] = model.respond([model.preprocess(image) for image in images], prompts, LONGEST)
    return found


def own_answers(folder: Path, texts: list[str]) -> list[str]:
    """Return the answers of transformers' own generate, one by one."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model, processor = AutoModelForImageTextToText.from_pretrained(folder).eval(), AutoProcessor.from_pretrained(folder)
    found = []
    for image, text in zip(pictures(), texts, strict=True):
        inputs = processor(images=image, text=text, return_tensors="pt")
        inputs.pop("labels", None)
        with torch.inference_mode():
            made = model.generate(**inputs, do_sample=False, num_beams=1, max_new_tokens=LONGEST)
        found.append(processor.tokenizer.decode(made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
    return [answer.strip() for answer in found]


@pytest.mark.parametrize("name", MAKERS)
def test_every_architecture_gives_the_answers_of_its_own_generate(name: str, tmp_path: Path) -> None:
    folder = MAKERS[name](tmp_path / "model")
    model: Any = load_model(f"vlm:{folder}")
    processor, content = model.inputs._processor, [{"type": "image"}, {"type": "text", "text": PROMPTS[0]}]
    if processor.chat_template:
        own = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        assert model.inputs.form.text(PROMPTS[0]) == own
    expected = own_answers(folder, [model.inputs.form.text(prompt) for prompt in PROMPTS])
    assert len(set(expected)) > 4  # they depend on picture and prompt
    assert answers(model, pictures(), PROMPTS) == expected
    assert answers(model, pictures()[::-1], PROMPTS[::-1]) == expected[::-1]
    rows = model.inputs.rows([model.preprocess(image) for image in pictures()], PROMPTS, LONGEST)
    assert 1 < len(batches_of(rows)) < len(rows)  # of equal length, together
    assert model.describe() == load_model(f"vlm:{folder}").describe()


def test_state_in_the_model_is_not_shared_between_calls(tmp_path: Path) -> None:
    """Qwen2-VL keeps positions of the last call in its module."""
    model: Any = load_model(f"vlm:{MAKERS['Qwen2-VL'](tmp_path)}")
    first = answers(model, pictures(), PROMPTS)
    answers(model, pictures()[:1], ["a much longer prompt than any of the others " * 3])
    assert answers(model, pictures(), PROMPTS) == first


# Older folders of LLaVA


OLDER: dict[str, tuple[str, ...]] = {
    "patch_size": ("patch_size", "num_additional_image_tokens"),
    "strategy": ("vision_feature_select_strategy",),
    "all": ("patch_size", "num_additional_image_tokens", "vision_feature_select_strategy"),
}


@pytest.mark.parametrize("lacking", OLDER)
def test_what_an_older_processor_lacks_is_taken_from_the_config_and_said(lacking: str, tmp_path: Path) -> None:
    whole: Any = load_model(f"vlm:{llava_folder(tmp_path / 'whole')}")
    older = llava_folder(tmp_path / "older")
    file = older / "processor_config.json"
    content = {name: value for name, value in json.loads(file.read_text()).items() if name not in OLDER[lacking]}
    file.write_text(json.dumps(content))
    model: Any = load_model(f"vlm:{older}")
    assert answers(model, pictures(), PROMPTS) == answers(whole, pictures(), PROMPTS)
    said = model.describe().checkpoint
    assert all(name in said for name in OLDER[lacking]) and "from its config" in said
    assert model.describe().fingerprint == whole.describe().fingerprint


def _released(name: str) -> str:
    """Return the name of a tensor in the released folders of LLaVA-1.5, as transformers 5.0 still saves it."""
    return name.replace("vision_tower.vision_model.", "vision_tower.").replace(
        "vision_tower.", "vision_tower.vision_model."
    )


def _since_4_52(name: str) -> str:
    """Return the name of a tensor as transformers 4.52 and later versions of line 4 save it."""
    if name == "language_model.lm_head.weight":
        return "lm_head.weight"
    return "model." + _released(name).replace("language_model.model.", "language_model.")


@pytest.mark.parametrize("name_of", [_released, _since_4_52])
def test_a_folder_with_the_names_and_files_of_older_versions_is_the_same_model(
    name_of: Callable[[str], str], tmp_path: Path
) -> None:
    """preprocessor_config.json beside the tokenizer, chat_template.json, and other names of tensors."""
    whole: Any = load_model(f"vlm:{llava_folder(tmp_path / 'whole')}")
    older = llava_folder(tmp_path / "older")
    processor = json.loads((older / "processor_config.json").read_text())
    (older / "preprocessor_config.json").write_text(
        json.dumps(processor.pop("image_processor") | {"processor_class": "LlavaProcessor"})
    )
    (older / "processor_config.json").write_text(json.dumps(processor))
    template = (older / "chat_template.jinja").read_text()
    (older / "chat_template.jinja").unlink()
    (older / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    tensors = load_file(older / "model.safetensors")
    renamed = {name_of(name): tensor for name, tensor in tensors.items()}
    assert any("vision_tower.vision_model." in name for name in renamed)
    save_file(renamed, older / "model.safetensors", metadata={"format": "pt"})
    model: Any = load_model(f"vlm:{older}")
    assert answers(model, pictures(), PROMPTS) == answers(whole, pictures(), PROMPTS)
    assert model.describe().fingerprint == whole.describe().fingerprint


# Weights


def test_other_weights_of_the_model_are_read_from_a_file(tmp_path: Path) -> None:
    folder, other = llava_folder(tmp_path / "a"), llava_folder(tmp_path / "b", seed=1)
    from transformers import AutoModelForImageTextToText

    state = AutoModelForImageTextToText.from_pretrained(other).state_dict()
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, tmp_path / "last.pt")
    found, expected = load_model(f"vlm:{folder}@{tmp_path / 'last.pt'}"), load_model(f"vlm:{other}")
    assert found.describe().fingerprint == expected.describe().fingerprint
    assert found.describe().fingerprint != load_model(f"vlm:{folder}").describe().fingerprint
    for name_of in (str, _released):  # as transformers saves it today, and as LLaVA-1.5 was released
        tensors = {name_of(name): tensor for name, tensor in load_file(other / "model.safetensors").items()}
        save_file(tensors, tmp_path / "other.safetensors")
        again = load_model(f"vlm:{folder}@{tmp_path / 'other.safetensors'}")
        assert again.describe().fingerprint == expected.describe().fingerprint
    assert answers(found, pictures(), PROMPTS) == answers(expected, pictures(), PROMPTS)


def _without_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors[
        "multi_modal_projector.linear_1.bias" if "multi_modal_projector.linear_1.bias" in tensors else min(tensors)
    ]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _not_finite(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors[min(tensors)].view(-1)[0] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _config(**keys: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(content | keys))

    return change


def _damaged(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-100])


def _no_tokenizer(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()


def _other_patches(folder: Path) -> None:
    file = folder / "processor_config.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"patch_size": 4}))


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a tensor is missing": (_without_a_tensor, "weights are missing"),
    "not finite": (_not_finite, "NaN or infinity"),
    "pickled": (_pickled, "pytorch_model.bin is pickled and is not loaded"),
    "damaged": (_damaged, "cannot be loaded"),
    "of LLaVA's own layout": (_config(mm_vision_tower="openai/clip"), "LLaVA's own layout"),
    "a language model": (_config(model_type="llama"), "does not answer prompts about pictures"),
    "quantised": (_config(quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True}), "quantised"),
    "code": (_config(auto_map={"AutoConfig": "evil.Evil"}), "asks to run code"),
    "too large": (
        _config(text_config={"model_type": "llama", "hidden_size": 2**16, "vocab_size": 2**20}),
        "do not match",
    ),
    "no tokenizer": (_no_tokenizer, "holds no tokenizer.json: save its processor there"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_folder_that_cannot_be_used_is_one_line(fault: str, tmp_path: Path) -> None:
    import re

    change, line = FAULTS[fault]
    folder = llava_folder(tmp_path / "model")
    change(folder)
    said = refused(f"vlm:{folder}")
    assert re.search(line, said) and len(said) < 500, said


def test_other_models_and_places_are_one_line(tmp_path: Path) -> None:
    assert "does not answer prompts about pictures" in refused(f"vlm:{huggingface_folder(tmp_path, 'clip')}")
    assert "no folder" in refused("vlm:./nowhere") and "write" in refused("vlm").lower()
    assert "offline" in refused("vlm:llava-hf/llava-1.5-7b-hf", offline=True)
    folder = llava_folder(tmp_path / "model")
    shutil.rmtree(folder)
    assert "no folder" in refused(f"vlm:{folder}")


def test_a_transformers_that_is_too_old_is_one_line_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_adapters.vlm.version", lambda package: "4.57.6")
    said = refused(f"vlm:{tmp_path}")
    assert "vlm needs transformers 5.0 or later, and 4.57.6 is installed" in said and "pip install" in said
    monkeypatch.setattr("model_adapters.vlm.version", lambda package: "5.0.0")
    assert "transformers 5.0 or later" not in refused(f"vlm:{tmp_path}")


def test_a_processor_that_does_not_fit_the_model_fails_the_task_in_one_line(tmp_path: Path) -> None:
    folder = llava_folder(tmp_path)
    _other_patches(folder)
    model: Any = load_model(f"vlm:{folder}")
    with pytest.raises(TaskError, match=r"features and image tokens do not match, .* do not fit\.$"):
        answers(model, pictures()[:1], PROMPTS[:1])
