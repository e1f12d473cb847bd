"""What decides the answers of a model, as its description."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import torch

from goldieval.core.environment import device_identity
from goldieval.models.adapter import ModelInfo
from model_adapters.vlm_inputs import PromptInputs

# Keys that say how and by which version a folder was saved, not what the model is.
VOLATILE = frozenset(
    {
        "_name_or_path",
        "architectures",
        "attn_implementation",
        "chat_template",
        "device",
        "dtype",
        "image_processor_type",
        "name_or_path",
        "processor_class",
        "torch_dtype",
        "transformers_version",
    }
)
PACKAGES = ("torch", "transformers", "tokenizers", "pillow", "torchvision")
PROBES = ("A photo of 3 dogs, two cats & one étude!", "don't UPPER-case   it…\n犬 🐕 ß", "word " * 30)


@dataclass(frozen=True)
class Identity:
    """Describes a loaded model.

    Attributes:
        spec: Its spec.
        family: Family of the spec.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        processor: Its processor.
        generation: What generation keeps of the model's own config, by name.
        options: Options of the spec, by name.
        checkpoint: Notes for plan and record.
    """

    spec: str
    family: str
    precision: str
    processor: Any
    generation: Mapping[str, Any]
    options: Mapping[str, str] = field(default_factory=dict)
    checkpoint: str = ""

    def describe(self, module: torch.nn.Module, inputs: PromptInputs) -> ModelInfo:
        """Return the description of the model as it is now."""
        text_config: Any = module.config.get_text_config()  # type: ignore[operator, union-attr]
        form = inputs.form
        ids = [inputs.tokenized(probe) for probe in PROBES]
        pictures = _settled(getattr(self.processor.image_processor, "to_dict", dict)())
        config = _settled(module.config.to_diff_dict())  # type: ignore[operator, union-attr]
        parts = [config, pictures, [form.before, form.after, form.strips], dict(self.generation), ids]
        fingerprint = _digest(weights_fingerprint(module), json.dumps(parts, sort_keys=True, default=str))
        versions = ",".join(f"{package}={version(package)}" for package in PACKAGES)
        device = device_identity(str(next(module.parameters()).device))
        setting = f"{fingerprint}/{self.precision}/{device}/{versions}"
        return ModelInfo(
            spec=self.spec,
            family=self.family,
            fingerprint=fingerprint,
            image_identity=_digest("image", setting),
            text_identity=_digest("text", setting),
            resolution=_width(self.processor.image_processor),
            parameters=sum(parameter.numel() for parameter in module.parameters()),
            context_length=int(getattr(text_config, "max_position_embeddings", None) or 0),
            precision=self.precision,
            checkpoint=self.checkpoint,
            options=dict(self.options),
        )


def weights_fingerprint(module: torch.nn.Module) -> str:
    """Return the SHA-256 of the architecture and of every tensor in float32.

    Weights that are stored in half precision are the same weights when they are loaded in full precision; rounded ones
    are others.
    """
    total = hashlib.sha256(f"{type(module).__qualname__}\n{module!r}".encode())
    for name, tensor in sorted(module.state_dict().items()):
        values = tensor.detach().cpu()
        values = values.float() if values.is_floating_point() else values
        total.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        total.update(values.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def _width(pictures: Any) -> int:
    """Return the width in pixels to which an image processor brings every image; 0 if it depends on the image."""
    sizes = [getattr(pictures, "crop_size", None) if getattr(pictures, "do_center_crop", False) else None]
    sizes.append(getattr(pictures, "size", None))
    widths = [width for size in sizes if size is not None and (width := _entry(size, "width"))]
    return int(widths[0]) if widths else 0


def _entry(size: Any, name: str) -> Any:
    """Return an entry of a size, which is a mapping or, in newer versions of transformers, an object."""
    return size.get(name) if isinstance(size, Mapping) else getattr(size, name, None)


def _settled(content: Any) -> Any:
    """Return a config without the keys that only say how it was saved, and without values that are not set."""
    if isinstance(content, Mapping):
        kept = {str(name): _settled(value) for name, value in content.items() if name not in VOLATILE}
        return {name: value for name, value in kept.items() if value is not None and not name.startswith("_")}
    if isinstance(content, list | tuple):
        return [_settled(each) for each in content]
    return content if isinstance(content, str | int | float | bool) or content is None else str(content)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
