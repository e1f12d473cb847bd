"""Tiny models in the files of other code bases, as saved by their authors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import torch

SIZES: dict[str, Any] = {  # widths of one head, so that no config is needed
    "embed_dim": 64,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2},
}


def clip_state(seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return {name: tensor.clone() for name, tensor in open_clip.CLIP(**SIZES).state_dict().items()}


def pooling_state(prefix: str) -> dict[str, torch.Tensor]:
    attention = torch.nn.MultiheadAttention(64, 8)
    norms = {f"{prefix}ln_{side}.{part}": torch.rand(64) for side in "qkv" for part in ("weight", "bias")}
    return {**{f"{prefix}attn.{name}": tensor for name, tensor in attention.state_dict().items()}, **norms}


def flair_file(folder: Path) -> Path:
    names = {"visual.proj": "image_post.proj", "text_projection": "text_post.proj"}
    state = {names.get(name, name): tensor for name, tensor in clip_state().items()}
    return _saved(folder / "flair.pt", state | pooling_state("visual_proj.") | {"logit_bias": torch.tensor(-10.0)})


def superclip_file(folder: Path) -> Path:
    state = {
        name if name.startswith(("visual.", "logit_scale")) else f"text.{name}": tensor
        for name, tensor in clip_state().items()
    }
    head = {"text_decoder.text_projection.bias": torch.zeros(49408), "cap_fq": torch.zeros(1, 49408)}
    return _saved(folder / "superclip.pt", state | head)


def cosmos_file(folder: Path) -> Path:
    both = {}
    for seed, who in enumerate(("student", "teacher")):
        crossed = pooling_state("text_attn_cross_pool.") | {"distill_logit_scale": torch.tensor(1.0)}
        both[who] = {f"module.{name}": tensor for name, tensor in (clip_state(seed) | crossed).items()}
    file = folder / "cosmos.pt"
    torch.save({"epoch": 32, **both}, file)
    return file


def _saved(file: Path, state: dict[str, torch.Tensor]) -> Path:
    torch.save({"epoch": 32, "state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, file)
    return file


# transformers


def huggingface_folder(folder: Path, kind: str) -> Path:
    """Save a tiny model of transformers with its processor; return its folder."""
    folder = folder / kind
    makers = {"clip": _clip, "tinyclip": _tinyclip, "metaclip2": _metaclip2, "siglip": _siglip, "siglip2": _siglip2}
    makers[kind](folder)
    return folder


TOWERS: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}


def _tinyclip(folder: Path) -> None:
    """TinyCLIP: image and text towers of different widths and depths."""
    _clip(folder, {"hidden_size": 32, "num_hidden_layers": 1}, {"hidden_size": 96, "num_hidden_layers": 3})


def _metaclip2(folder: Path) -> None:
    """MetaCLIP 2: CLIP's towers with a tokenizer of many languages."""
    from transformers import CLIPImageProcessor, CLIPProcessor, MetaClip2Config, MetaClip2Model

    torch.manual_seed(6)
    text = TOWERS | {"vocab_size": 100, "max_position_embeddings": 64, "eos_token_id": 1, "pad_token_id": 0}
    vision = TOWERS | {"image_size": 32, "patch_size": 16}
    MetaClip2Model(MetaClip2Config(text_config=text, vision_config=vision, projection_dim=32)).save_pretrained(folder)
    pictures = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    tokenizer = unigram(lower=False)
    tokenizer.pad_token = "<pad>"
    CLIPProcessor(pictures, tokenizer).save_pretrained(folder)


def _clip(folder: Path, own_text: dict[str, int] | None = None, own_vision: dict[str, int] | None = None) -> None:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    torch.manual_seed(3)
    text = TOWERS | {"vocab_size": 49408, "bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407}
    text, vision = text | (own_text or {}), TOWERS | {"image_size": 32, "patch_size": 16} | (own_vision or {})
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=32)).save_pretrained(folder)
    pictures = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(pictures, clip_tokenizer(folder)).save_pretrained(folder)


def clip_tokenizer(folder: Path) -> Any:
    """CLIP's own tokenizer in transformers' format, from the byte-pair merges included in open_clip."""
    from transformers import CLIPTokenizer

    full = open_clip.SimpleTokenizer()
    names = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {names.get(piece, piece): number for piece, number in full.encoder.items()}
    merges = sorted(full.bpe_ranks, key=full.bpe_ranks.__getitem__)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{' '.join(merge)}\n" for merge in merges))
    return CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), pad_token="<|endoftext|>", model_max_length=77
    )


CORPUS = ["a dog", "a photo of a large red circle left of two small blue squares", "two cats on a sofa", "étude 3"]


def unigram(lower: bool) -> Any:
    """Train a small unigram tokenizer with SigLIP's rules: lower case, one end token, which also pads."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.Unigram())
    rules = [normalizers.Replace(mark, "") for mark in ".,!?'"] + [normalizers.NFKC()]
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *rules] if lower else rules)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=90, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>")
    tokenizer.train_from_iterator(CORPUS * 10, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="</s>", eos_token="</s>", unk_token="<unk>", model_max_length=64
    )


def _siglip(folder: Path) -> None:
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel, SiglipProcessor

    torch.manual_seed(4)
    tokenizer = unigram(lower=True)
    tokenizer.model_input_names = ["input_ids"]
    text = TOWERS | {"vocab_size": 100, "max_position_embeddings": 64, "eos_token_id": 1, "pad_token_id": 1}
    vision = TOWERS | {"image_size": 32, "patch_size": 16}
    SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    SiglipProcessor(SiglipImageProcessor(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)


def _siglip2(folder: Path) -> None:
    from transformers import Siglip2Config, Siglip2ImageProcessor, Siglip2Model, Siglip2Processor

    torch.manual_seed(5)
    text = TOWERS | {"vocab_size": 100, "max_position_embeddings": 64, "eos_token_id": 1, "pad_token_id": 1}
    vision = TOWERS | {"num_patches": 16, "patch_size": 16}
    Siglip2Model(Siglip2Config(text_config=text, vision_config=vision)).save_pretrained(folder)
    pictures = Siglip2ImageProcessor(patch_size=16, max_num_patches=256)
    Siglip2Processor(pictures, unigram(lower=True)).save_pretrained(folder)
