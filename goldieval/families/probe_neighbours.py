"""The k-nearest-neighbour probe: the training images vote, as in DINO's evaluation; nothing is fitted."""

from __future__ import annotations

import numpy as np

from goldieval.core.errors import TaskError
from goldieval.families.probe_data import UNIT, Classified, ProbeData
from goldieval.records.parts import Probe
from goldieval.scoring.neighbours import neighbour_counts
from goldieval.tasks.probe_params import ProbeParams

VOTE = "votes of the nearest training images by cosine, weight exp(cosine / temperature), float32"


def by_neighbours(data: ProbeData, params: ProbeParams) -> Classified:
    """Classify by the votes of each number of neighbours; the first number is that of the comparison of classes.

    Raises:
        TaskError: there are fewer training images than neighbours.
    """
    if len(data.train) < max(params.neighbours):
        raise TaskError(
            f"{max(params.neighbours):,} neighbours are asked for, but there are {len(data.train):,} training images: "
            f"take all of the data, or fewer neighbours with --set neighbours=[{min(10, len(data.train))}]."
        )
    features, labels = data.features, data.labels
    found = neighbour_counts(
        features[data.tested],
        labels[data.tested],
        features[data.train],
        labels[data.train],
        data.classes,
        params.neighbours,
        params.temperature,
    )
    columns = {f"place_knn{k}": counts.places.cpu().numpy().astype(np.int32) for k, counts in found.items()}
    first, *further = params.neighbours
    probe = Probe(
        method="knn",
        features=UNIT,
        solver=VOTE,
        train=len(data.train),
        settings={"neighbours": params.neighbours, "temperature": params.temperature},
    )
    return Classified(found[first], probe, columns={f"place_knn{k}": columns[f"place_knn{k}"] for k in further})
