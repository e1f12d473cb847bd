"""GoldiCLIP-R, our reconstruction: ``goldiclip`` (the included small model), ``goldiclip@CHECKPOINT``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, NotApplicableError
from goldieval.core.reads import notes_reads
from goldieval.core.transfers import upload
from goldieval.models.adapter import LoadOptions, Model, ModelInfo
from goldieval.models.alterations import Alterations
from goldieval.models.spec import ModelSpec
from goldieval.models.spec_options import (
    TRANSFORM,
    accepts_options,
    canonical,
    canonical_options,
    standard_options,
)
from model_adapters.fill import check_finite
from model_adapters.goldiclip_files import read_goldiclip
from model_adapters.image_transform import transform_with


@notes_reads
@accepts_options("size", *TRANSFORM, "drop")
def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Load a checkpoint of the trainer, a weights file or a checkpoint folder; by default the included model.

    Raises:
        GoldievalError: A name is given, although there is only one family, the file is not such a checkpoint, or the
            image size is not a multiple of the patch size.
    """
    from goldieval.goldiclip.shipped import shipped_weights

    if spec.name:
        raise GoldievalError(f"model {spec.text!r}: write goldiclip, or goldiclip@CHECKPOINT.")
    file = Path(spec.where) if spec.where else shipped_weights()
    wanted = standard_options(spec)
    module, about, note = read_goldiclip(file, wanted.drop)
    check_finite(module.state_dict(), file)
    patch = about.config.patch_size
    if wanted.size and any(side % patch for side in wanted.size):
        raise GoldievalError(f"model {spec.text!r}: size: both sides must be multiples of the {patch} px of a patch.")
    return _adapter(module.to(options.device).eval(), about, note, spec, options)


def _adapter(module: Any, about: Any, note: str, spec: ModelSpec, options: LoadOptions) -> Model:
    import torch

    from goldieval.goldiclip.model import ImageFeatures
    from goldieval.goldiclip.provenance import training_sentence
    from goldieval.goldiclip.tokenizer import Tokenizer
    from goldieval.models.torch_adapter import TorchAdapter

    class Goldiclip(TorchAdapter):
        """Adds text-conditioned scoring, question answering, and how the checkpoint was trained."""

        pool: Any  # set only if it was trained: without it this is not a TextConditioned adapter

        def describe(self) -> ModelInfo:
            return replace(
                super().describe(),
                recipe=about.recipe,
                images_seen=about.images_seen,
                unique_pairs=about.unique_images,
                seed=about.seed,
            )

        def patch_tokens(self, pixels: torch.Tensor) -> torch.Tensor:
            with self._autocast():
                patches: torch.Tensor = module.image_features(upload(pixels, self.device)).patches
            return patches

        def dense(self, pixels: torch.Tensor, attention: str) -> torch.Tensor:
            with self._autocast():
                features: torch.Tensor = module.dense(upload(pixels, self.device), attention)
            return features

        def patch_features(self, pixels: torch.Tensor) -> torch.Tensor:
            with self._autocast():
                features: torch.Tensor = module.patch_features(upload(pixels, self.device))
            return features

        def generate(self, pixels: torch.Tensor, questions: Sequence[str]) -> list[str]:
            """Answer one question about each image with the decoder; consecutive equal images are encoded once."""
            if module.decoder is None:
                raise NotApplicableError("this checkpoint was trained without a decoder: it cannot answer questions.")
            ids = upload(tokenizer.padded([tokenizer.ids(question) for question in questions]), self.device)
            pictures, rows = torch.unique_consecutive(pixels, return_inverse=True, dim=0)
            rows = upload(rows, self.device)
            with self._autocast():
                seen = module.image_features(upload(pictures, self.device))
                features = ImageFeatures(*(part[rows] for part in seen))
                answers = module.generate(ids, features).cpu()
            return [tokenizer.decode(answer[answer < tokenizer.sot_token_id].tolist()).strip() for answer in answers]

    tokenizer = Tokenizer(about.config.merges, about.config.context_length)
    wanted, own = standard_options(spec), (about.config.image_size,) * 2
    size = wanted.size or own
    preprocess, changes = transform_with(wanted, {"size": size})
    if size != own:
        changes = (canonical("size", size), *changes)
    adapter = Goldiclip(
        module,
        preprocess,
        tokenizer,
        spec=spec.text,
        family="goldiclip",
        precision=options.precision,
        trims=True,
        home=about.home,
        checkpoint="; ".join([note, *changes]),
        alterations=Alterations(canonical_options(wanted), inputs=changes),
        notice="; ".join(filter(None, (f"{about.method}: {about.notice}", training_sentence(about.trained_on)))),
    )
    adapter.scoring = about.scoring
    if about.pools:
        adapter.pool = module.pool
    return adapter
