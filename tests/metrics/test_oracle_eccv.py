"""Metrics of ECCV Caption's own code on random rankings, with all of its annotations, against ours.

The package eccv-caption is in the environment of the oracle (benchmarks/README.md), whose python
GOLDIEVAL_ORACLE_PYTHON names. COCO's own captions are not needed: their texts are made up here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from goldieval.families.base import family_of
from goldieval.scoring.cosine import unit
from goldieval.scoring.similarities import GlobalSimilarity
from goldieval.tasks.card import load_card
from goldieval.tasks.catalogue import packaged

ORACLE = os.environ.get("GOLDIEVAL_ORACLE_PYTHON", "")
EXACT = 1e-9

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ORACLE, reason="set GOLDIEVAL_ORACLE_PYTHON to the oracle environment's python"),
]

THEIRS = """
import json, sys
import numpy as np
from eccv_caption import Metrics

scores, texts, images = np.load(sys.argv[1]), json.load(open(sys.argv[2])), json.load(open(sys.argv[3]))
by_text = {text: [images[row] for row in np.argsort(-of, kind="stable")] for text, of in zip(texts, scores)}
by_image = {image: [texts[row] for row in np.argsort(-of, kind="stable")] for image, of in zip(images, scores.T)}
rankings, metrics = {"i2t": by_image, "t2i": by_text}, Metrics()
found = {f"{name}_r{k}": getattr(metrics, f"{name}_recalls")(rankings, "all", K=k)
         for name, k in (("coco_1k", 1), ("cxc", 1), ("cxc", 10), ("eccv", 1), ("eccv", 10))}
json.dump(found | metrics.eccv_metrics(rankings, "all"), open(sys.argv[4], "w"), default=float)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the cards' source, with captions that are made up."""
    folder = tmp_path_factory.mktemp("coco")
    where = "import eccv_caption, pathlib; print(pathlib.Path(eccv_caption.__file__).parent)"
    package = Path(subprocess.run([ORACLE, "-c", where], check=True, capture_output=True, text=True).stdout.strip())
    shutil.copytree(package / "data", folder / "eccv-caption/eccv_caption/data")
    owners = json.loads((package / "data/original_caption_to_image.json").read_text())
    images = [{"id": id, "file_name": f"{id}.jpg"} for id in dict.fromkeys(image for (image,) in owners.values())]
    captions = [{"id": int(id), "image_id": image, "caption": f"caption {id}"} for id, (image,) in owners.items()]
    (folder / "annotations").mkdir()
    (folder / "annotations/captions_val2014.json").write_text(json.dumps({"images": images, "annotations": captions}))
    return folder


def test_all_metrics_on_all_annotations_are_the_same(data: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images = random.normal(size=(5000, 24))
    vectors: tuple[torch.Tensor, torch.Tensor] | None = None
    ours: dict[str, float] = {}
    for name, prefix in (("coco-1k", "coco_1k"), ("cxc", "cxc"), ("eccv-caption", "eccv")):
        task = load_card(packaged("tasks") / f"{name}.yaml")
        dataset = task.card.source.read(data)
        assert dataset.owner is not None
        if vectors is None:
            texts = 0.4 * images[dataset.owner] + random.normal(size=(25_000, 24))
            vectors = unit(images.astype(np.float32), "image"), unit(texts.astype(np.float32), "text")
            np.save(tmp_path / "scores.npy", (vectors[1] @ vectors[0].T).numpy())
            (tmp_path / "texts.json").write_text(json.dumps([int(text.id) for text in dataset.texts]))
            (tmp_path / "images.json").write_text(json.dumps([int(image.id[:-4]) for image in dataset.images]))
        prepared = family_of("retrieval").prepare(task, dataset)
        similarity = GlobalSimilarity(*vectors)
        scored = family_of("retrieval").score(prepared, family_of("retrieval").compare(prepared, similarity))
        ours |= {f"{prefix} {metric}": measured.value for metric, measured in scored.metrics.items()}
    files = [tmp_path / file for file in ("scores.npy", "texts.json", "images.json", "theirs.json")]
    subprocess.run([ORACLE, "-W", "ignore", "-c", THEIRS, *map(str, files)], check=True, capture_output=True)
    theirs = json.loads(files[-1].read_text())
    differences = {
        f"{prefix} {direction}_{metric}": abs(ours[f"{prefix} {direction}_{metric}"] - theirs[name][direction])
        for prefix, metric, name in (
            ("coco_1k", "r1", "coco_1k_r1"),
            *((prefix, f"r{k}", f"{prefix}_r{k}") for prefix in ("cxc", "eccv") for k in (1, 10)),
            ("eccv", "map_at_r", "eccv_map_at_r"),
            ("eccv", "r_precision", "eccv_rprecision"),
        )
        for direction in ("t2i", "i2t")
    }
    assert len(differences) == 14 and max(differences.values()) < EXACT, differences
