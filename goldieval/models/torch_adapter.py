"""Adapter for any torch module with ``encode_image`` and ``encode_text``."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import PackageNotFoundError, version

import torch
from PIL import Image
from torch import nn

from goldieval.core.environment import device_identity
from goldieval.core.errors import NotApplicableError
from goldieval.core.precision import full_float32
from goldieval.core.transfers import upload
from goldieval.models.adapter import ModelInfo
from goldieval.models.alterations import Alterations
from goldieval.models.padding import trim
from goldieval.models.temperature import factor_of
from goldieval.models.token_counts import token_counts

# The ids of these texts (case, punctuation, accents, numbers, length) distinguish a tokenizer from any other.
PROBE_TEXTS = ["A photo of 3 dogs, two cats & one étude!", "don't UPPER-case   it…", "犬 🐕 ß", "word " * 300]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchAdapter:
    """Adapter for a module, its image transform and its tokenizer.

    Attributes:
        scoring: Scoring mode that the model was designed for.
        trim: Present if ``trims`` is true: token ids are zero-padded at the end and the text tower is causal with
            end-token pooling, so that a batch may be truncated to its longest text. The module's ``encode_text`` must
            then accept any length.
    """

    scoring = "global"

    def __init__(
        self,
        module: nn.Module,
        preprocess: Callable[[Image.Image], torch.Tensor],
        tokenizer: Callable[[list[str]], torch.Tensor],
        *,
        spec: str,
        family: str,
        precision: str = "fp32",
        trims: bool = False,
        home: str = "",
        notice: str = "",
        checkpoint: str = "",
        alterations: Alterations = Alterations(),
    ) -> None:
        self.module = module
        self.preprocess = preprocess
        self.tokenizer = tokenizer
        self.spec, self.family, self.precision = spec, family, precision
        self.home, self.notice, self.checkpoint = home, notice, checkpoint
        self.alterations = alterations
        if trims:
            self.trim = trim

    @property
    def concurrent(self) -> bool:
        """Whether several threads may encode at once; modules that exchange data between processes may not."""
        return not any(exchanges(part) for part in self.module.modules())

    @property
    def device(self) -> torch.device:
        return next(self.module.parameters()).device

    def describe(self) -> ModelInfo:
        fingerprint = module_fingerprint(self.module)
        device = device_identity(str(self.device))
        setting = f"{self.precision}/{device}/{_versions('torch', 'open-clip-torch')}"
        image_tower, text_tower = self.alterations.towers(fingerprint)
        pixels = [self.preprocess(picture) for picture in _probe_pictures()]
        transform = _digest(_tensor_bytes(*pixels)) + _versions("pillow", "torchvision")
        tokens = self.tokenizer.probe() if hasattr(self.tokenizer, "probe") else self.tokenizer(PROBE_TEXTS)
        tokenizer = _digest(_tensor_bytes(tokens))
        return ModelInfo(
            spec=self.spec,
            family=self.family,
            fingerprint=self.alterations.fingerprint(fingerprint),
            image_identity=_digest(f"image/{image_tower}/{setting}/{transform}".encode()),
            text_identity=_digest(f"text/{text_tower}/{setting}/{tokenizer}".encode()),
            parameters=sum(parameter.numel() for parameter in self.module.parameters()),
            resolution=pixels[0].shape[-1],
            context_length=tokens.shape[-1],
            precision=self.precision,
            scoring=self.scoring,
            home=self.home,
            notice=self.notice,
            checkpoint=self.checkpoint,
            options=dict(self.alterations.options),
            logit_factor=factor_of(self.module),
            conditioned_factor=factor_of(self.module, "conditioned_logit_scale"),
        )

    def tokenize(self, texts: Sequence[str]) -> torch.Tensor:
        return self.tokenizer(list(texts))

    def count_tokens(self, texts: Sequence[str]) -> list[int] | None:
        """Return the number of tokens of each text before truncation, or None if unknown."""
        return token_counts(self.tokenizer, texts)

    def normalise(self, picture: torch.Tensor) -> torch.Tensor:
        """Subtract the mean and divide by the standard deviation of the transform.

        Raises:
            NotApplicableError: The transform does not normalise.
        """
        from torchvision.transforms import Normalize

        steps = getattr(self.preprocess, "transforms", [])
        normalize = next((step for step in steps if isinstance(step, Normalize)), None)
        if normalize is None:
            raise NotApplicableError(
                "this model's transform has no Normalize step: dense features need its mean and standard deviation."
            )
        normalised: torch.Tensor = normalize(picture)
        return normalised

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        with self._autocast():
            features: torch.Tensor = self.module.encode_image(upload(pixels, self.device))  # type: ignore[operator]
        return features

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        with self._autocast():
            features: torch.Tensor = self.module.encode_text(upload(tokens, self.device))  # type: ignore[operator]
        return features

    def inference(self) -> AbstractContextManager[None]:
        return evaluating(self.module, self.precision)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=DTYPES[self.precision], enabled=self.precision != "fp32")


@contextmanager
def evaluating(module: nn.Module, precision: str) -> Iterator[None]:
    """Set a module to evaluation mode without gradients, float32 in full where that is the precision, and back.

    Args:
        module: the model.
        precision: ``fp32``, ``bf16`` or ``fp16``.
    """
    was_training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        with torch.inference_mode(), full_float32() if precision == "fp32" else nullcontext():
            yield
    finally:
        for part in was_training:
            part.training = True


def exchanges(part: nn.Module) -> bool:
    """Return whether a module gathers weights or synchronises buffers when it is called: FSDP, FSDP2, DDP."""
    names = {kind.__name__ for kind in type(part).__mro__}
    return not names.isdisjoint({"FullyShardedDataParallel", "FSDPModule", "DistributedDataParallel"})


def module_fingerprint(module: nn.Module) -> str:
    """Return the SHA-256 of the architecture (its repr: layers, sizes, activations) and of every tensor of the state.

    Training mode and dropout are ignored; the same weights saved elsewhere, or with other metadata, are identical.
    """
    total = hashlib.sha256(f"{type(module).__module__}.{type(module).__qualname__}\n{module!r}".encode())
    for name, tensor in sorted(module.state_dict().items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def _probe_pictures() -> list[Image.Image]:
    """Return noise in two shapes: the transform's output (resize, crop, normalise) distinguishes it from any other."""
    sizes = ((320, 200), (50, 80))
    return [Image.frombytes("RGB", size, random.Random(0).randbytes(3 * size[0] * size[1])) for size in sizes]


def _tensor_bytes(*tensors: torch.Tensor) -> bytes:
    return b"".join(tensor.detach().cpu().contiguous().numpy().tobytes() for tensor in tensors)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _versions(*packages: str) -> str:
    return ",".join(f"{package}={_version(package)}" for package in packages)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
