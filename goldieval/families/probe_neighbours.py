"""The k-nearest-neighbour probe: the training images vote, as in DINO's evaluation; nothing is fitted."""

from __future__ import annotations

import numpy as np

from goldieval.families.probe_data import UNIT, Classified, ProbeData
from goldieval.records.parts import Probe
from goldieval.scoring.neighbours import neighbour_counts
from goldieval.tasks.probe_params import ProbeParams

VOTE = "votes of the nearest training images by cosine, weight exp(cosine / temperature), float32"


def by_neighbours(data: ProbeData, params: ProbeParams) -> Classified:
    """Classify by the votes of each number of neighbours; the first number is that of the comparison of classes.

    Where a number exceeds that of the training images, all of these vote, with a warning.
    """
    features, labels, images = data.features, data.labels, len(data.train)
    found = neighbour_counts(
        features[data.tested],
        labels[data.tested],
        features[data.train],
        labels[data.train],
        data.classes,
        params.neighbours,
        params.temperature,
    )
    first, *further = params.neighbours
    columns = {f"place_knn{many}": found[many].places.cpu().numpy().astype(np.int32) for many in further}
    probe = Probe(
        method="knn",
        features=UNIT,
        solver=VOTE,
        train=images,
        settings={"neighbours": params.neighbours, "temperature": params.temperature},
    )
    most = max(params.neighbours)
    short = f"there are {images:,} training images, fewer than {most} neighbours: all of them vote"
    return Classified(found[first], probe, [short] if images < most else [], columns)
