"""Tiny models with random weights that answer questions about pictures, saved as transformers saves them."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from packaging.version import Version

from model_adapters.vlm import LEAST

CORPUS = (
    "USER: ASSISTANT: A chat between a curious user and an assistant.",
    "What colour is the circle? Answer the question using a single word or phrase.",
    "How many red squares are there? Is there a dog in the image? yes no two three unanswerable",
    "Answer with the option's letter from the given choices directly. A. B. C. D. E.",
)
VICUNA = (
    "{% for message in messages %}{{ message.role.upper() + ': ' }}"
    "{% for content in message.content if content.type == 'image' %}<image>\n{% endfor %}"
    "{% for content in message.content if content.type == 'text' %}{{ content.text + ' ' }}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
LANGUAGE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "initializer_range": 0.6,  # answers that depend on the question, and on the picture
}
VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
    "initializer_range": 0.3,
}
SPECIAL = ("<unk>", "<s>", "</s>", "<pad>")


def llava_folder(folder: Path, seed: int = 0, template: str = VICUNA, **processor: Any) -> Path:
    """Save a tiny LLaVA of the layout of LLaVA-1.5: CLIP's image tower, a projector, Llama; return its folder.

    Args:
        folder: where it is saved.
        seed: seed of its weights.
        template: its chat template; empty for none.
        processor: fields of the processor, such as ``patch_size``, that replace those of LLaVA-1.5.
    """
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

    tokenizer = byte_tokenizer("<image>")
    language = LlamaConfig(**LANGUAGE, **vocabulary(tokenizer), max_position_embeddings=2048)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**VISION),
        text_config=language,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=16,
    )
    save(LlavaForConditionalGeneration, config, folder, seed)
    layout = {"patch_size": 8, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    made = LlavaProcessor(clip_pictures(), tokenizer, chat_template=template or None, **{**layout, **processor})
    made.save_pretrained(folder)
    return folder


def save(kind: Any, config: Any, folder: Path, seed: int) -> None:
    """Save a model with random weights, of which the same seed gives the same, and leave torch's generator alone.

    Skips the test if the installed transformers is too old for models that answer prompts.
    """
    if Version(version("transformers")) < Version(LEAST):
        pytest.skip(f"models that answer prompts need transformers {LEAST}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        kind(config).eval().save_pretrained(folder)


def clip_pictures(size: int = 32) -> Any:
    """Return CLIP's image processor for small images."""
    from transformers import CLIPImageProcessor

    return CLIPImageProcessor(size={"shortest_edge": size}, crop_size={"height": size, "width": size})


def byte_tokenizer(*marks: str, **names: str) -> Any:
    """Return a byte-pair tokenizer that reads any text, with Llama's start of text and further special tokens.

    Args:
        marks: further special tokens.
        names: attributes of the tokenizer that name a special token, such as ``image_token``.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = [*SPECIAL, *marks]
    trainer = trainers.BpeTrainer(
        vocab_size=320 + len(special), special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=list(marks),
        model_input_names=["input_ids", "attention_mask"],
        **({"extra_special_tokens": names} if names else {}),
    )


def vocabulary(tokenizer: Any) -> dict[str, int]:
    """Return what the config of a language model says of its tokenizer."""
    return {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
