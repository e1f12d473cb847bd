"""Loading of models: by their spec, from a Python file named by the user, or from a module in memory."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.core.errors import GoldievalError, did_you_mean, first_line
from goldieval.core.offline import offline
from goldieval.models.adapter import LoadOptions, Model
from goldieval.models.spec import ModelSpec, parse_spec
from goldieval.models.spec_options import check_options
from goldieval.tasks.plugins import model_families

if TYPE_CHECKING:
    import torch
    from PIL import Image


def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Load the model that a spec names, through its family's entry point or from a Python file.

    Raises:
        GoldievalError: The family does not exist (similar names are suggested), it does not accept an option of the
            spec, or the adapter reports an error.
    """
    spec = replace(spec, where=os.path.expanduser(spec.where))
    make = loader_of(spec)
    check_options(spec, make)
    try:
        with offline(options.offline):
            model = make(spec, options)
    except GoldievalError:
        raise
    except Exception as error:
        raise GoldievalError(
            f"model {spec.text!r} cannot be loaded: {type(error).__name__}: {first_line(error)}"
        ) from error
    if not isinstance(model, Model):
        embedding, prompted = ("tokenize", "encode_image", "encode_text"), ("respond", "prompt_lengths")
        kind = prompted if hasattr(model, "respond") else embedding
        lacking = [name for name in ("describe", "preprocess", *kind) if not hasattr(model, name)]
        raise GoldievalError(
            f"model {spec.text}: {type(model).__name__} is not an adapter, it lacks {', '.join(lacking)}."
        )
    return model


def loader_of(spec: ModelSpec) -> Callable[[ModelSpec, LoadOptions], Any]:
    """Return the function that loads a spec: of its family, or in the Python file that the user named.

    Raises:
        GoldievalError: There is no such family or function, or the file fails.
    """
    return _from_file(spec) if spec.family == "file" else _family(spec)


def check_family(spec: ModelSpec) -> None:
    """Check what can be known of a spec before its files exist: the family, its options and their values.

    Raises:
        GoldievalError: The family does not exist, or does not accept an option or its value.
    """
    check_options(spec, _family(spec))


def load_model(spec: str, *, device: str = "cpu", precision: str = "fp32", offline: bool = False) -> Model:
    """Load one model by its spec, for example ``open_clip:ViT-B-32@epoch_32.pt::size=384``. See ``load``."""
    return load(parse_spec(spec), LoadOptions(device, precision, offline))


def from_module(
    module: torch.nn.Module,
    preprocess: Callable[[Image.Image], torch.Tensor],
    tokenizer: Callable[[list[str]], torch.Tensor],
    *,
    name: str = "module",
) -> Model:
    """Wrap a module that has ``encode_image`` and ``encode_text``, for example inside a training loop.

    The module remains the caller's: it is switched to evaluation mode while in use, and back afterwards.

    Raises:
        GoldievalError: its parameters are sharded (FSDP); ``docs/examples/evaluate_in_fsdp.py`` shows what to do.
    """
    from goldieval.models.parallel import whole_module
    from goldieval.models.torch_adapter import TorchAdapter

    return TorchAdapter(whole_module(module), preprocess, tokenizer, spec=name, family="module")


def _family(spec: ModelSpec) -> Callable[[ModelSpec, LoadOptions], Any]:
    families = model_families()
    if spec.family not in families:
        near = did_you_mean(spec.family, families)
        raise GoldievalError(f"no model family {spec.family!r} in {spec.text!r}.{near} See: goldieval ls families")
    make: Callable[[ModelSpec, LoadOptions], Any] = families[spec.family].load()
    return make


def _from_file(spec: ModelSpec) -> Callable[[ModelSpec, LoadOptions], Any]:
    """Execute a Python file named by the user: the only place where foreign code is run, and only on request."""
    path = Path(spec.where)
    found = importlib.util.spec_from_file_location(f"goldieval_user_{path.stem}", path) if path.is_file() else None
    if found is None or found.loader is None:
        raise GoldievalError(f"model {spec.text!r}: no file {path}.")
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # required by dataclasses and pickle
    try:
        found.loader.exec_module(module)
    except Exception as error:
        raise GoldievalError(
            f"model {spec.text!r}: {path} fails: {type(error).__name__}: {first_line(error)}"
        ) from error
    if not callable(getattr(module, spec.name, None)):
        raise GoldievalError(f"model {spec.text!r}: {path} has no function {spec.name!r}.")
    make: Callable[[ModelSpec, LoadOptions], Any] = getattr(module, spec.name)
    return make
