"""Models of transformers that answer prompts about pictures: ``vlm:OWNER/REPO@REVISION``, or ``vlm:FOLDER`` on disk.

LLaVA-1.5 and whatever else ``AutoModelForImageTextToText`` loads, each with its own processor and chat template:
``::template=vicuna`` passes prompts as LLaVA's own evaluation does, ``::template=none`` picture and prompt alone.
Answers are greedy. ``vlm:MODEL@FILE`` reads other weights of that model. No code of a folder or repository is run; its
chat template is rendered once, within limits of memory and time.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from packaging.version import Version

from goldieval.core.declared_sizes import check_outline
from goldieval.core.errors import GoldievalError
from goldieval.core.offline import offline
from goldieval.core.reads import notes_reads
from goldieval.models.adapter import LoadOptions, Model
from goldieval.models.spec import ModelSpec
from goldieval.models.spec_options import accepts_options, standard_options
from model_adapters.fill import check_finite
from model_adapters.huggingface import quietly
from model_adapters.huggingface_files import (
    bytes_of_weights,
    check_folder,
    fetched_folder,
    informative_line,
    locate_model,
)
from model_adapters.huggingface_weights import from_file, from_folder
from model_adapters.no_code import check_no_code, no_code
from model_adapters.vlm_files import check_processor_files
from model_adapters.vlm_layout import STORED_NAMES
from model_adapters.vlm_prompts import FORMS, prompt_form

KIND = "AutoModelForImageTextToText"
LEAST = "5.0"  # release of transformers; line 4 reads the rows of pictures that are 1 or 3 pixels high as channels
DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


@notes_reads
@accepts_options("template", "drop")
def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Load a model and its processor.

    Raises:
        GoldievalError: The folder or repository does not exist; transformers is too old; weights are pickled,
            quantised, damaged or do not match their config; the model does not answer prompts about pictures, or
            requires code; its chat template is unusable; or files are missing under ``--offline``.
    """
    requested = _template(spec)
    drop = standard_options(spec).drop
    place, revision, weights = locate_model(spec)
    _check_release(spec)
    folder = Path(place) if Path(place).is_dir() else fetched_folder(place, revision, options)
    check_folder(folder, weights)
    check_no_code(folder)
    check_processor_files(folder)
    how = {"local_files_only": True, "trust_remote_code": False}
    try:
        with quietly(), no_code(), offline():
            import torch
            import transformers

            config = transformers.AutoConfig.from_pretrained(folder, **how)
            _check_config(config)
            with torch.device("meta"):
                outline = transformers.AutoModelForImageTextToText.from_config(config, trust_remote_code=False)
            check_outline(outline, bytes_of_weights(folder, weights), folder)
            processor = transformers.AutoProcessor.from_pretrained(folder, **how)
            _check_processor(processor)
            form = prompt_form(processor, requested, config.model_type)
            if weights:
                module, note = from_file(config, weights, drop, KIND, DTYPES[options.precision], STORED_NAMES)
            else:
                module, note = from_folder(folder, None, drop, KIND, DTYPES[options.precision])
            check_finite(module.state_dict(), folder)
            return _wrapped(module, processor, form, spec, options, note)
    except GoldievalError as error:
        raise GoldievalError(f"model {spec.text!r}: {error}") from error
    except Exception as error:  # transformers raises many types
        raise GoldievalError(f"model {spec.text!r} cannot be loaded: {informative_line(error)}") from error


def _check_release(spec: ModelSpec) -> None:
    """Raise GoldievalError if the installed transformers is too old."""
    installed = version("transformers")
    if Version(installed) < Version(LEAST):
        raise GoldievalError(
            f"model {spec.text!r}: vlm needs transformers {LEAST} or later, and {installed} is installed: "
            f'pip install -U "transformers>={LEAST}"'
        )


def _template(spec: ModelSpec) -> str | None:
    """Return the value of the option ``template``. Raises GoldievalError for one that does not exist."""
    value = spec.options.get("template")
    if value is not None and value not in FORMS:
        allowed = f"{', '.join(FORMS[:-1])} or {FORMS[-1]}"
        raise GoldievalError(f"model {spec.text!r}: template={value} is not possible: template is {allowed}.")
    return value


def _check_config(config: Any) -> None:
    """Raise GoldievalError for a model that is not one of transformers' for pictures and text, or is quantised."""
    from transformers import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    if hasattr(config, "mm_vision_tower") or hasattr(config, "mm_hidden_size"):
        raise GoldievalError(
            "these are weights in LLaVA's own layout (mm_vision_tower in config.json). Convert them first with "
            "convert_llava_weights_to_hf.py of transformers' repository."
        )
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise GoldievalError(
            f"a model of type {config.model_type!r} does not answer prompts about pictures: transformers has no "
            f"{KIND} for it."
        )
    if getattr(config, "quantization_config", None):
        raise GoldievalError("its weights are quantised (quantization_config), which is not supported.")


def _check_processor(processor: Any) -> None:
    for part in ("tokenizer", "image_processor"):
        if not hasattr(processor, part):
            raise GoldievalError(f"its processor ({type(processor).__name__}) has no {part}: save both in the folder.")


def _wrapped(module: Any, processor: Any, form: Any, spec: ModelSpec, options: LoadOptions, note: str) -> Model:
    """Return the adapter of a loaded model; its generation config is replaced by a greedy one."""
    from model_adapters.vlm_adapter import PromptedModel
    from model_adapters.vlm_generation import make_greedy
    from model_adapters.vlm_identity import Identity
    from model_adapters.vlm_inputs import PromptInputs
    from model_adapters.vlm_layout import complete

    filled = complete(processor, module)
    generation, left_out = make_greedy(module, processor.tokenizer)
    greedy = "greedy answers" + (f", without the config's {', '.join(left_out)}" if left_out else "")
    prompts = {"own": "its own chat template", "vicuna": "prompts as in LLaVA's evaluation", "none": "prompts alone"}
    notes = [note, prompts[form.name], greedy, *filled]
    identity = Identity(
        spec=spec.text,
        family=spec.family,
        precision=options.precision,
        processor=processor,
        generation=generation,
        options=dict(sorted(spec.options.items())),
        checkpoint="; ".join(notes),
    )
    inputs = PromptInputs(processor, form, module)
    return PromptedModel(module.to(options.device).eval(), inputs, identity, options.precision)
