"""What the measured shares mean, in words."""

from __future__ import annotations

from goldieval.doctor.shortcuts.features import FOR_OBJECT, IMAGE, ON_OBJECTS, PATCHES
from goldieval.doctor.shortcuts.measure import FeatureShares, Shortcuts
from goldieval.metrics.crossed_variance import BACKGROUND, OBJECTS

# Features that should tell objects; those beside objects, or pooled for the background, may well tell the background.
OF_OBJECTS = (IMAGE, PATCHES, ON_OBJECTS, FOR_OBJECT)


def warnings(found: Shortcuts) -> list[str]:
    """Return sentences about features of which the background explains more than the objects, and about collapse."""
    collapsed, shortcuts = _collapsed(found), [feature for feature in found.scenes if _is_shortcut(feature)]
    lines = [f"All features are the same, the model has collapsed: {', '.join(collapsed)}."] if collapsed else []
    if shortcuts:
        cases = "; ".join(_shares_against(feature) for feature in shortcuts)
        lines.append(
            f"The background explains more than the objects do: {cases}. An untrained model does the same; "
            "in a trained one it is a shortcut, by which pictures are told apart without their objects."
        )
    return lines


def summary(found: Shortcuts) -> str:
    """Return one sentence about the image tower's own feature."""
    first = found.scenes[0]
    if first.shares is None:
        return "Nothing can be said of the image feature: it is the same for all pictures."
    background, objects = (round(100 * first.shares[name].value) for name in (BACKGROUND, OBJECTS))
    patches = "" if len(found.scenes) > 1 else " The adapter of this model gives no features of patches."
    return (
        f"Of the variance of the image feature, the background explains {background} %, the objects {objects} %. "
        f"In {100 * (first.background_nearer or 0):.1f} % of comparisons another scene on the same background is "
        f"nearer than the same scene on another one (50 %: both count alike).{patches}"
    )


def _is_shortcut(feature: FeatureShares) -> bool:
    shares = feature.shares
    return shares is not None and feature.name in OF_OBJECTS and shares[BACKGROUND].value > shares[OBJECTS].value


def _shares_against(feature: FeatureShares) -> str:
    assert feature.shares is not None
    background, objects = feature.shares[BACKGROUND], feature.shares[OBJECTS]
    sure = "" if background.low > objects.high else ", within their intervals"
    return f"{feature.name} ({100 * background.value:.1f} % against {100 * objects.value:.1f} %{sure})"


def _collapsed(found: Shortcuts) -> list[str]:
    images = [feature.name for feature in found.scenes if feature.shares is None]
    return images + [f"sentences about {each.name}" for each in found.sentences if each.shares is None]
