"""Dual encoders of the transformers library: ``huggingface:OWNER/REPO@REVISION``, or ``huggingface:FOLDER`` on disk.

CLIP, SigLIP, SigLIP 2 and other models with image and text features, each with its own processor: image transform,
text normalisation, padding and masks are the model's. Only safetensors are read, and no code of a repository is run:
a repository that refers to code is refused, without a prompt, before transformers sees it.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.core.declared_sizes import check_outline
from goldieval.core.errors import GoldievalError, first_line
from goldieval.core.limits import RECORD_BYTES
from goldieval.core.offline import is_offline, offline
from goldieval.core.reading import read_json
from goldieval.models.adapter import LoadOptions, Model, ModelInfo
from goldieval.models.spec import ModelSpec
from model_adapters.fill import check_finite
from model_adapters.no_code import check_no_code, no_code

if TYPE_CHECKING:
    import torch
    from PIL import Image

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
WANTED = ["*.json", "*.txt", "*.model", "model.safetensors", "model-*.safetensors"]  # neither Python nor pickles


def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Load a model, its tokenizer and its image processor.

    Raises:
        GoldievalError: The folder or repository does not exist; weights are pickled, damaged or do not match their
            config; the model is not a dual encoder or requires code; or files are missing under ``--offline``.
    """
    from transformers import AutoConfig, AutoModel, AutoProcessor

    place, revision = _place(spec)
    folder = Path(place) if Path(place).is_dir() else _fetched(place, revision, options)
    _check_folder(folder)
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
        raise GoldievalError(f"model {spec.text!r} cannot be loaded: {_line(error)}") from error
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


