"""Two-stage search, a declared approximation: the k nearest candidates by cosine are re-scored, text-conditioned.

Every text shortlists images and every image shortlists texts, so that neither direction is restricted by the other.
Items that are not on a query's shortlist rank after all of it, ordered by cosine. FLAIR's released code shortlists only
texts per image and uses that for both directions: a text is then ranked among the images that happened to select it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from goldieval.metrics.accuracy import ClassRanks, true_class_ranks
from goldieval.metrics.answers import NOBODY, Answers, answers_of
from goldieval.metrics.ranks import TIE, Ranks
from goldieval.scoring.blocks import PatchBlocks
from goldieval.scoring.candidates import Candidates
from goldieval.scoring.conditioned import Pool
from goldieval.scoring.listed import listed_pairs


class Shortlists(NamedTuple):
    """Shortlists of queries.

    Attributes:
        members: Gallery indices, shape (queries, k).
        scores: Text-conditioned scores, shape (queries, k).
    """

    members: torch.Tensor
    scores: torch.Tensor


class Exact(NamedTuple):
    """What the second stage scores with.

    Attributes:
        pool: The model's pooling.
        texts: Text vectors before normalisation, shape (texts, dim).
        blocks: Patch tokens of all images.
    """

    pool: Pool
    texts: torch.Tensor
    blocks: PatchBlocks


def shortlists(exact: Exact, images: torch.Tensor, texts: torch.Tensor) -> tuple[Shortlists, Shortlists]:
    """Score the candidates of both directions; a pair of both is scored once.

    Args:
        exact: Scores the pairs.
        images: Candidates of each text, shape (texts, k).
        texts: Candidates of each image, shape (images, k).
    """
    count = len(exact.blocks)
    by_text = torch.arange(len(images), device=images.device)[:, None] * count + images
    by_image = texts * count + torch.arange(count, device=texts.device)[:, None]
    keys, where = torch.unique(torch.cat([by_text.flatten(), by_image.flatten()]), return_inverse=True)
    pairs = torch.stack([keys // count, keys % count], dim=1)
    scores = listed_pairs(*exact, pairs)[where.to(exact.blocks.device)]
    return (
        Shortlists(images.to(scores.device), scores[: images.numel()].view(images.shape)),
        Shortlists(texts.to(scores.device), scores[images.numel() :].view(texts.shape)),
    )


def shortlist_ranks(
    lists: tuple[Shortlists, Shortlists], first: tuple[Candidates, Candidates], positives: torch.Tensor
) -> tuple[Ranks, Ranks]:
    """Rank both directions.

    Args:
        lists: Shortlists of texts and of images.
        first: The first stage of both.
        positives: Pairs (text index, image index), shape (pairs, 2).

    Returns:
        Ranks of text to image and of image to text.
    """
    sides = zip(lists, first, (positives, positives.flip(1)), strict=True)
    to_image, to_text = (side_ranks(own, stage.behind, pairs) for own, stage, pairs in sides)
    return to_image, to_text


def side_ranks(own: Shortlists, behind: Ranks, positives: torch.Tensor) -> Ranks:
    """Rank one direction.

    Args:
        own: Shortlist of each query.
        behind: Ranks by cosine, for queries without a positive on the shortlist.
        positives: Pairs (query, item), shape (pairs, 2).
    """
    members, scores = own
    assert isinstance(behind.gallery, int)  # all queries have the same gallery
    relevant = _relevant(members, positives, behind.gallery)
    best = scores.masked_fill(~relevant, -torch.inf).amax(1, keepdim=True)
    reach = scores >= best - TIE
    above = (scores > best + TIE).sum(1).cpu().numpy()
    tied = (reach & ~relevant).sum(1).cpu().numpy() - above
    tied_positives = (reach & relevant).sum(1).cpu().numpy()
    listed = relevant.any(1).cpu().numpy()
    over = np.maximum(behind.above, members.shape[1])  # the whole shortlist ranks first
    answers = _answers(own, relevant, behind)
    left = np.maximum(behind.above + behind.tied - over, 0)
    return Ranks(
        np.where(listed, above, over),
        np.where(listed, tied, left),
        np.where(listed, tied_positives, behind.tied_positives),
        behind.positives,
        behind.gallery,
        answers,
    )


def _answers(own: Shortlists, relevant: torch.Tensor, behind: Ranks) -> Answers | None:
    """Return the best answers of each query: from its shortlist, else by cosine and then without a score.

    Args:
        own: Shortlist of each query.
        relevant: Which members are positives of their query, a boolean tensor of the shape of the shortlists.
        behind: Ranks by cosine.
    """
    if behind.answers is None:
        return None
    listed = answers_of(_best(own, relevant), _best(own, ~relevant))
    right, wrong = (
        np.where(each == NOBODY, other, each)
        for each, other in ((listed.right, behind.answers.right), (listed.wrong, behind.answers.wrong))
    )
    return Answers(right, listed.right_score, wrong, listed.wrong_score)


def _best(own: Shortlists, counting: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return score and index of each query's best member that counts; of those that tie, the first of the gallery."""
    scores = own.scores.masked_fill(~counting, -torch.inf)
    best = scores.amax(1)
    near = scores >= best[:, None] - TIE
    items = own.members.masked_fill(~near, torch.iinfo(torch.int64).max)
    return best, items.amin(1)


def _relevant(members: torch.Tensor, positives: torch.Tensor, gallery: int) -> torch.Tensor:
    """Return which members are positives of their query, a boolean tensor of the shape of ``members``."""
    rows = torch.arange(len(members), device=members.device)[:, None]
    return torch.isin(rows * gallery + members, positives[:, 0] * gallery + positives[:, 1])


def class_shortlists(exact: Exact, classes: torch.Tensor) -> Shortlists:
    """Score each image's candidates among the classes, which take the place of texts.

    Args:
        exact: Scores the pairs.
        classes: Candidates of each image, shape (images, k).
    """
    rows = torch.arange(len(classes), device=classes.device)[:, None].expand_as(classes)
    pairs = torch.stack([classes.flatten(), rows.flatten()], dim=1)
    scores = listed_pairs(*exact, pairs)
    return Shortlists(classes.to(scores.device), scores.view(classes.shape))


def shortlist_classes(own: Shortlists, behind: ClassRanks, labels: torch.Tensor) -> ClassRanks:
    """Rank the true class of every image and predict a class from its shortlist.

    Args:
        own: Shortlist of each image.
        behind: Ranks of all classes by cosine.
        labels: Class indices, shape (images,).
    """
    order = own.members.argsort(1)  # ties are resolved in favour of the first class, as in the other modes
    members, scores = own.members.gather(1, order), own.scores.gather(1, order)
    true = members == labels[:, None]
    among, listed = true_class_ranks(scores, true.int().argmax(1)), true.any(1)
    rows = torch.arange(len(labels), device=labels.device)
    ranks = side_ranks(own, behind.ranks, torch.stack([rows, labels], dim=1))
    chosen = torch.as_tensor(among.predictions, device=members.device)[:, None]
    places = np.where(listed.cpu().numpy(), among.places, np.maximum(behind.places, members.shape[1]))
    return ClassRanks(ranks, members.gather(1, chosen)[:, 0].cpu().numpy(), places)
