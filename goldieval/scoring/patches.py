"""Three ways to score a patch for a text: its own vector, the patch pooled for the text, or its attention weight.

Models without text-conditioned pooling (CLIP, COSMOS) support only the first. Which of them was used for FLAIR's and
GoldiCLIP's segmentation scores is not published.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from goldieval.core.errors import NotApplicableError
from goldieval.scoring.conditioned import Pool

Read = Callable[[torch.Tensor], torch.Tensor]


def reader(reading: str, units: torch.Tensor, texts: torch.Tensor, pool: Pool | None) -> Read:
    """Return the function from patch features (n, rows, columns, dim) to logits (n, texts, rows, columns).

    Args:
        reading: ``projection``, ``pooling`` or ``attention-map``.
        units: Unit vectors of the texts, shape (texts, dim).
        texts: The same vectors with the length of the model's text embeddings, shape (texts, dim).
        pool: The model's pooling, if it has one.

    Raises:
        NotApplicableError: The reading requires a pooling, or a null slot of it, that the model does not have.
    """
    if reading == "projection":
        return lambda features: _projection(features, units)
    if pool is None:
        raise NotApplicableError(
            f"this model has no text-conditioned pooling for reading {reading}: use --set reading=projection."
        )
    if reading == "pooling" and not _null_slot(pool):
        raise NotApplicableError(
            "this model's pooling has no null slot, and gives one patch the same vector for every text: "
            "use --set reading=projection or reading=attention-map."
        )
    return lambda features: _READINGS[reading](features, units, texts, pool)


def _projection(features: torch.Tensor, units: torch.Tensor) -> torch.Tensor:
    """Return the cosine of the projected patch with the text."""
    return torch.einsum("nrcd,td->ntrc", F.normalize(features.float(), dim=-1), units)


def _pooling(features: torch.Tensor, units: torch.Tensor, texts: torch.Tensor, pool: Pool) -> torch.Tensor:
    """Return the cosine of the text with its pooling of one patch, the only key and value beside the null slot (FLAIR).

    A head then weights the patch by sigmoid(q . k), so the pooled vector is a sum over heads g_h u_h + b, with u_h the
    head's value after the output projection: its product with the text and its norm need the u_h only once per patch.
    """
    flat = features.float().flatten(1, 2)
    gates, values = _gates(flat, texts, pool), pool.keys_values(flat)[1]
    weight, bias = pool.out.weight.float().view(pool.out.out_features, values.shape[1], -1), pool.out.bias.float()
    heads = torch.einsum("dhk,nhlk->nlhd", weight, values)
    along = (gates * torch.einsum("nlhd,td->nlth", heads, units)).sum(-1) + units @ bias
    gram = heads @ heads.transpose(-1, -2)
    square = ((gates @ gram) * gates).sum(-1) + 2 * (gates @ (heads @ bias)[..., None])[..., 0] + bias.square().sum()
    cosines = along / square.clamp_min(1e-12).sqrt()
    return cosines.transpose(1, 2).reshape(len(features), -1, *features.shape[1:3])


def _attention_map(features: torch.Tensor, units: torch.Tensor, texts: torch.Tensor, pool: Pool) -> torch.Tensor:
    """Return the mean over heads of a text's attention to a patch, among the window's patches and any null slot."""
    logits = _attention_logits(features.float().flatten(1, 2), texts, pool)
    weights = F.pad(logits, (0, int(_null_slot(pool)))).softmax(-1)[..., : logits.shape[-1]].mean(1)
    return weights.reshape(len(features), -1, *features.shape[1:3])


def _null_slot(pool: Pool) -> bool:
    return bool(getattr(pool, "null_slot", True))


def _gates(patches: torch.Tensor, texts: torch.Tensor, pool: Pool) -> torch.Tensor:
    """Return sigmoid gates, shape (n, patches, texts, heads)."""
    return _attention_logits(patches, texts, pool).sigmoid().permute(0, 3, 2, 1).contiguous()


def _attention_logits(patches: torch.Tensor, texts: torch.Tensor, pool: Pool) -> torch.Tensor:
    """Return attention logits, shape (n, heads, texts, patches); the null slot's logit is 0."""
    queries, (keys, _) = pool.queries(texts.float()), pool.keys_values(patches)
    logits: torch.Tensor = torch.einsum("thk,nhlk->nhtl", queries, keys) * float(keys.shape[-1]) ** -0.5
    return logits


_READINGS: dict[str, Callable[[torch.Tensor, torch.Tensor, torch.Tensor, Pool], torch.Tensor]] = {
    "pooling": _pooling,
    "attention-map": _attention_map,
}
