"""Tiny models of other architectures that answer prompts, with random weights, saved as transformers saves them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tiny_llava import LANGUAGE, VICUNA, VISION, byte_tokenizer, save, vocabulary

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% for content in message.content %}"
    "{% if content.type == 'image' %}MARK{% else %}{{ content.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def llava_next(folder: Path) -> Path:
    """LLaVA-NeXT: a picture is shown whole and in tiles, so that its tokens depend on its shape."""
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaNextConfig,
        LlavaNextForConditionalGeneration,
        LlavaNextImageProcessor,
        LlavaNextProcessor,
    )

    tokenizer, tiles = byte_tokenizer("<image>"), [[32, 64], [64, 32], [64, 64]]
    config = LlavaNextConfig(
        vision_config=CLIPVisionConfig(**VISION),
        text_config=LlamaConfig(**LANGUAGE, **vocabulary(tokenizer), max_position_embeddings=2048),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=tiles,
    )
    save(LlavaNextForConditionalGeneration, config, folder, 1)
    pictures = LlavaNextImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}, image_grid_pinpoints=tiles
    )
    layout: dict[str, Any] = {"patch_size": 8, "vision_feature_select_strategy": "default"}
    made = LlavaNextProcessor(pictures, tokenizer, chat_template=VICUNA, num_additional_image_tokens=1, **layout)
    made.save_pretrained(folder)
    return folder


def qwen2_vl(folder: Path) -> Path:
    """Qwen2-VL: pictures keep their shape, and the model keeps the state of a generation."""
    from transformers import (
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )

    marks = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    tokenizer = byte_tokenizer(*marks)
    ids = dict(zip(marks, tokenizer.convert_tokens_to_ids(list(marks)), strict=True))
    config = Qwen2VLConfig(
        text_config={
            **LANGUAGE,
            **vocabulary(tokenizer),
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]},
            "rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 2]},
        },
        vision_config={"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 8},
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        initializer_range=0.6,
    )
    save(Qwen2VLForConditionalGeneration, config, folder, 2)
    size: dict[str, Any] = {"patch_size": 8, "size": {"shortest_edge": 16 * 16, "longest_edge": 64 * 64}}
    template = CHATML.replace("MARK", "<|vision_start|><|image_pad|><|vision_end|>")
    made = Qwen2VLProcessor(
        Qwen2VLImageProcessor(**size), tokenizer, Qwen2VLVideoProcessor(**size), chat_template=template
    )
    made.save_pretrained(folder)
    return folder


def paligemma(folder: Path) -> Path:
    """PaliGemma: no chat template, and a prompt that is read in both directions."""
    from transformers import (
        PaliGemmaConfig,
        PaliGemmaForConditionalGeneration,
        PaliGemmaProcessor,
        SiglipImageProcessor,
    )

    tokenizer = byte_tokenizer("<image>", image_token="<image>")
    config = PaliGemmaConfig(
        text_config={"model_type": "gemma", **LANGUAGE, **vocabulary(tokenizer), "head_dim": 8},
        vision_config={"model_type": "siglip_vision_model", **VISION, "vision_use_head": False},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        projection_dim=32,
    )
    save(PaliGemmaForConditionalGeneration, config, folder, 3)
    pictures = SiglipImageProcessor(size={"height": 32, "width": 32})
    pictures.image_seq_length = 16
    PaliGemmaProcessor(pictures, tokenizer).save_pretrained(folder)
    return folder


def blip_2(folder: Path) -> Path:
    """BLIP-2: the processor puts the picture before any text."""
    from transformers import (
        Blip2Config,
        Blip2ForConditionalGeneration,
        Blip2Processor,
        Blip2QFormerConfig,
        Blip2VisionConfig,
        BlipImageProcessor,
        OPTConfig,
    )

    tokenizer = byte_tokenizer("<image>")
    language = OPTConfig(
        hidden_size=32,
        word_embed_proj_dim=32,
        ffn_dim=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        init_std=0.6,
        **vocabulary(tokenizer),
    )
    config = Blip2Config(
        vision_config=Blip2VisionConfig(**VISION).to_dict(),
        qformer_config=Blip2QFormerConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, encoder_hidden_size=32
        ).to_dict(),
        text_config=language.to_dict(),
        num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    save(Blip2ForConditionalGeneration, config, folder, 4)
    pictures = BlipImageProcessor(size={"height": 32, "width": 32})
    Blip2Processor(pictures, tokenizer, num_query_tokens=4).save_pretrained(folder)
    return folder


def idefics3(folder: Path) -> Path:
    """Idefics3, of which SmolVLM is a variant: tiles with marks of rows and columns."""
    from transformers import (
        Idefics3Config,
        Idefics3ForConditionalGeneration,
        Idefics3ImageProcessor,
        Idefics3Processor,
    )

    marks = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
    tokenizer = byte_tokenizer(*marks)
    config = Idefics3Config(
        vision_config={**VISION, "model_type": "idefics3_vision"},
        text_config={"model_type": "llama", **LANGUAGE, **vocabulary(tokenizer), "max_position_embeddings": 2048},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    save(Idefics3ForConditionalGeneration, config, folder, 5)
    pictures = Idefics3ImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    template = CHATML.replace("MARK", "<image>")
    Idefics3Processor(pictures, tokenizer, image_seq_len=4, chat_template=template).save_pretrained(folder)
    return folder


def internvl(folder: Path) -> Path:
    """InternVL in transformers' layout."""
    from transformers import (
        GotOcr2ImageProcessor,
        InternVLConfig,
        InternVLForConditionalGeneration,
        InternVLProcessor,
        InternVLVideoProcessor,
    )

    names = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokenizer = byte_tokenizer(*names.values(), **names)
    config = InternVLConfig(
        vision_config={
            **{name: value for name, value in VISION.items() if name not in ("image_size", "patch_size")},
            "image_size": [32, 32],
            "patch_size": [8, 8],
        },
        text_config={"model_type": "qwen2", **LANGUAGE, **vocabulary(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    save(InternVLForConditionalGeneration, config, folder, 6)
    pictures = GotOcr2ImageProcessor(
        size={"height": 32, "width": 32}, crop_to_patches=True, min_patches=1, max_patches=4
    )
    made = InternVLProcessor(
        pictures,
        tokenizer,
        InternVLVideoProcessor(),
        image_seq_length=4,
        chat_template=CHATML.replace("MARK", "<IMG_CONTEXT>\n"),
    )
    made.save_pretrained(folder)
    return folder


MAKERS: dict[str, Callable[[Path], Path]] = {
    "LLaVA-NeXT": llava_next,
    "Qwen2-VL": qwen2_vl,
    "PaliGemma": paligemma,
    "BLIP-2": blip_2,
    "Idefics3": idefics3,
    "InternVL": internvl,
}
