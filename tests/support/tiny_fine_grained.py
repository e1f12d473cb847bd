"""Tiny FG-CLIP, FG-CLIP 2 and beta-CLIP in the layouts of their released code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from tiny_models import SIZES, unigram

State = dict[str, torch.Tensor]
SIDE: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 1}
LONG, LONG_2 = 248, 196  # tokens of a long text, in FG-CLIP and FG-CLIP 2


def fgclip_config() -> dict[str, Any]:
    """The sizes of a tiny FG-CLIP, without what its repository says of its code."""
    text = SIDE | {"vocab_size": 49408, "bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407}
    return {
        "text_config": text | {"hidden_act": "quick_gelu"},
        "vision_config": SIDE | {"image_size": 32, "patch_size": 16, "hidden_act": "quick_gelu"},
        "projection_dim": 32,
    }


def fgclip_state() -> State:
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(11)
    state = {name: part.clone() for name, part in CLIPModel(CLIPConfig(**fgclip_config())).state_dict().items()}
    tables = {
        f"text_model.embeddings.position_embedding_{kind}.weight": 0.1 * torch.randn(LONG, 64)
        for kind in ("ori", "res")
    }
    scales = {f"logit_scale_{name}": torch.tensor(2.0) for name in ("finegraind", "hardneg")}
    return state | tables | scales | {"text_filip_projection.weight": 0.1 * torch.randn(32, 64)}


def fgclip_folder(folder: Path) -> Path:
    """Save a tiny FG-CLIP as on the Hub: its config asks for the code of the repository."""
    return _saved(folder / "fgclip", fgclip_state(), fgclip_config() | {"model_type": "clip"})


def fgclip_file(folder: Path) -> Path:
    """Save a tiny FG-CLIP as a trainer of torch does."""
    file = folder / "fgclip.pt"
    torch.save({"epoch": 1, "state_dict": {f"module.{name}": part for name, part in fgclip_state().items()}}, file)
    return file


def fgclip2_config() -> dict[str, Any]:
    text = SIDE | {"vocab_size": 100, "max_position_embeddings": 64, "eos_token_id": 1, "pad_token_id": 1}
    return {
        "text_config": text | {"projection_size": 64, "keep_len": 20, "longtext_len": LONG_2},
        "vision_config": SIDE | {"num_patches": 16, "patch_size": 16},
    }


def fgclip2_state() -> State:
    from transformers import Siglip2Config, Siglip2Model

    torch.manual_seed(12)
    config = fgclip2_config()
    text = {name: value for name, value in config["text_config"].items() if name not in ("keep_len", "longtext_len")}
    model = Siglip2Model(Siglip2Config(text_config=text, vision_config=config["vision_config"]))
    state = {name: part.clone() for name, part in model.state_dict().items()}
    head = {name: part for name, part in state.items() if name.startswith("vision_model.head.")}
    state |= {
        name.replace("vision_model.head.", "dense_feature_head."): 0.1 * torch.randn(part.shape)
        for name, part in head.items()
    }
    for name in ("longtext_head", "boxtext_head"):
        state |= {f"{name}.weight": 0.1 * torch.randn(64, 64), f"{name}.bias": 0.1 * torch.randn(64)}
    for kind in ("ori", "res"):
        state[f"text_model.embeddings.position_embedding_{kind}.weight"] = 0.1 * torch.randn(LONG_2, 64)
    return state


def fgclip2_folder(folder: Path) -> Path:
    place = _saved(folder / "fgclip2", fgclip2_state(), fgclip2_config() | {"model_type": "fgclip2"})
    unigram(lower=False).save_pretrained(place)
    return place


def _saved(place: Path, state: State, config: dict[str, Any]) -> Path:
    place.mkdir(parents=True)
    code = {"auto_map": {"AutoConfig": "theirs.Config", "AutoModelForCausalLM": "theirs.Model"}}
    (place / "config.json").write_text(json.dumps(config | code))
    (place / "theirs.py").write_text("raise SystemExit('code of the repository was run')\n")
    save_file({name: part.contiguous() for name, part in state.items()}, place / "model.safetensors", {"format": "pt"})
    return place


def betaclip_state() -> State:
    """A timm tower, a text tower with separate projections and a pooling, by the names of the released code."""
    torch.manual_seed(13)
    clip: Any = open_clip.CLIP(**SIZES, quick_gelu=True)
    state = {_beta_name(name): 0.2 * torch.randn(part.shape) for name, part in clip.state_dict().items()}
    state["visual.cls_token"] = state["visual.cls_token"].view(1, 1, -1)
    state["visual.pos_embed"] = state["visual.pos_embed"][None]
    for name in [each for each in state if each.startswith("transformer.") and "in_proj" in each]:
        thirds = state.pop(name).chunk(3)
        state |= {name.replace("in_proj_", f"{side}_proj."): third for side, third in zip("qkv", thirds, strict=True)}
    pooling = torch.nn.MultiheadAttention(64, 8).state_dict()
    state |= {
        f"text_conditioned_patches_block.attn.{name}": 0.3 * torch.randn(part.shape) for name, part in pooling.items()
    }
    shapes = {"ln_2.weight": (64,), "ln_2.bias": (64,), "logit_scale": ()}
    shapes |= {
        "mlp.c_fc.weight": (256, 64),
        "mlp.c_fc.bias": (256,),
        "mlp.c_proj.weight": (64, 256),
        "mlp.c_proj.bias": (64,),
    }
    state |= {f"text_conditioned_patches_block.{name}": 0.3 * torch.randn(shape) for name, shape in shapes.items()}
    tables = {name: 0.1 * torch.randn(LONG, 64) for name in ("positional_embedding", "positional_embedding_res")}
    return state | tables


def _beta_name(name: str) -> str:
    pairs = {
        "visual.class_embedding": "visual.cls_token",
        "visual.positional_embedding": "visual.pos_embed",
        "visual.conv1.": "visual.patch_embed.proj.",
        "visual.ln_pre.": "visual.norm_pre.",
        "visual.ln_post.": "visual.norm.",
        "visual.proj": "image_projection",
        "visual.transformer.resblocks.": "visual.blocks.",
    }
    for ours, theirs in pairs.items():
        name = name.replace(ours, theirs)
    if name.startswith("visual.blocks."):
        inner = {
            "ln_1": "norm1",
            "ln_2": "norm2",
            "c_fc": "fc1",
            "c_proj": "fc2",
            "in_proj_": "qkv.",
            "out_proj": "proj",
        }
        for ours, theirs in inner.items():
            name = name.replace(ours, theirs)
    return name


def betaclip_file(folder: Path) -> Path:
    file = folder / "betaclip.pt"
    state = {f"module.{name}": part for name, part in betaclip_state().items()}
    torch.save({"epoch": 10, "state_dict": state, "optimizer": {"state": {}}, "best_acc1": 1.0}, file)
    return file
