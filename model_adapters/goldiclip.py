"""GoldiCLIP-R, our reconstruction: ``goldiclip`` (the included small model), ``goldiclip@CHECKPOINT``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, TaskError
from goldieval.models.adapter import LoadOptions, Model, ModelInfo
from goldieval.models.safe_load import check_is_weights
from goldieval.models.spec import ModelSpec
from model_adapters.fill import check_finite


def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Load a checkpoint of the trainer, a weights file or a checkpoint folder; by default the included model.

    Raises:
        GoldievalError: A name is given, although there is only one family, or the file is not such a checkpoint.
    """
    from goldieval.goldiclip.checkpoint import load_weights
    from goldieval.goldiclip.shipped import shipped_weights

    if spec.name:
        raise GoldievalError(f"model {spec.text!r}: write goldiclip, or goldiclip@CHECKPOINT.")
    file = Path(spec.where) if spec.where else shipped_weights()
    if not file.is_dir():
        check_is_weights(file)
    module, about = load_weights(file)
    check_finite(module.state_dict(), file)
    return _adapter(module.to(options.device).eval(), about, spec.text, options)


def _adapter(module: Any, about: Any, spec: str, options: LoadOptions) -> Model:
    import torch
    from open_clip.transform import PreprocessCfg, image_transform_v2

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
                patches: torch.Tensor = module.image_features(pixels.to(self.device)).patches
            return patches

        def dense(self, pixels: torch.Tensor, attention: str) -> torch.Tensor:
            with self._autocast():
                features: torch.Tensor = module.dense(pixels.to(self.device), correlated=attention == "csa")
            return features

        def generate(self, pixels: torch.Tensor, questions: Sequence[str]) -> list[str]:
            """Answer one question about each image with the decoder; consecutive equal images are encoded once."""
            if module.decoder is None:
                raise TaskError("this checkpoint was trained without a decoder: it cannot answer questions.")
            ids = tokenizer.padded([tokenizer.ids(question) for question in questions]).to(self.device)
            pictures, rows = torch.unique_consecutive(pixels, return_inverse=True, dim=0)
            seen = module.image_features(pictures.to(self.device))
            features = ImageFeatures(*(part[rows] for part in seen))
            answers = module.generate(ids, features)
            return [tokenizer.decode(answer[answer < tokenizer.sot_token_id].tolist()).strip() for answer in answers]

    tokenizer = Tokenizer(about.config.merges, about.config.context_length)
    adapter = Goldiclip(
        module,
        image_transform_v2(PreprocessCfg(size=about.config.image_size), is_train=False),
        tokenizer,
        spec=spec,
        family="goldiclip",
        precision=options.precision,
        trims=True,
        home=about.home,
        notice="; ".join(filter(None, (f"{about.method}: {about.notice}", training_sentence(about.trained_on)))),
    )
    adapter.scoring = about.scoring
    if about.pools:
        adapter.pool = module.pool
    return adapter
