"""Every adapter on a GPU, as far as the pretend device shows it: the CPU's bits, and the host never waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pretend_device import Report, by_line, pretend_device
from tiny_fine_grained import betaclip_file, fgclip2_folder, fgclip_folder
from tiny_llava import llava_folder
from tiny_models import cosmos_file, flair_file, huggingface_folder, superclip_file

from goldieval import load_model
from goldieval.models.adapter import inference

pytestmark = pytest.mark.usefixtures("architectures")

TEXTS = ["a dog", "a photo of a large red circle left of two small blue squares", "étude 3", "dog " * 100]
FILES: dict[str, Callable[[Path], Path]] = {
    "flair": flair_file,
    "cosmos": cosmos_file,
    "superclip": superclip_file,
    "betaclip": betaclip_file,
    "fgclip": fgclip_folder,
    "fgclip2": fgclip2_folder,
    **{
        f"huggingface {kind}": lambda folder, kind=kind: huggingface_folder(folder, kind)
        for kind in ("clip", "siglip", "siglip2")
    },
}
# transformers waits in its own code, more in some versions than in others: for the size of each picture of NaFlex, and
# for whether a mask is full.
WAITS = dict.fromkeys(("huggingface siglip", "huggingface siglip2", "fgclip2"), "transformers")
NAMES = ["goldiclip", "open_clip:TINY", "open_clip:TINY-custom", "open_clip:TINY-attends-to-padding", "random"]
KINDS = [*NAMES, *FILES]


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return {
        **dict(zip(NAMES, NAMES, strict=True)),
        **{kind: f"{kind.split()[0]}@{make(folder)}" for kind, make in FILES.items()},
    }


def pixels_of(model: Any) -> torch.Tensor:
    noise = np.random.default_rng(0).integers(0, 255, (4, 40, 48, 3), dtype=np.uint8)
    return torch.stack([model.preprocess(Image.fromarray(picture)) for picture in noise])


def used(model: Any) -> dict[str, Any]:
    """What each member of an adapter returns for a few pictures and texts."""
    pixels, tokens = pixels_of(model), model.tokenize(TEXTS)
    tokens = model.trim(tokens) if hasattr(model, "trim") else tokens
    with inference(model):
        found = {"images": model.encode_image(pixels), "texts": model.encode_text(tokens)}
        if hasattr(model, "patch_tokens") and getattr(model, "pool", None) is not None:
            found["patches"] = model.patch_tokens(pixels)
        if hasattr(model, "dense"):
            windows = torch.linspace(-1, 1, 2 * 3 * 48 * 32).view(2, 3, 48, 32)
            own = ("plain", "value") if getattr(model, "family", "") == "fgclip2" else ("plain", "csa", "value")
            found |= {attention: model.dense(windows, attention) for attention in own}
    return found


def on_device(kind: str, spec: str, precision: str) -> tuple[dict[str, torch.Tensor], Report]:
    with pretend_device() as report:
        model = load_model(spec, device="cuda", precision=precision)
        report.clear()
        found = used(model)
        stalls = Counter({event: n for event, n in report.stalls.items() if event.package != WAITS.get(kind)})
        assert {each.device.type for each in found.values()} == {"cuda"}
        assert not stalls, by_line(stalls)
        assert not report.float64 and not report.unordered
        return {name: each.cpu() for name, each in found.items()}, report


@pytest.mark.parametrize("kind", KINDS)
def test_every_member_gives_the_bits_of_the_cpu_without_a_wait(kind: str, specs: dict[str, str]) -> None:
    found, _ = on_device(kind, specs[kind], "fp32")
    expected = used(load_model(specs[kind]))
    assert found.keys() == expected.keys()
    for name, each in found.items():
        # Interpolation of positions, for windows of other sizes, rounds by the layout of memory.
        tolerance = 5e-6 if name in ("plain", "csa", "value") else 0.0
        torch.testing.assert_close(each, expected[name], rtol=0, atol=tolerance, msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_lower_precision_attends_in_it_and_stays_near(kind: str, specs: dict[str, str]) -> None:
    found, report = on_device(kind, specs[kind], "bf16")
    assert {call.dtype for call in report.attention} <= {torch.bfloat16}
    for name, expected in used(load_model(specs[kind])).items():
        cosine = torch.nn.functional.cosine_similarity(found[name].float(), expected.float(), dim=-1)
        assert float(cosine.min()) > 0.99, name


def test_generated_answers_follow_the_precision_and_wait_a_few_times(specs: dict[str, str]) -> None:
    questions = ["what colour is the circle?", "how many squares are there?"] * 2
    waits = []
    with pretend_device() as report:
        for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
            model: Any = load_model("goldiclip", device="cuda", precision=precision)
            pixels = pixels_of(model)
            report.clear()
            with inference(model):
                answers = model.generate(pixels, questions)
            waits.append(sum(report.stalls.values()))
            assert {call.dtype for call in report.attention} == {dtype}
            assert len(answers) == 4 and all(answers)
            if precision == "fp32":
                cpu: Any = load_model("goldiclip")
                with inference(cpu):
                    assert answers == cpu.generate(pixels, questions)
    assert max(waits) <= 4, by_line(report.stalls)  # twelve tokens


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_answers_to_prompts_are_those_of_the_cpu_in_the_precision_of_the_weights(
    precision: str, tmp_path: Path
) -> None:
    folder = llava_folder(tmp_path)
    prompts = ["what colour is the circle?", "how many squares are there?"] * 2
    with pretend_device() as report:
        model: Any = load_model(f"vlm:{folder}", device="cuda", precision=precision)
        pixels = list(pixels_of(model))
        report.clear()
        with inference(model):
            answers = model.respond(pixels, prompts, 6)
        assert {call.dtype for call in report.attention} == {torch.float32 if precision == "fp32" else torch.bfloat16}
        stalls = Counter({event: n for event, n in report.stalls.items() if event.package != "transformers"})
        assert sum(stalls.values()) <= 2, by_line(stalls)  # answers, and whether all are of numbers
    cpu: Any = load_model(f"vlm:{folder}", precision=precision)
    with inference(cpu):
        assert answers == cpu.respond(pixels, prompts, 6)


def test_stores_of_two_gpus_are_not_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    on_cpu = load_model("random").describe()
    with pretend_device():
        model = load_model("random", device="cuda")
        infos = []
        for name in ("NVIDIA A100-SXM4-80GB", "Tesla T4"):
            monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_, name=name: name)
            infos.append(model.describe())
    infos.append(on_cpu)
    assert len({info.fingerprint for info in infos}) == 1
    assert len({info.image_identity for info in infos}) == len({info.text_identity for info in infos}) == 3
