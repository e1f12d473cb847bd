"""SuperCLIP's released weights: ``superclip:OWNER/REPO/FILE@REVISION``, ``superclip@FILE``.

The classification head used in training is dropped.
"""

from __future__ import annotations

from goldieval.core.errors import GoldievalError
from goldieval.core.reads import notes_reads
from goldieval.models.adapter import LoadOptions, Model
from goldieval.models.spec import ModelSpec
from goldieval.models.spec_options import accepts_options
from model_adapters.layout import adapter, clip_of, only_model
from model_adapters.locate import locate
from model_adapters.tensors import read
from model_adapters.with_options import OPTIONS

HEAD = "text_decoder."  # token classifier


@notes_reads
@accepts_options(*OPTIONS, "drop")
def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Load a checkpoint in the layout of SuperCLIP's released code, an open_clip CLIP with an additional head.

    Raises:
        GoldievalError: The file or name does not exist, or its layout differs.
    """
    stored = read(locate(spec, spec.name, options))
    found, source = only_model(stored, spec)
    state = {name.removeprefix("text."): tensor for name, tensor in found.items()}
    if not any(name.startswith(HEAD) for name in state):
        raise GoldievalError(f"{stored.file} has no {HEAD}… head: load it as open_clip:ARCHITECTURE@FILE.")
    return adapter(clip_of(state, stored, source), spec, options)
