"""The models that can be named: open_clip's own list, facts with sources, and nothing invented."""

from __future__ import annotations

import fnmatch
import json
import math

import open_clip
import pytest
from open_clip.pretrained import get_pretrained_cfg

from goldieval.core.errors import GoldievalError
from goldieval.core.packaged import packaged
from goldieval.core.yaml_files import read_yaml
from goldieval.models.checkpoints import checkpoints
from goldieval.models.listing import checked_against, listed_models, parse_count
from goldieval.models.loading import load_model
from goldieval.models.open_clip_list import named_weights
from goldieval.models.spec import parse_spec
from goldieval.tasks.plugins import model_families
from model_adapters.open_clip_weights import _check_tag


def test_the_weights_of_open_clip_are_those_that_it_lists_and_the_adapter_accepts() -> None:
    accepted = set()
    for architecture, tag in open_clip.list_pretrained():
        try:
            _check_tag(architecture, tag, get_pretrained_cfg(architecture, tag), None)
        except GoldievalError:
            continue
        accepted.add((architecture, tag))
    listed = [(each.architecture, each.tag) for each in named_weights()]
    assert set(listed) == accepted and len(listed) == len(accepted) > 150


def test_resolutions_are_those_of_the_configurations() -> None:
    for each in named_weights():
        assert each.resolution == open_clip.get_model_config(each.architecture)["vision_cfg"].get("image_size")


@pytest.mark.parametrize("architecture", ["RN50-quickgelu", "ViT-B-32", "ViT-B-16-SigLIP"])
def test_parameters_are_those_of_the_models(architecture: str) -> None:
    import torch

    config = open_clip.get_model_config(architecture)
    custom = config.pop("custom_text", False)
    with torch.device("meta"):
        model = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**config)
    counted = sum(parameter.numel() for parameter in model.parameters())
    facts = read_yaml(packaged("results/published") / "named_weights.yaml")
    assert facts["parameters"][architecture] == counted


def test_the_included_model_is_listed_as_it_is() -> None:
    (listed,) = [each for each in listed_models() if each.model == "goldiclip"]
    info = load_model("goldiclip").describe()
    assert (listed.parameters, listed.resolution) == (info.parameters, info.resolution)
    assert listed.image_count is None and f"{info.unique_pairs // 1000}K" in listed.images


def test_every_checkpoint_is_listed_once_with_a_family_and_sources() -> None:
    listed = listed_models()
    names = [each.model for each in listed]
    assert len(set(names)) == len(names) > 190
    assert {each.model for each in checkpoints()} <= set(names)
    assert {"cosmos", "flair", "goldiclip", "huggingface", "open_clip", "superclip"} <= {each.family for each in listed}
    for each in listed:
        assert each.family == parse_spec(each.model).family and each.family in model_families()
        assert each.source or (each.images == each.licence == "unknown")


def test_what_adapters_were_compared_with_is_said_of_families_that_read_the_weights_of_others() -> None:
    facts = read_yaml(packaged("results/published") / "named_weights.yaml")
    of_others = set(model_families()) - {"embeddings", "goldiclip", "random"}
    assert set(facts["checked"]) == {
        family for family in of_others if model_families()[family].dist.name == "goldieval"
    }
    assert "not run" in checked_against("fgclip") and checked_against("goldiclip") == ""


def test_every_fact_is_about_something_that_is_listed() -> None:
    facts = read_yaml(packaged("results/published") / "named_weights.yaml")
    weights = named_weights()
    assert set(facts["parameters"]) <= set(open_clip.list_models())
    for each in facts["data"]:
        assert any(fnmatch.fnmatchcase(one.tag, each["tag"]) for one in weights), each
    for each in facts["licences"]:
        assert any(fnmatch.fnmatchcase(f"{one.architecture}/{one.tag}", each["weights"]) for one in weights), each


def test_counts() -> None:
    assert parse_count("200M", "--x") == 2e8 and parse_count("1.4b", "--x") == 1.4e9 and parse_count("86", "--x") == 86
    for wrong in ("many", "", "-3M", "1e6"):
        with pytest.raises(GoldievalError, match="--x"):
            parse_count(wrong, "--x")
    known = [each.image_count for each in listed_models() if each.image_count is not None]
    assert all(math.isfinite(count) and count >= 1e6 for count in known)
    assert json.dumps(known)
