"""Sizes of a model, as data. They are part of its fingerprint and are stored in its checkpoints."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from goldieval.core.declared_sizes import CONTEXT, LAYERS
from goldieval.goldiclip.number_types import Count, NotNegative, WholeNumber

Layers = Annotated[WholeNumber, Field(ge=1, le=LAYERS)]
DecoderKind = Literal["none", "through_encoder", "in_encoder"]
Stem = Literal["patch", "overlap"]
TokenPooling = Literal["mean", "patches"]
LATER_PARTS = ("token_pooling", "distillation_head", "conditioned_scale")  # older versions refuse keys unknown to them
LARGEST_HEAD = 65_536  # hidden width of a projection head
FULL_MERGES = 48894  # merges of CLIP's own BPE file; the vocabulary is then 49,408


class ModelConfig(BaseModel):
    """Sizes and parts of a model.

    Attributes:
        image_size: Side of an image in pixels.
        patch_size: Side of a patch in pixels.
        stem: ``patch`` makes a token of its patch alone (ViT); ``overlap`` of its patch and half a patch around it, so
            that small objects lie whole within some token.
        vision_width: Width of the image tower.
        vision_layers: Blocks of the image tower.
        vision_heads: Attention heads of the image tower.
        text_width: Width of the text tower.
        text_layers: Blocks of the text tower.
        text_heads: Attention heads of the text tower.
        context_length: Largest number of tokens of a text, with start and end of text.
        merges: Number of CLIP's byte-pair merges that the tokenizer keeps; any text can still be tokenised.
        embed_dim: Width of the shared embedding space.
        pool_heads: Heads of the text-conditioned pooling.
        decoder: Decoder, one of two readings of the paper's "encoder-integrated decoder", or ``none``.
        decoder_layers: Blocks of the decoder.
        prototypes: Prototypes of the DINO heads; 0 makes none.
        distillation_head: Hidden width of the projection heads through which student and teacher are compared in
            contrastive distillation, one head for text-agnostic and one for text-conditioned features; 0 makes none.
        token_classes: Whether there is a head that predicts a caption's tokens from the patches (SuperCLIP).
        token_pooling: What that head classifies: the ``mean`` of the patches (SuperCLIP), or each of the ``patches``,
            whose logits are pooled by their logarithm of summed exponentials, so that patches learn what they show.
        conditioned_scale: Whether the conditioned sigmoid loss has a logit scale and bias of its own.
        cross_modal: Whether there is attention between the modalities (COSMOS).
        grouping: Whether there is a logit scale for grouped patches (DreamLIP).
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
    context_length: Annotated[WholeNumber, Field(ge=3, le=CONTEXT)] = 77
    merges: Annotated[WholeNumber, Field(ge=0, le=FULL_MERGES)] = 2000
    embed_dim: Count = 128
    pool_heads: Count = 4
    decoder: DecoderKind = "none"
    decoder_layers: Layers = 2
    prototypes: NotNegative = 0
    distillation_head: Annotated[WholeNumber, Field(ge=0, le=LARGEST_HEAD)] = 0
    token_classes: bool = False
    token_pooling: TokenPooling = "mean"
    conditioned_scale: bool = False
    cross_modal: bool = False
    grouping: bool = False

    @property
    def vocab_size(self) -> int:
        """Size of the vocabulary: bytes, bytes at the end of a word, merges, start and end of text."""
        return 512 + self.merges + 2

    @property
    def end_of_text(self) -> int:
        """Id of the end of text; the start of text comes before it."""
        return self.vocab_size - 1

    def stored(self) -> dict[str, Any]:
        """Return what a checkpoint says of its sizes, without the later parts where it does not have them."""
        unused = {name for name in LATER_PARTS if getattr(self, name) == type(self).model_fields[name].default}
        return self.model_dump(exclude=unused)

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
