"""Dual encoders of the transformers library: ``huggingface:OWNER/REPO@REVISION``, or ``huggingface:FOLDER`` on disk.

CLIP, SigLIP, SigLIP 2 and other models with image and text features, each with its own processor: image transform,
text normalisation, padding and masks are the model's. Only safetensors are read, and no code of a repository is run:
a repository that refers to code is refused, without a prompt, before transformers sees it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.core.declared_sizes import check_outline
from goldieval.core.errors import GoldievalError
from goldieval.core.offline import offline
from goldieval.models.adapter import LoadOptions, Model, ModelInfo
from goldieval.models.spec import ModelSpec
from model_adapters.fill import check_finite
from model_adapters.huggingface_files import check_folder, fetched_folder, informative_line, locate_model
from model_adapters.huggingface_inputs import ImageInputs, TextInputs
from model_adapters.no_code import check_no_code, no_code

if TYPE_CHECKING:
    import torch


def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Load a model, its tokenizer and its image processor.

    Raises:
        GoldievalError: The folder or repository does not exist; weights are pickled, damaged or do not match their
            config; the model is not a dual encoder or requires code; or files are missing under ``--offline``.
    """
    from transformers import AutoConfig, AutoModel, AutoProcessor

    place, revision = locate_model(spec)
    folder = Path(place) if Path(place).is_dir() else fetched_folder(place, revision, options)
    check_folder(folder)
    check_no_code(folder)
    how = {"local_files_only": True, "trust_remote_code": False}
    try:
        with _quietly(), no_code(), offline():  # all files are local; any other reference is to another model
            import torch

            with torch.device("meta"):
                outline = AutoModel.from_config(AutoConfig.from_pretrained(folder, **how), trust_remote_code=False)
            check_outline(outline, sum(file.stat().st_size for file in folder.glob("*.safetensors")), folder)
            processor = AutoProcessor.from_pretrained(folder, **how)
            module, report = AutoModel.from_pretrained(
                folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **how
            )
    except GoldievalError as error:
        raise GoldievalError(f"model {spec.text!r}: {error}") from error
    except Exception as error:  # transformers raises many types
        raise GoldievalError(f"model {spec.text!r} cannot be loaded: {informative_line(error)}") from error
    if lacking := sorted(report["missing_keys"]):
        raise GoldievalError(f"model {spec.text!r}: {len(lacking)} weights are missing, for example {lacking[0]}.")
    _check_tensors(folder, module, report["unexpected_keys"], spec.text)
    for part in ("get_image_features", "get_text_features"):
        if not hasattr(module, part):
            kind = type(module).__name__
            raise GoldievalError(f"model {spec.text!r}: {kind} is not a dual encoder, it lacks {part}.")
    for part in ("tokenizer", "image_processor"):
        if not hasattr(processor, part):
            raise GoldievalError(f"model {spec.text!r}: its processor ({type(processor).__name__}) has no {part}.")
    check_finite(module.state_dict(), folder)
    return _adapter(module.to(options.device).eval(), processor, spec.text, options)


def _check_tensors(folder: Path, module: Any, more: Collection[str], name: str) -> None:
    """Refuse tensors that transformers would silently drop or cast, such as adapters and integers.

    Raises:
        GoldievalError: There is such a tensor; names the first.
    """
    from safetensors import safe_open

    own = module.state_dict()
    parts = {key.partition(".")[0] for key in own}
    mixed = sorted(key for key in more if key.partition(".")[0] in parts and not key.endswith("position_ids"))
    if mixed:
        raise GoldievalError(
            f"model {name!r}: {len(mixed):,} unexpected tensors, for example {mixed[0]}. Merge adapters first."
        )
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(str(file), framework="pt") as content:
            kinds = {key: content.get_slice(key).get_dtype() for key in content.keys() if key in own}  # noqa: SIM118
        whole = [key for key, kind in kinds.items() if own[key].is_floating_point() and kind[0] not in "FB"]
        if whole:
            raise GoldievalError(
                f"model {name!r}: {whole[0]} is {kinds[whole[0]]}, not floating point. "
                "Quantised weights are not supported."
            )


def _adapter(module: Any, processor: Any, spec: str, options: LoadOptions) -> Model:

    from goldieval.models.torch_adapter import TorchAdapter

    class HuggingFace(TorchAdapter):
        """Calls the model's own feature methods with the output of its processor."""

        def describe(self) -> ModelInfo:
            info = super().describe()
            return replace(
                info,
                image_identity=_with_version(info.image_identity),
                text_identity=_with_version(info.text_identity),
                resolution=info.resolution if pictures.plain else 0,
            )

        def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
            with self._autocast():
                return _features(module.get_image_features(**pictures.unpack(pixels.to(self.device))))

        def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
            with self._autocast():
                return _features(module.get_text_features(**texts.unpack(tokens.to(self.device))))

    pictures, texts = ImageInputs(module, processor), TextInputs(module, processor)
    return HuggingFace(
        module, pictures, texts, spec=spec, family="huggingface", precision=options.precision, trims=texts.causal
    )


def _features(made: Any) -> torch.Tensor:
    """Return the projected features, which newer versions of transformers wrap together with all token states."""
    features: torch.Tensor = getattr(made, "pooler_output", made)
    return features


def _with_version(identity: str) -> str:
    return hashlib.sha256(f"{identity}/transformers={version('transformers')}".encode()).hexdigest()


@contextmanager
def _quietly() -> Iterator[None]:
    """Suppress transformers' reports on standard error about problems that are checked here."""
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