class ImageInputs:
    """The image part of a processor, with one tensor per image.

    Most processors return such a tensor; SigLIP 2's NaFlex returns patches, a mask and a shape, which are concatenated
    to one row of numbers here and separated again before the tower.
    """

    def __init__(self, module: Any, processor: Any) -> None:
        from PIL import Image

        self._processor = processor
        self._taken = set(inspect.signature(module.get_image_features).parameters)
        parts = self._parts(Image.new("RGB", (64, 48)))
        self._like = {name: (part.shape, part.dtype) for name, part in parts.items()}

    @property
    def plain(self) -> bool:
        return list(self._like) == ["pixel_values"]

    def __call__(self, image: Image.Image) -> torch.Tensor:
        import torch

        parts = self._parts(image)
        if self.plain:
            return parts["pixel_values"]
        return torch.cat([part.float().flatten() for part in parts.values()])

    def unpack(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the arguments of the tower for a batch."""
        import torch

        if self.plain:
            return {"pixel_values": pixels}
        sizes = [shape.numel() for shape, _ in self._like.values()]
        parts = zip(self._like.items(), torch.split(pixels, sizes, dim=1), strict=True)
        return {name: part.view(len(part), *shape).to(dtype) for (name, (shape, dtype)), part in parts}

    def _parts(self, image: Image.Image) -> dict[str, torch.Tensor]:
        made = self._processor(images=image, return_tensors="pt")
        return {name: part[0] for name, part in made.items() if name in self._taken}


class TextInputs:
    """The text part of a processor: token ids (texts, context), padded to the model's context length.

    Ids that are masked out are stored as -1 - id, so that ids and mask are one tensor. CLIP's tower is causal: there,
    ids after the end token have no effect, are set to 0, and may be truncated.
    """

    def __init__(self, module: Any, processor: Any) -> None:
        self._processor = processor
        config = getattr(module.config, "text_config", module.config)
        longest = getattr(config, "max_position_embeddings", None) or processor.tokenizer.model_max_length
        self.context_length = int(min(longest, processor.tokenizer.model_max_length))
        self.causal = config.model_type == "clip_text_model"
        self._masked = False

    def __call__(self, texts: list[str]) -> torch.Tensor:
        made = self._processor(
            text=texts, return_tensors="pt", padding="max_length", truncation=True, max_length=self.context_length
        )
        ids: torch.Tensor = made["input_ids"]
        if "attention_mask" not in made:
            return ids
        self._masked, left_out = True, made["attention_mask"] == 0
        return ids.masked_fill(left_out, 0) if self.causal else ids.where(~left_out, -1 - ids)

    def unpack(self, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the arguments of the tower for a batch."""
        ids = tokens.where(tokens >= 0, -1 - tokens)
        return {"input_ids": ids, "attention_mask": (tokens >= 0).long()} if self._masks else {"input_ids": ids}

    @property
    def _masks(self) -> bool:
        if not self._masked and not self.causal:
            self(["a"])  # with stored token ids, this tokenizer may not have been called yet
        return self._masked and not self.causal


def _features(made: Any) -> torch.Tensor:
    """Return the projected features, which newer versions of transformers wrap together with all token states."""
    features: torch.Tensor = getattr(made, "pooler_output", made)
    return features


def _place(spec: ModelSpec) -> tuple[str, str]:
    """Return folder or repository, and revision. Raises GoldievalError for neither, or a folder that does not exist."""
    name, revision = (spec.name, spec.where or "main") if spec.name else (spec.where, "main")
    expanded = str(Path(name).expanduser())
    if not name or (not Path(expanded).is_dir() and (not spec.name or name.count("/") != 1 or name[0] in "./~")):
        raise GoldievalError(
            f"model {spec.text!r}: no folder {name or '(none named)'}. Write {spec.family}:OWNER/REPO or a folder."
        )
    return (expanded, "main") if Path(expanded).is_dir() else (name, revision)


def _check_folder(folder: Path) -> None:
    """Raise GoldievalError for a folder without a config, or with only pickled weights."""
    if not (folder / "config.json").is_file():
        raise GoldievalError(f"{folder} holds no config.json: it is not a model of transformers.")
    if not any((folder / name).is_file() for name in WEIGHTS):
        pickled = next(iter(sorted(folder.glob("*.bin"))), None)
        why = f"{pickled.name} is pickled and is not loaded" if pickled else "there is no model.safetensors"
        raise GoldievalError(f"{folder}: {why}. Save it again with model.save_pretrained(FOLDER).")
    for index in folder.glob("*.index.json"):
        _check_index(index)


def _check_index(index: Path) -> None:
    """Raise GoldievalError for an index that refers to files elsewhere, or not to safetensors."""
    try:
        names = set(read_json(index, RECORD_BYTES)["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GoldievalError(f"{index} is not an index of weights: {first_line(error)}") from error
    invalid = [str(name) for name in names if not re.fullmatch(r"[^/\\\0]+\.safetensors", str(name))]
    if invalid:
        raise GoldievalError(f"{index} names {min(invalid)[:80]!r}, which is not a safetensors file beside it.")


def _fetched(repository: str, revision: str, options: LoadOptions) -> Path:
    """Return the folder of a repository in the Hub's cache, downloaded if necessary: weights, JSON and vocabularies.

    Raises:
        GoldievalError: It is not cached and network access is forbidden, or the download failed.
    """
    from huggingface_hub import hf_hub_url, snapshot_download, try_to_load_from_cache

    from goldieval.data.remote import first_there

    cached = any(isinstance(try_to_load_from_cache(repository, name, revision=revision), str) for name in WEIGHTS)
    if not cached:
        addresses = [hf_hub_url(repository, name, revision=revision) for name in WEIGHTS]
        if is_offline():
            raise GoldievalError(f"{repository} is not on this machine and --offline is set ({addresses[0]}).")
        place, size = first_there(addresses)
        options.announce(f"fetching {repository}: {size / 1e6:,.0f} MB from {place}")
    try:
        return Path(
            snapshot_download(
                repository,
                revision=revision,
                allow_patterns=WANTED,
                ignore_patterns=["*/*"],
                local_files_only=is_offline(),
            )
        )
    except Exception as error:  # from the Hub library and the HTTP library that it uses
        raise GoldievalError(f"cannot fetch {repository}: {_line(error)}") from error


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


def _line(error: BaseException) -> str:
    """Return the first informative line; messages of transformers have many lines."""
    lines = (line.strip() for line in str(error).splitlines())
    return f"{type(error).__name__}: {next((line for line in lines if len(line) > 10), '')}"[:300]
