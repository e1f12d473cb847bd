"""Models that answer prompts: answers equal those of transformers, in any batch, and no code of a folder is run."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from adapter_cases import refused
from helpers import one_line
from PIL import Image
from tiny_llava import VICUNA, llava_folder

from goldieval import load_model
from goldieval.core.errors import GoldievalError, TaskError
from goldieval.models.adapter import Adapter, Instructed, Precomputed, inference
from model_adapters.vlm_prompts import prompt_form

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user's questions."
)
QUESTIONS = ["What colour is the circle?", "Is there a dog in the image?", "no", "What colour is the square?"]
SIZES = [(40, 30), (30, 90), (333, 5), (1, 1), (64, 64)]
LONGEST = 7


def pictures(count: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    sizes = [SIZES[number % len(SIZES)] for number in range(count)]
    return [Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)) for size in sizes]


def answers(model: Any, images: Sequence[Image.Image], prompts: Sequence[str], longest: int = LONGEST) -> list[str]:
    with inference(model):
        found: list[str] = model.respond([model.preprocess(image) for image in images], prompts, longest)
    return found


def own_answer(folder: Path, image: Image.Image, text: str, longest: int = LONGEST) -> str:
    """Return the answer of transformers' own generate to one text with one picture."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model, processor = AutoModelForImageTextToText.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    inputs = processor(images=image, text=text, return_tensors="pt")
    with torch.inference_mode():
        made = model.eval().generate(**inputs, do_sample=False, num_beams=1, max_new_tokens=longest)
    told: str = processor.decode(made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return told.strip()


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llava_folder(tmp_path_factory.mktemp("llava"))


def test_it_answers_and_has_no_embeddings(llava: Path) -> None:
    model = load_model(f"vlm:{llava}")
    assert isinstance(model, Instructed) and not isinstance(model, Adapter | Precomputed)
    info = model.describe()
    assert info == load_model(f"vlm:{llava}").describe() and info.fingerprint
    assert (info.family, info.precision, info.context_length, info.resolution) == ("vlm", "fp32", 2048, 32)
    assert "its own chat template" in info.checkpoint and "greedy" in info.checkpoint


def test_pictures_keep_their_size_until_they_are_asked_about(llava: Path) -> None:
    model: Any = load_model(f"vlm:{llava}")
    for image in [*pictures(5), pictures(1)[0].convert("L"), pictures(1)[0].convert("RGBA")]:
        pixels = model.preprocess(image)
        assert pixels.dtype == torch.uint8 and pixels.shape == (3, image.height, image.width)
        assert np.array_equal(pixels.permute(1, 2, 0).numpy(), np.asarray(image.convert("RGB")))


def test_answers_are_those_of_transformers_token_by_token_in_any_batch(llava: Path) -> None:
    model: Any = load_model(f"vlm:{llava}")
    images, prompts = pictures(8), QUESTIONS * 2
    expected = [
        own_answer(llava, image, f"USER: <image>\n{prompt} ASSISTANT:")
        for image, prompt in zip(images, prompts, strict=True)
    ]
    assert len(set(expected)) > 4  # they depend on picture and prompt
    together = answers(model, images, prompts)
    assert together == expected
    assert [answers(model, [image], [prompt])[0] for image, prompt in zip(images, prompts, strict=True)] == expected
    assert answers(model, images[::-1], prompts[::-1]) == expected[::-1]


def test_several_threads_give_the_same_answers(llava: Path) -> None:
    model: Any = load_model(f"vlm:{llava}")
    assert model.concurrent
    images, expected = pictures(4), answers(load_model(f"vlm:{llava}"), pictures(4), QUESTIONS)
    found: dict[int, list[str]] = {}

    def ask(number: int) -> None:
        with torch.inference_mode():
            found[number] = model.respond([model.preprocess(image) for image in images], QUESTIONS, LONGEST)

    with inference(model):
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [found[number] for number in range(4)] == [expected] * 4


def test_the_number_of_tokens_is_bounded_and_the_end_token_ends(llava: Path, tmp_path: Path) -> None:
    model: Any = load_model(f"vlm:{llava}")
    tokenizer, ids = model.inputs._processor.tokenizer, []
    image, prompt = pictures(1)[0], QUESTIONS[0]
    with inference(model):
        (row,) = model.inputs.rows([model.preprocess(image)], [prompt], 6)
        ids = model._generated([row], 6)[0].tolist()
        assert len(ids) == 6 and len(model._generated([row], 1)[0]) == 1
    ending = llava_folder(tmp_path)
    content = json.loads((ending / "generation_config.json").read_text())
    (ending / "generation_config.json").write_text(json.dumps(content | {"eos_token_id": [2, ids[2]]}))
    stopped: Any = load_model(f"vlm:{ending}")
    kept = ids[: ids.index(ids[2]) + 1]
    assert answers(stopped, [image], [prompt], 6) == [tokenizer.decode(kept, skip_special_tokens=True).strip()]
    both = answers(stopped, pictures(3), [prompt] * 3, 6)  # one ends before the others
    assert both == [answers(stopped, [each], [prompt], 6)[0] for each in pictures(3)]


def test_long_prompts_are_answered_until_the_context_is_full_and_named_beyond(llava: Path) -> None:
    model: Any = load_model(f"vlm:{llava}")
    image, long = pictures(1)[0], " ".join(QUESTIONS * 9)
    assert answers(model, [image], [long]) == [own_answer(llava, image, f"USER: <image>\n{long} ASSISTANT:")]
    for beyond in (" ".join(QUESTIONS * 90), "x" * 10**6):
        with pytest.raises(TaskError, match=r"too long.*2,048 tokens"):
            answers(model, [image], [beyond])


@pytest.mark.parametrize("prompt", ["<image> or </s>?", "<<s>s></s", "<|placeholder|>", "<pad>\n<unk>"])
def test_special_tokens_in_a_prompt_are_text(llava: Path, prompt: str) -> None:
    model: Any = load_model(f"vlm:{llava}")
    tokenizer, image = model.inputs._processor.tokenizer, pictures(1)[0]
    with inference(model):
        plain, row = model.inputs.rows([model.preprocess(image)] * 2, ["", prompt], LONGEST)
    special = [
        [id for id in each.inputs["input_ids"][0].tolist() if id in tokenizer.all_special_ids] for each in (plain, row)
    ]
    assert special[0] == special[1]
    letters = model.inputs.decoded(row.inputs["input_ids"][0])
    assert "".join(prompt.split()) in "".join(letters.split())
    assert len(model.prompt_lengths([prompt])) == 1 and answers(model, [image], [prompt])


def test_a_prompt_without_special_tokens_is_passed_as_it_is(llava: Path) -> None:
    model: Any = load_model(f"vlm:{llava}")
    for prompt in ("a < b > c, <b>bold</b>, </ s>", "[INST] <|x|> ### USER: no ASSISTANT:"):
        assert model.inputs.text(prompt) == f"USER: <image>\n{prompt} ASSISTANT:"


def test_lengths_sort_prompts(llava: Path) -> None:
    model: Any = load_model(f"vlm:{llava}")
    lengths = model.prompt_lengths(["no", QUESTIONS[0], " ".join(QUESTIONS)])
    assert lengths == sorted(set(lengths)) and model.prompt_lengths([]) == []


# Prompts


def without_template(folder: Path) -> Path:
    return llava_folder(folder, template="")


@pytest.mark.parametrize(
    ("option", "make", "form"),
    [
        ("", llava_folder, "USER: <image>\n{} ASSISTANT:"),
        ("::template=own", llava_folder, "USER: <image>\n{} ASSISTANT:"),
        ("::template=vicuna", llava_folder, SYSTEM + " USER: <image>\n{} ASSISTANT:"),
        ("", without_template, SYSTEM + " USER: <image>\n{} ASSISTANT:"),
        ("::template=none", llava_folder, "<image>{}"),
    ],
)
def test_prompts_are_passed_as_the_option_says(
    option: str, make: Callable[[Path], Path], form: str, tmp_path: Path
) -> None:
    folder, image = make(tmp_path), pictures(1)[0]
    model: Any = load_model(f"vlm:{folder}{option}")
    assert model.inputs.form.text(QUESTIONS[0]) == form.format(QUESTIONS[0])
    assert answers(model, [image], QUESTIONS[:1]) == [own_answer(folder, image, form.format(QUESTIONS[0]))]


def test_the_form_of_prompts_enters_the_fingerprint(llava: Path) -> None:
    found = {load_model(f"vlm:{llava}{option}").describe().fingerprint for option in ("", "::template=vicuna")}
    assert len(found) == 2
    assert load_model(f"vlm:{llava}::template=own").describe().fingerprint in found


TEMPLATES = {
    "of text": "{% for m in messages %}<s>[INST] {{ m.content }} [/INST]{% endfor %}",
    "stripping": "{% for m in messages %}{% for c in m.content %}{% if c.type == 'image' %}<image>{% else %}"
    "{{ c.text | trim }}{% endif %}{% endfor %}{% endfor %}A:",
    "with special tokens": "{{ bos_token }}" + VICUNA,
}


@pytest.mark.parametrize("kind", TEMPLATES)
def test_templates_of_other_kinds_give_what_transformers_renders(kind: str, tmp_path: Path) -> None:
    model: Any = load_model(f"vlm:{llava_folder(tmp_path, template=TEMPLATES[kind])}")
    processor, prompt = model.inputs._processor, "  two\nlines "
    content: Any = [{"type": "image"}, {"type": "text", "text": prompt}]
    message = {"role": "user", "content": f"<image>\n{prompt}" if kind == "of text" else content}
    whole = processor.apply_chat_template([message], add_generation_prompt=True)
    assert model.inputs.form.text(prompt) == whole
    (row,) = model.inputs.rows([model.preprocess(pictures(1)[0])], [prompt], 4)
    assert row.inputs["input_ids"][0].tolist().count(1) == 1  # one start of text
    assert model.inputs.tokenized(prompt).count(1) == 1


HOSTILE = {
    "code": ("{{ ().__class__.__base__.__subclasses__() }}", "fails: SecurityError"),
    "no template": ("{% for %}", "fails: TemplateSyntaxError"),
    "a loop": ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "takes more than"),
    "memory": ("{{ 'x'.center(9000000000) }}", "fails: MemoryError"),
    "a flood": ("{{ 'x' * 9000000 }}", "more than 1,000,000 characters"),
    "no picture": ("{{ messages[0].content[1].text }}", "does not write a picture and a prompt"),
    "other prompts": (VICUNA.replace("content.text", "content.text | replace('dog', 'cat')"), "changes the text"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_template_of_strangers_is_refused_in_bounded_time(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_adapters.vlm_render.SECONDS", 2)
    template, line = HOSTILE[kind]
    tokenizer = SimpleNamespace(special_tokens_map={"bos_token": "<s>"})
    processor = SimpleNamespace(image_token="<image>", chat_template=template, tokenizer=tokenizer)
    with pytest.raises(GoldievalError, match=line) as caught:
        prompt_form(processor, None, "llava")
    assert "::template=vicuna or ::template=none" in one_line(str(caught.value))


def test_a_model_with_a_template_of_strangers_can_be_used_without_it(tmp_path: Path) -> None:
    folder = llava_folder(tmp_path, template=HOSTILE["no picture"][0])
    said = refused(f"vlm:{folder}")
    assert str(folder) in said and "does not write a picture" in said
    assert load_model(f"vlm:{folder}::template=vicuna").describe().fingerprint


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("::template=llama", "template is own, vicuna or none"),
        ("::size=448", "vlm has no option 'size'; it has template, drop"),
        ("::resize=squash", "has no option 'resize'"),
        ("::drop=lm_head", "the model needs lm_head"),
        ("::drop=nothing", "has no such tensors"),
    ],
)
def test_options_that_it_does_not_have_are_one_line(llava: Path, option: str, line: str) -> None:
    assert line in refused(f"vlm:{llava}{option}")


def test_own_template_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    assert "has no chat template" in refused(f"vlm:{llava_folder(tmp_path, template='')}::template=own")


# Generation


def test_sampling_and_penalties_of_its_config_are_left_out_and_said(llava: Path, tmp_path: Path) -> None:
    folder = llava_folder(tmp_path)
    content = json.loads((folder / "generation_config.json").read_text())
    sampling = {"do_sample": True, "temperature": 0.2, "top_p": 0.7, "repetition_penalty": 5.0, "num_beams": 3}
    (folder / "generation_config.json").write_text(json.dumps(content | sampling))
    model: Any = load_model(f"vlm:{folder}")
    expected = load_model(f"vlm:{llava}")
    assert answers(model, pictures(4), QUESTIONS) == answers(expected, pictures(4), QUESTIONS)
    said = model.describe().checkpoint
    assert all(f"{name} {value}" in said for name, value in sampling.items())
    assert model.describe().fingerprint == expected.describe().fingerprint


def test_the_end_token_enters_the_fingerprint(llava: Path, tmp_path: Path) -> None:
    folder = llava_folder(tmp_path)
    content = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(content | {"eos_token_id": 7}))
    assert load_model(f"vlm:{folder}").describe().fingerprint != load_model(f"vlm:{llava}").describe().fingerprint


