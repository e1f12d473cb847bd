"""FG-CLIP's released weights: ``fgclip:OWNER/REPO@REVISION``, ``fgclip:FOLDER``, ``fgclip@FILE``.

It is OpenAI's CLIP with a second table of positions and a second projection for long texts: ``::text=short`` (77
tokens) or ``::text=long`` (248). Images are squashed to the model's size. The code in the repository is not run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, listing
from goldieval.core.reads import notes_reads
from goldieval.models.adapter import LoadOptions, Model
from goldieval.models.spec import ModelSpec
from goldieval.models.spec_options import accepts_options, standard_options
from model_adapters.clip_names import TRANSFORMERS, renamed, stretched
from model_adapters.huggingface_files import weights_of_spec
from model_adapters.layout import adapter, clip_of, only_model
from model_adapters.layout_sizes import State
from model_adapters.tensors import TensorFile, read
from model_adapters.with_options import OPTIONS

FIRST = "vision_model.embeddings.patch_embedding.weight"
TABLE = "text_model.embeddings.position_embedding"
KEPT = 20  # positions that stretching leaves unchanged
ACTIVATION, EPSILON = "quick_gelu", 1e-5  # of the towers and their LayerNorms
TRAINING = ("logit_scale_finegraind", "logit_scale_hardneg")


@notes_reads
@accepts_options(*(name for name in OPTIONS if name != "context"), "drop", "text")
def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Load a checkpoint in the layout of FG-CLIP's released code, of any size.

    Raises:
        GoldievalError: The folder, file or repository does not exist, or its layout differs.
    """
    from goldieval.models.torch_adapter import module_fingerprint

    text = text_kind(spec, ("short", "long"))
    stored = read(weights_of_spec(spec, options))
    state, source = only_model(stored, spec, first=FIRST)
    stored = replace(stored, config=sizes_in(stored.config, stored.file))
    short, long = states_of(state, stored)
    clip = clip_of(short, stored, source)
    if text == "long":
        base = module_fingerprint(clip.module)
        clip = replace(clip_of(long, stored, source), text="text=long", base=base)
    return adapter(replace(clip, transform={"resize_mode": "squash"}), spec, options)


def text_kind(spec: ModelSpec, kinds: Sequence[str]) -> str:
    """Return the value of the option ``text``, or the first kind.

    Raises:
        GoldievalError: The family does not have this kind of texts.
    """
    text = standard_options(spec).text or kinds[0]
    if text not in kinds:
        raise GoldievalError(f"model {spec.text!r}: {spec.family} has text={' or '.join(kinds)}.")
    return text


def states_of(state: State, stored: TensorFile) -> tuple[State, State]:
    """Return the tensors of the model for short texts, and of that for long ones, by the names of CLIP.

    Raises:
        GoldievalError: The tensors for long texts are missing.
    """
    own = {name: tensor for name, tensor in state.items() if name not in TRAINING}
    try:
        kept, rest = (own.pop(f"{TABLE}_{kind}.weight") for kind in ("ori", "res"))
        projections = [own.pop(f"{name}.weight") for name in ("text_projection", "text_filip_projection")]
        own["visual.proj"] = own.pop("visual_projection.weight").T.contiguous()
    except KeyError as error:
        raise GoldievalError(
            f"{stored.file} is not an FG-CLIP checkpoint: it has no {error.args[0]}. "
            "If it is a CLIP of transformers, write huggingface:FOLDER."
        ) from error
    clip = renamed(own, TRANSFORMERS, stored.file)
    short, long = (clip | {"text_projection": projection.T.contiguous()} for projection in projections)
    return short, long | {"positional_embedding": stretched(kept, rest, KEPT)}


def sizes_in(config: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return the numbers of heads from a config of transformers in the form of ``layout_sizes``.

    Raises:
        GoldievalError: Activation or LayerNorm are not those of OpenAI's CLIP, which all FG-CLIP are made from.
    """
    towers = {side: config.get(f"{side}_config") for side in ("vision", "text")}
    known = {side: tower for side, tower in towers.items() if isinstance(tower, dict)}
    heads = {f"{side}_heads": tower.get("num_attention_heads") for side, tower in known.items()}
    kinds = {
        f"{tower.get('hidden_act', ACTIVATION)} {tower.get('layer_norm_eps', EPSILON)}" for tower in known.values()
    }
    if others := kinds - {f"{ACTIVATION} {EPSILON}"}:
        raise GoldievalError(f"{file}: CLIP has {ACTIVATION} {EPSILON}, its config.json has {listing(others)}.")
    return {**{name: count for name, count in heads.items() if count}, "quick_gelu": True}
