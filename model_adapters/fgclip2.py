"""FG-CLIP 2's released weights: ``fgclip2:OWNER/REPO@REVISION``, ``fgclip2:FOLDER``, ``fgclip2:FOLDER@FILE``.

It is SigLIP 2 (NaFlex) with two more text heads: ``::text=short`` (64 tokens), ``::text=long`` (196) or ``::text=box``
(64, for descriptions of regions), and a head for dense features. Texts are in lower case, and an image has 128 to 1,024
patches, as its code chooses for its size. The code in the repository is not run.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from goldieval.core.declared_sizes import check_context, check_declared, check_outline
from goldieval.core.errors import GoldievalError
from goldieval.core.limits import RECORD_BYTES
from goldieval.core.offline import offline
from goldieval.core.reading import read_json
from goldieval.core.reads import notes_reads
from goldieval.models.adapter import LoadOptions, Model
from goldieval.models.spec import ModelSpec
from goldieval.models.spec_options import TRANSFORM, accepts_options, standard_options
from model_adapters.clip_names import stretched
from model_adapters.fgclip import KEPT, text_kind
from model_adapters.huggingface import quietly
from model_adapters.huggingface_files import (
    bytes_of_weights,
    check_folder,
    fetched_folder,
    informative_line,
    locate_model,
)
from model_adapters.huggingface_options import Applied, apply, set_positions
from model_adapters.no_code import json_pairs, no_code
from model_adapters.take import Source, take
from model_adapters.tensors import read
from model_adapters.undrawn import undrawn
from model_adapters.unwrap import find_model, without

SIZES = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "hidden_act", "layer_norm_eps")
TEXT_SIZES = (*SIZES, "vocab_size", "max_position_embeddings", "projection_size")
VISION_SIZES = (*SIZES, "num_patches", "patch_size", "num_channels")
LONG = 196  # tokens, if the config does not say
HEADS = {"long": "longtext_head", "box": "boxtext_head"}
CONSTANTS = ("position_ids", "logit_scale_finegraind", "logit_scale_hardneg")


@notes_reads
@accepts_options(*(name for name in TRANSFORM if name != "resize"), "tokenizer", "drop", "text")
def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Load a checkpoint in the layout of FG-CLIP 2's released code, of any size.

    Raises:
        GoldievalError: The folder, file or repository does not exist, its layout differs, or it has no tokenizer.
    """
    text = text_kind(spec, ("short", *HEADS))
    place, revision, weights = locate_model(spec)
    folder = Path(place) if Path(place).is_dir() else fetched_folder(place, revision, options)
    check_folder(folder, weights)
    try:
        with quietly(), no_code(), offline():
            from model_adapters.fgclip2_adapter import FgClip2, Patches, Processor
            from model_adapters.huggingface_adapter import wrapped
            from model_adapters.huggingface_inputs import TextInputs

            module, note = _module(folder, weights, spec)
            processor = Processor.of(folder, module.config)
            applied = apply(module, processor, standard_options(spec))
            if text != "short":
                applied = _exchanged(module, processor, text, applied)
            pictures = Patches(module, processor, applied.image)
            notes = [note, *applied.notes]
            return wrapped(module, pictures, TextInputs(module, processor), applied, spec, options, notes, FgClip2)
    except GoldievalError as error:
        raise GoldievalError(f"model {spec.text!r}: {error}") from error
    except Exception as error:  # from transformers and tokenizers
        raise GoldievalError(f"model {spec.text!r} cannot be loaded: {informative_line(error)}") from error


def _module(folder: Path, weights: Path | None, spec: ModelSpec) -> tuple[Any, str]:
    """Return the model with its weights, and what was taken and what was left."""
    import torch

    file = folder / "config.json"
    check_declared(json_pairs(file), file)
    config = read_json(file, RECORD_BYTES)
    towers = {side: config.get(f"{side}_config") for side in ("text", "vision")} if isinstance(config, dict) else {}
    if not towers or not all(isinstance(tower, dict) for tower in towers.values()):
        raise GoldievalError(f"{file} has no text_config and vision_config, as FG-CLIP 2 has.")
    with torch.device("meta"):
        check_outline(_empty(towers, file), bytes_of_weights(folder, weights), folder)
    with undrawn():
        module = _empty(towers, file)
    stored = read(weights or folder)
    found = without(find_model(stored, [{name: name for name in module.state_dict()}]), CONSTANTS)
    if not any(name.startswith("dense_feature_head.") for name in found.state):
        raise GoldievalError(
            f"{stored.file} is not an FG-CLIP 2 checkpoint: it has no dense_feature_head. "
            "If it is a SigLIP 2 of transformers, write huggingface:FOLDER."
        )
    source = Source(stored.file, found, standard_options(spec).drop)
    return module, take(module, found.state | found.extra, source, "FG-CLIP 2 with the sizes of its config.json")


def _empty(towers: dict[str, Any], file: Path) -> Any:
    """Return transformers' SigLIP 2 with the further parts of FG-CLIP 2 under their names in its state dict."""
    from torch import nn
    from transformers import Siglip2Config, Siglip2Model
    from transformers.models.siglip2.modeling_siglip2 import Siglip2MultiheadAttentionPoolingHead

    text, vision = towers["text"], towers["vision"]
    config = Siglip2Config(
        text_config={name: text[name] for name in TEXT_SIZES if name in text},
        vision_config={name: vision[name] for name in VISION_SIZES if name in vision},
    )
    module: Any = Siglip2Model(config)
    width, tokens = config.text_config.hidden_size, int(text.get("longtext_len", LONG))
    check_context(tokens, file)
    module.dense_feature_head = Siglip2MultiheadAttentionPoolingHead(config.vision_config)
    for name in HEADS.values():
        module.add_module(name, nn.Linear(width, width))
    for kind in ("res", "ori"):
        module.text_model.embeddings.add_module(f"position_embedding_{kind}", nn.Embedding(tokens, width))
    return module


def _exchanged(module: Any, processor: Any, text: str, applied: Applied) -> Applied:
    """Exchange the head, and for long texts the positions, of the text tower."""
    from goldieval.models.torch_adapter import module_fingerprint

    base = module_fingerprint(module)
    module.text_model.head = getattr(module, HEADS[text])
    if text == "long":
        embeddings = module.text_model.embeddings
        tables = (embeddings.position_embedding_ori.weight, embeddings.position_embedding_res.weight)
        set_positions(module, processor, stretched(*tables, KEPT).detach())
    changed = replace(applied.alterations, text=(f"text={text}",), base=base, loaded=module_fingerprint(module))
    return replace(applied, alterations=changed, notes=(*applied.notes, f"text={text}"))