# Fingerprint


def test_any_weight_and_the_processor_enter_the_fingerprint(llava: Path, tmp_path: Path) -> None:
    model: Any = load_model(f"vlm:{llava}")
    before = model.describe()
    for parameter in list(model.module.parameters())[::20]:
        with torch.no_grad():
            parameter.view(-1)[0] += 1e-3
        after = model.describe()
        assert after.fingerprint != before.fingerprint and after.text_identity != before.text_identity
        before = after
    folder = llava_folder(tmp_path)
    file = folder / "processor_config.json"
    content = json.loads(file.read_text())
    content["image_processor"]["image_mean"] = [0.5, 0.5, 0.5]
    file.write_text(json.dumps(content))
    assert load_model(f"vlm:{folder}").describe().fingerprint != load_model(f"vlm:{llava}").describe().fingerprint


def test_changed_weights_change_the_answers_of_every_thread(llava: Path) -> None:
    model: Any = load_model(f"vlm:{llava}")
    before = answers(model, pictures(4), QUESTIONS)
    with torch.no_grad():
        model.module.lm_head.weight.neg_()
    assert answers(model, pictures(4), QUESTIONS) != before


def test_weights_of_half_precision_are_known_again_unless_they_are_rounded(tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText

    folder = llava_folder(tmp_path)
    rounded = load_model(f"vlm:{folder}", precision="fp16").describe().fingerprint
    assert rounded != load_model(f"vlm:{folder}").describe().fingerprint
    AutoModelForImageTextToText.from_pretrained(folder).half().save_pretrained(folder)
    half, full = (load_model(f"vlm:{folder}", precision=name).describe() for name in ("fp16", "fp32"))
    assert half.fingerprint == full.fingerprint == rounded and half.text_identity != full.text_identity


def test_half_precision_computes_in_it(llava: Path) -> None:
    model: Any = load_model(f"vlm:{llava}", precision="bf16")
    assert {parameter.dtype for parameter in model.module.parameters()} == {torch.bfloat16}
    assert len(answers(model, pictures(4), QUESTIONS)) == 4


def test_modes_come_back(llava: Path) -> None:
    model: Any = load_model(f"vlm:{llava}")
    model.module.train()
    model.module.lm_head.eval()
    modes = [part.training for part in model.module.modules()]
    with inference(model):
        assert not any(part.training for part in model.module.modules())
        model.respond([model.preprocess(pictures(1)[0])], ["no"], 2)
    assert [part.training for part in model.module.modules()] == modes


# Damaged folders


def changed(folder: Path, file: str, part: str, **values: Any) -> None:
    """Change values of a part of a JSON file."""
    content = json.loads((folder / file).read_text())
    (content[part] if part else content).update(values)
    (folder / file).write_text(json.dumps(content))


def stored(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    """Change the stored tensors."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def whole_numbers(tensors: dict[str, torch.Tensor]) -> None:
    name = next(name for name in tensors if name.endswith("q_proj.weight"))
    tensors[name] = tensors[name].to(torch.int8)


def other_shape(tensors: dict[str, torch.Tensor]) -> None:
    tensors[next(name for name in tensors if name.endswith("linear_1.weight"))] = torch.zeros(7, 7)


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no processor": (lambda folder: (folder / "processor_config.json").unlink(), "holds no preprocessor_config.json"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "holds no tokenizer.json"),
    "large template": (lambda folder: (folder / "chat_template.jinja").write_text(" " * 1_000_001), "1,000,001 bytes"),
    "whole numbers": (lambda folder: stored(folder, whole_numbers), "q_proj.weight is I8"),
    "other shape": (
        lambda folder: stored(folder, other_shape),
        r"has the shape \(7, 7\), but \(32, 32\) by its config",
    ),
    "type": (lambda folder: changed(folder, "config.json", "text_config", hidden_size="x"), "expected int, got str"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_one_line(damage: str, tmp_path: Path) -> None:
    folder = llava_folder(tmp_path)
    spoil, line = DAMAGES[damage]
    spoil(folder)
    with pytest.raises(GoldievalError, match=line) as caught:
        load_model(f"vlm:{folder}")
    assert str(folder) in one_line(str(caught.value))


def fewer_words(folder: Path) -> None:
    changed(folder, "config.json", "text_config", vocab_size=100)
    stored(
        folder,
        lambda tensors: tensors.update(
            {name: part[:100].clone() for name, part in tensors.items() if "embed_tokens" in name or "lm_head" in name}
        ),
    )


def no_spread(folder: Path) -> None:
    changed(folder, "processor_config.json", "image_processor", image_std=[0, 0, 0])


def other_patches(folder: Path) -> None:
    content = json.loads((folder / "processor_config.json").read_text())
    (folder / "processor_config.json").write_text(json.dumps(content | {"patch_size": 4}))


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (fewer_words, "the model knows 100"),
        (no_spread, "computes NaN in fp32 for the prompt 'What"),
        (other_patches, r"cannot answer \(ValueError: Image features .*do not fit"),
    ],
)
def test_a_model_that_cannot_compute_says_nothing_else(
    spoil: Callable[[Path], None], line: str, tmp_path: Path
) -> None:
    folder = llava_folder(tmp_path)
    spoil(folder)
    model = load_model(f"vlm:{folder}")
    with pytest.raises(TaskError, match=line):
        answers(model, pictures(2), QUESTIONS[:2])
