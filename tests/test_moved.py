"""Import paths of 0.1: the same modules, with a warning, for one release."""

from __future__ import annotations

import importlib
import sys

import pytest

from goldieval.core.moved import MOVED


@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_is_the_module_itself_and_warns(old: str) -> None:
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=rf"{old} is now {MOVED[old]}"):
        found = importlib.import_module(old)
    assert found is importlib.import_module(MOVED[old])


@pytest.mark.parametrize(("old", "new"), [("Answering", "Generative"), ("Sees", "ImagePreprocessor")])
def test_a_protocol_of_0_1_has_its_old_name_too(old: str, new: str) -> None:
    from goldieval.models import adapter

    with pytest.warns(DeprecationWarning, match=f"{old} is now {new}"):
        assert getattr(adapter, old) is getattr(adapter, new)
    with pytest.raises(AttributeError, match="has no attribute 'Answered'"):
        _ = adapter.Answered  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["from_module", "load", "load_model"])
def test_functions_that_load_models_have_their_old_path_too(name: str) -> None:
    from goldieval.models import adapter, loading

    with pytest.warns(DeprecationWarning, match=rf"adapter\.{name} is now goldieval\.models\.loading\.{name}"):
        assert getattr(adapter, name) is getattr(loading, name)


def test_an_adapter_of_0_1_is_an_adapter_of_today() -> None:
    sys.modules.pop("goldieval.adapter", None)
    with pytest.warns(DeprecationWarning):
        from goldieval.adapter import Adapter  # type: ignore[import-not-found]
    from goldieval.models.adapter import Adapter as Today

    assert Adapter is Today
