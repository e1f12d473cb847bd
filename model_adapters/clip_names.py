"""Names that other code bases give to the tensors of CLIP's towers, translated to CLIP's own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from goldieval.core.errors import GoldievalError

if TYPE_CHECKING:
    import torch

Names = Sequence[tuple[str, str]]  # patterns and what replaces them, applied to a name one after the other

_BLOCK: Names = ((r"\.mlp\.fc1\.", ".mlp.c_fc."), (r"\.mlp\.fc2\.", ".mlp.c_proj."))
TRANSFORMERS: Names = (
    (r"^vision_model\.embeddings\.class_embedding$", "visual.class_embedding"),
    (r"^vision_model\.embeddings\.patch_embedding\.", "visual.conv1."),
    (r"^vision_model\.embeddings\.position_embedding\.weight$", "visual.positional_embedding"),
    (r"^vision_model\.pre_layrnorm\.", "visual.ln_pre."),  # spelled like this
    (r"^vision_model\.post_layernorm\.", "visual.ln_post."),
    (r"^text_model\.embeddings\.token_embedding\.", "token_embedding."),
    (r"^text_model\.embeddings\.position_embedding\.weight$", "positional_embedding"),
    (r"^text_model\.final_layer_norm\.", "ln_final."),
    (r"^vision_model\.encoder\.layers\.", "visual.transformer.resblocks."),
    (r"^text_model\.encoder\.layers\.", "transformer.resblocks."),
    (r"\.layer_norm([12])\.", r".ln_\1."),
    (r"\.self_attn\.", ".attn."),
    *_BLOCK,
)
TIMM: Names = (
    (r"^visual\.cls_token$", "visual.class_embedding"),
    (r"^visual\.pos_embed$", "visual.positional_embedding"),
    (r"^visual\.patch_embed\.proj\.", "visual.conv1."),
    (r"^visual\.norm_pre\.", "visual.ln_pre."),
    (r"^visual\.norm\.", "visual.ln_post."),
    (r"^visual\.blocks\.", "visual.transformer.resblocks."),
    (r"\.norm([12])\.", r".ln_\1."),
    (r"\.attn\.qkv\.(weight|bias)$", r".attn.in_proj_\1"),
    (r"\.attn\.proj\.", ".attn.out_proj."),
    *_BLOCK,
)
_THIRD = re.compile(r"(.*\.attn\.)q_proj\.(weight|bias)")


def renamed(state: Mapping[str, torch.Tensor], names: Names, file: Path) -> dict[str, torch.Tensor]:
    """Return a state dict with CLIP's names; projections of queries, keys and values are joined as in CLIP.

    Args:
        state: Tensors by the names of another code base; names that it does not have are kept.
        names: Its names.
        file: The file, for error messages.

    Raises:
        GoldievalError: Two tensors have the same meaning.
    """
    found: dict[str, torch.Tensor] = {}
    for theirs, tensor in state.items():
        name = theirs
        for pattern, ours in names:
            name = re.sub(pattern, ours, name)
        if name in found:
            raise GoldievalError(f"{file} has {name} twice, under two names.")
        found[name] = tensor
    return _joined(found)


def _joined(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    import torch

    for block, part in [match.groups() for match in map(_THIRD.fullmatch, state) if match]:
        thirds = [f"{block}{side}_proj.{part}" for side in "qkv"]
        if all(name in state for name in thirds):  # else the missing one is reported when the model is loaded
            state[f"{block}in_proj_{part}"] = torch.cat([state.pop(name) for name in thirds])
    return state


def stretched(kept: torch.Tensor, rest: torch.Tensor, count: int) -> torch.Tensor:
    """Return positions of long texts: the first ``count`` of one table, the others of another (LongCLIP, 3.1)."""
    import torch

    return torch.cat([kept[:count], rest[count:]])
