"""Loss of a shortlist against exact text-conditioned scores, measured on a seeded sample of queries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from goldieval.metrics.accuracy import true_class_ranks
from goldieval.metrics.ranks import TIE, Ranks
from goldieval.scoring.conditioned_ranks import conditioned_rows
from goldieval.scoring.shortlist import Exact, Shortlists

SAMPLE, SEED = 256, 0
Hits = Callable[[int], np.ndarray]


@dataclass(frozen=True)
class Audit:
    """Audit of one direction; arrays have one entry per sampled query.

    Attributes:
        size: Length of a shortlist.
        rows: Indices of the sampled queries.
        of: Number of queries that were drawn from.
        exact: Hits at k by exact scores.
        approximate: Hits at k by the shortlist.
        best_lost: Whether every item on the shortlist scores below the best of the gallery.
        positive_lost: Whether every positive on the shortlist (possibly none) scores below the best positive.
    """

    size: int
    rows: np.ndarray
    of: int
    exact: Hits
    approximate: Hits
    best_lost: np.ndarray
    positive_lost: np.ndarray


def sample(asked: np.ndarray) -> np.ndarray:
    """Return at most ``SAMPLE`` indices of true entries of a mask, ascending, with a fixed seed."""
    rows = np.flatnonzero(asked)
    generator = np.random.Generator(np.random.PCG64(SEED))
    return np.sort(generator.choice(rows, min(SAMPLE, len(rows)), replace=False))


def audit_texts(exact: Exact, own: Shortlists, ranks: Ranks, positives: torch.Tensor) -> Audit:
    """Audit text to image.

    Args:
        exact: Scores pairs exactly.
        own: Shortlist of each text.
        ranks: Ranks computed from the shortlists.
        positives: Pairs (text index, image index), shape (pairs, 2).
    """
    rows, images = sample(ranks.positives > 0), torch.arange(len(exact.blocks))
    texts = exact.texts[torch.as_tensor(rows, device=exact.texts.device)]
    return _retrieval(own, ranks, rows, positives, conditioned_rows(exact.pool, texts, exact.blocks, images).T)


def audit_images(exact: Exact, own: Shortlists, ranks: Ranks, positives: torch.Tensor) -> Audit:
    """Audit image to text; arguments as in ``audit_texts``."""
    rows = sample(ranks.positives > 0)
    return _retrieval(own, ranks, rows, positives.flip(1), _image_rows(exact, rows))


def audit_classes(exact: Exact, own: Shortlists, places: np.ndarray, labels: torch.Tensor) -> Audit:
    """Audit image to class.

    Args:
        exact: Scores pairs exactly; classes take the place of texts.
        own: Shortlist of each image.
        places: Place of the true class by the shortlist, shape (images,).
        labels: Class indices, shape (images,).
    """
    rows = sample(np.ones(len(labels), dtype=bool))
    here = torch.as_tensor(rows, device=labels.device)
    scores = _image_rows(exact, rows)
    true = torch.nn.functional.one_hot(labels[here], scores.shape[1]).bool()
    ranked = true_class_ranks(scores, labels[here]).places
    members = own.members[here]
    lost = _lost(scores, torch.ones_like(true), members), _lost(scores, true, members)
    return Audit(members.shape[1], rows, len(labels), lambda k: ranked < k, lambda k: places[rows] < k, *lost)


def _image_rows(exact: Exact, rows: np.ndarray) -> torch.Tensor:
    """Return exact scores of some images against all texts, shape (rows, texts)."""
    return conditioned_rows(exact.pool, exact.texts, exact.blocks, torch.as_tensor(rows))


def _retrieval(own: Shortlists, ranks: Ranks, rows: np.ndarray, positives: torch.Tensor, scores: torch.Tensor) -> Audit:
    """Compare one direction.

    Args:
        own: Shortlist of each query.
        ranks: Ranks computed from the shortlists.
        rows: Indices of the sampled queries.
        positives: Pairs (query, item), shape (pairs, 2).
        scores: Exact scores, shape (rows, gallery).
    """
    here = torch.as_tensor(rows, device=scores.device)
    place = torch.searchsorted(here, positives[:, 0].contiguous()).clamp_max(len(here) - 1)
    wanted = here[place] == positives[:, 0]
    relevant = torch.zeros_like(scores, dtype=torch.bool)
    relevant[place[wanted], positives[wanted, 1]] = True
    members = own.members[here]
    lost = _lost(scores, torch.ones_like(relevant), members), _lost(scores, relevant, members)
    exact, approximate, of = _ranks(scores, relevant), ranks.of(rows), int((ranks.positives > 0).sum())
    return Audit(members.shape[1], rows, of, exact.hits, approximate.hits, *lost)


def _lost(scores: torch.Tensor, wanted: torch.Tensor, members: torch.Tensor) -> np.ndarray:
    """Return whether the best relevant item on the shortlist scores below the best of the gallery; ties are no loss."""
    scores = scores.masked_fill(~wanted, -torch.inf)
    lost: np.ndarray = (scores.gather(1, members).amax(1) < scores.amax(1) - TIE).cpu().numpy()
    return lost


def _ranks(scores: torch.Tensor, relevant: torch.Tensor) -> Ranks:
    """Compute ranks from complete rows of scores, shape (queries, gallery)."""
    best = scores.masked_fill(~relevant, -torch.inf).amax(1, keepdim=True)
    reach = scores >= best - TIE
    above = (scores > best + TIE).sum(1)
    tied = (reach & ~relevant).sum(1) - above
    own, positives = (reach & relevant).sum(1), relevant.sum(1)
    above, tied, own, positives = (count.cpu() for count in (above, tied, own, positives))
    return Ranks(above.numpy(), tied.numpy(), own.numpy(), positives.numpy(), scores.shape[1])
