"""SuperCLIP's released weights: ``superclip:OWNER/REPO/FILE@REVISION``, ``superclip@FILE``.

The classification head used in training is dropped.
"""

from __future__ import annotations

from goldieval.core.errors import GoldievalError
from goldieval.models.adapter import LoadOptions, Model
from goldieval.models.spec import ModelSpec
from model_adapters.layout import adapter, clip_of, only_model
from model_adapters.locate import locate
from model_adapters.tensors import read

HEAD = ("text_decoder.", "cap_fq", "num_samples")  # token classifier and document frequencies of its loss


def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Load a checkpoint in the layout of SuperCLIP's released code, an open_clip CLIP with an additional head.

    Raises:
        GoldievalError: The file or name does not exist, or its layout differs.
    """
    stored = read(locate(spec, spec.name, options))
    found, notes = only_model(stored)
    state = {name.removeprefix("text."): tensor for name, tensor in found.items()}
    if not any(name.startswith(HEAD[0]) for name in state):
        raise GoldievalError(f"{stored.file} has no {HEAD[0]}… head: load it as open_clip:ARCHITECTURE@FILE.")
    kept = {name: tensor for name, tensor in state.items() if not name.startswith(HEAD)}
    return adapter(clip_of(kept, stored), None, spec.text, "superclip", options, notes)
