"""Sizes of a model, as data. They are part of its fingerprint and travel inside its checkpoint."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from goldieval.core.declared_sizes import CONTEXT, LAYERS

Count = Annotated[int, Field(ge=1)]
Layers = Annotated[int, Field(ge=1, le=LAYERS)]
DecoderKind = Literal["none", "through_encoder", "in_encoder"]
Stem = Literal["patch", "overlap"]
FULL_MERGES = 48894  # of CLIP's own BPE file; the vocabulary is then 49,408


class ModelConfig(BaseModel):
    """One model size.

    stem: patch: a token is one linear map of its patch (ViT); overlap: of its patch and half a patch around it, so that
        small objects lie whole in some token's view.
    merges: how many of CLIP's byte-pair merges the tokenizer keeps; any text still tokenises, by bytes at worst.
    decoder: none, or one of our two readings of "encoder-integrated decoder".   prototypes: of DINO heads.
    token_classes: a head that predicts the caption's tokens from the patches (SuperCLIP).
    cross_modal: attention between the modalities (COSMOS).   grouping: a scale for grouped patches (DreamLIP).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_size: Count = 64
    patch_size: Count = 8
    stem: Stem = "patch"
    vision_width: Count = 192
    vision_layers: Layers = 6
    vision_heads: Count = 3
    text_width: Count = 128
    text_layers: Layers = 4
    text_heads: Count = 4
    context_length: Annotated[int, Field(ge=3, le=CONTEXT)] = 77
    merges: Annotated[int, Field(ge=0, le=FULL_MERGES)] = 2000
    embed_dim: Count = 128
    pool_heads: Count = 4
    decoder: DecoderKind = "none"
    decoder_layers: Layers = 2
    prototypes: Annotated[int, Field(ge=0)] = 0
    token_classes: bool = False
    cross_modal: bool = False
    grouping: bool = False

    @property
    def vocab_size(self) -> int:
        """Bytes, bytes at a word's end, merges, start and end of text."""
        return 512 + self.merges + 2

    @property
    def end_of_text(self) -> int:
        return self.vocab_size - 1

    @model_validator(mode="after")
    def _shapes_are_possible(self) -> ModelConfig:
        divisions = (
            ("image_size", "patch_size"),
            ("vision_width", "vision_heads"),
            ("text_width", "text_heads"),
            ("embed_dim", "pool_heads"),
        )
        for whole, part in divisions:
            if getattr(self, whole) % getattr(self, part):
                raise ValueError(f"{whole} {getattr(self, whole)} is not divisible by {part} {getattr(self, part)}")
        if self.stem == "overlap" and self.patch_size % 2:
            raise ValueError(f"patch_size {self.patch_size} is odd, and stem overlap needs half of it")
        if self.decoder == "in_encoder" and self.decoder_layers > self.text_layers:
            raise ValueError(f"decoder_layers {self.decoder_layers} exceed text_layers {self.text_layers}")
        return self
