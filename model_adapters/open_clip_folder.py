"""open_clip models with a config of their own: a repository on the Hub, or a folder as open_clip saves it.

CLIPS, OpenVision, CLIC and others are published like this: ``open_clip_config.json``, weights, and a tokenizer if it is
not CLIP's.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from goldieval.core.declared_sizes import check_outline
from goldieval.core.errors import GoldievalError, first_line
from goldieval.core.limits import RECORD_BYTES
from goldieval.core.offline import offline
from goldieval.core.reading import read_json
from goldieval.core.reads import note_read, note_tree
from goldieval.models.adapter import LoadOptions, Model
from goldieval.models.spec import ModelSpec
from goldieval.models.spec_options import standard_options
from model_adapters.huggingface_files import bytes_of_weights, fetched_folder
from model_adapters.no_code import check_no_code, no_code
from model_adapters.open_clip_build import build_model
from model_adapters.open_clip_files import Built, with_weights
from model_adapters.open_clip_sizes import Sizes
from model_adapters.spec_tokenizer import TOKENIZER_FILES, is_empty
from model_adapters.with_options import PlainModel, with_options

HUB, LOCAL = "hf-hub:", "local-dir:"  # open_clip's own prefixes
CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
TRANSFORM_KEYS = ("mean", "std", "interpolation", "resize_mode")
CLIPS_TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id", "cls_token_id")


def open_clip_folder(spec: ModelSpec, options: LoadOptions) -> Path | None:
    """Return the folder that a spec names, downloaded if necessary; None if it names an architecture.

    Raises:
        GoldievalError: The folder does not exist, or the repository cannot be fetched.
    """
    if spec.name.startswith(HUB):
        repository = spec.name.removeprefix(HUB)
        if repository.count("/") != 1:
            raise GoldievalError(f"model {spec.text!r}: write open_clip:{HUB}OWNER/REPO.")
        return fetched_folder(repository, spec.where or "main", options, WEIGHTS)
    folder = Path(spec.name.removeprefix(LOCAL)).expanduser()
    note_read(folder)
    if spec.name.startswith(LOCAL) and not folder.is_dir():
        raise GoldievalError(f"model {spec.text!r}: no folder {folder}.")
    return folder if spec.name and folder.is_dir() else None


def load_folder(folder: Path, spec: ModelSpec, options: LoadOptions) -> Model:
    """Load the model of a folder, or other weights of it: ``open_clip:FOLDER@FILE``.

    Raises:
        GoldievalError: Config, weights or tokenizer are missing, do not fit, or require code.
    """
    note_tree(folder)
    config = _config(folder, spec)
    weights = Path(spec.where) if spec.where and not spec.name.startswith(HUB) else None
    build = partial(build_model, f"{LOCAL}{folder}", "hf_model_name" in config["model_cfg"]["text_cfg"])
    try:
        with no_code(), offline():  # what the config refers to elsewhere is not fetched
            check_outline(build(Sizes(), device="meta"), bytes_of_weights(folder, weights), folder)
            made = with_weights(build(Sizes()), build, weights or folder, str(folder), standard_options(spec).drop)
    except GoldievalError as error:
        raise GoldievalError(f"model {spec.text!r}: {error}") from error
    except Exception as error:  # from open_clip, timm and transformers
        raise GoldievalError(
            f"model {spec.text!r}: {folder / CONFIG} describes no model that open_clip builds: "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error
    return with_options(_plain(made, build, config, folder), spec, options, family="open_clip")


def _config(folder: Path, spec: ModelSpec) -> dict[str, Any]:
    """Return the config of a folder, which must refer to no code and declare no absurd sizes."""
    file = folder / CONFIG
    if not file.is_file():
        raise GoldievalError(
            f"model {spec.text!r}: {folder} has no {CONFIG}. If its architecture has a name, write "
            f"open_clip:ARCHITECTURE@{folder}; if it is a model of transformers, huggingface:{folder}."
        )
    check_no_code(folder)
    content = read_json(file, RECORD_BYTES)
    model = content.get("model_cfg") if isinstance(content, dict) else None
    if not isinstance(model, dict) or not all(isinstance(model.get(side), dict) for side in ("text_cfg", "vision_cfg")):
        raise GoldievalError(f"{file} has no model_cfg with text_cfg and vision_cfg, as open_clip writes it.")
    preprocess = content.get("preprocess_cfg")
    return {"model_cfg": model, "preprocess_cfg": preprocess if isinstance(preprocess, dict) else {}}


def _plain(made: Built, build: Any, config: dict[str, Any], folder: Path) -> PlainModel:
    text = config["model_cfg"]["text_cfg"]
    settings = dict(text.get("tokenizer_kwargs") or {})
    if mode := text.get("tokenizer_mode"):
        settings["tokenizer_mode"] = mode

    def sized(sizes: Sizes) -> Any:
        own = made.sizes
        return build(Sizes(sizes.image or own.image, sizes.context or own.context, sizes.quick_gelu))

    def tokenizer(context: int | None) -> Any:
        length = context or made.sizes.context or made.module.context_length
        return _tokenizer(folder, text.get("hf_tokenizer_name", ""), length, settings)

    about = {name: config["preprocess_cfg"].get(name) for name in TRANSFORM_KEYS}
    return PlainModel(made.module, sized, tokenizer, about, made.notes, settings)


def _tokenizer(folder: Path, name: str, context: int, settings: dict[str, Any]) -> Any:
    """Return CLIP's tokenizer, or that of the folder, or the one on the Hub that the config names.

    Raises:
        GoldievalError: It cannot be loaded, or has not the tokens that its mode needs.
    """
    from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

    from goldieval.data.remote import note_pretrained

    if not name:
        return SimpleTokenizer(context_length=context, **settings)
    here = any((folder / file).is_file() for file in TOKENIZER_FILES)
    if not here:
        note_pretrained(name)
    try:
        with no_code(), offline(here):
            made = HFTokenizer(str(folder) if here else name, context_length=context, **settings)
    except Exception as error:  # from transformers, the Hub library and the HTTP library that it uses
        raise GoldievalError(
            f"the tokenizer of {folder}, {name}, cannot be loaded: {first_line(error)} Put its files into the folder, "
            "or name another: ::tokenizer=FOLDER."
        ) from error
    lacking = [each for each in CLIPS_TOKENS if getattr(made.tokenizer, each, None) is None]
    if is_empty(made.tokenizer) or (made.tokenizer_mode == "clips" and lacking):
        raise GoldievalError(
            f"the tokenizer of {folder} has no {lacking[0] if lacking else 'tokens but special ones'}."
        )
    return made
