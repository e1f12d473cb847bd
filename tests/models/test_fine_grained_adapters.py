"""FG-CLIP, FG-CLIP 2 and beta-CLIP: their released layouts against an independent statement of their mathematics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from adapter_cases import refused
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_fine_grained import (
    LONG,
    LONG_2,
    State,
    betaclip_file,
    betaclip_state,
    fgclip2_config,
    fgclip2_folder,
    fgclip2_state,
    fgclip_config,
    fgclip_folder,
    fgclip_state,
)
from tiny_models import clip_tokenizer

from goldieval import load_model
from goldieval.core.errors import NotApplicableError
from goldieval.models.adapter import Dense, TextConditioned, inference
from goldieval.scoring.conditioned import conditioned_matrix
from goldieval.scoring.patches import reader

TEXTS = ["a dog", "A photo of 3 Dogs, two cats", "two cats on a sofa " * 40]


def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(3)
    return [
        Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8))
        for height, width in ((40, 60), (32, 32))
    ]


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=0)


def encoded(model: Any, texts: list[str]) -> torch.Tensor:
    tokens = model.tokenize(texts)
    tokens = model.trim(tokens) if hasattr(model, "trim") else tokens
    with inference(model):
        return F.normalize(model.encode_text(tokens), dim=-1)


def spliced(state: State, start: str) -> torch.Tensor:
    """The first 20 positions of one table and the rest of the other, by masks as in the released code."""
    first = (torch.arange(len(state[f"{start}ori.weight"])) < 20)[:, None].float()
    return state[f"{start}ori.weight"] * first + state[f"{start}res.weight"] * (1 - first)


# FG-CLIP


def clip_of_transformers(long: bool) -> Any:
    """transformers' own CLIP with the weights that FG-CLIP's code uses for short or for long texts."""
    from transformers import CLIPConfig, CLIPModel

    state, config = fgclip_state(), fgclip_config()
    start = "text_model.embeddings.position_embedding"
    if long:
        config["text_config"]["max_position_embeddings"] = LONG
        state |= {f"{start}.weight": spliced(state, f"{start}_")}
        state |= {"text_projection.weight": state["text_filip_projection.weight"]}
    model = CLIPModel(CLIPConfig(**config)).eval()
    model.load_state_dict({name: state[name] for name in model.state_dict()})
    return model


@pytest.mark.parametrize("text", ["short", "long"])
def test_fgclip_gives_the_embeddings_of_transformers_with_its_weights(tmp_path: Path, text: str) -> None:
    own, context = clip_of_transformers(text == "long"), LONG if text == "long" else 77
    model: Any = load_model(f"fgclip:{fgclip_folder(tmp_path)}::text={text}")
    ids = clip_tokenizer(tmp_path / "words")(
        TEXTS, padding="max_length", truncation=True, max_length=context, return_tensors="pt"
    ).input_ids
    with torch.no_grad():
        close(encoded(model, TEXTS), F.normalize(own.get_text_features(ids).pooler_output, dim=-1))
        mean, std = (torch.tensor(part)[:, None, None] for part in (open_clip_mean(), open_clip_std()))
        squashed = [np.asarray(picture.resize((32, 32), Image.Resampling.BICUBIC)) for picture in pictures()]
        pixels = torch.stack([(torch.from_numpy(each.copy()).permute(2, 0, 1) / 255 - mean) / std for each in squashed])
        ours = torch.stack([model.preprocess(picture) for picture in pictures()])
        close(ours, pixels)
        with inference(model):
            close(model.encode_image(ours), own.get_image_features(pixels).pooler_output)
    assert model.describe().context_length == context and model.describe().family == "fgclip"


def open_clip_mean() -> tuple[float, ...]:
    return (0.48145466, 0.4578275, 0.40821073)


def open_clip_std() -> tuple[float, ...]:
    return (0.26862954, 0.26130258, 0.27577711)


def test_fgclips_dense_features_are_those_of_a_last_layer_without_attention(tmp_path: Path) -> None:
    own, model = clip_of_transformers(long=False), load_model(f"fgclip@{fgclip_folder(tmp_path) / 'model.safetensors'}")
    assert isinstance(model, Dense)
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad(), inference(model):
        hidden = own.vision_model(pixels, output_hidden_states=True).hidden_states[-2]
        layer = own.vision_model.encoder.layers[-1]
        hidden = hidden + layer.self_attn.out_proj(layer.self_attn.v_proj(layer.layer_norm1(hidden)))
        hidden = hidden + layer.mlp(layer.layer_norm2(hidden))
        expected = own.visual_projection(own.vision_model.post_layernorm(hidden[:, 1:]))
        close(model.dense(pixels, "value").flatten(1, 2), expected)
        assert (model.dense(pixels, "plain").flatten(1, 2) - expected).abs().max() > 1e-3


@pytest.mark.parametrize(("family", "make"), [("fgclip", fgclip_folder), ("fgclip2", fgclip2_folder)])
def test_the_kind_of_texts_changes_the_identity_of_texts_and_not_that_of_images(
    tmp_path: Path, family: str, make: Any
) -> None:
    folder = make(tmp_path)
    plain, short, long = (
        load_model(f"{family}:{folder}{option}").describe() for option in ("", "::text=short", "::text=long")
    )
    assert (plain.fingerprint, plain.text_identity) == (short.fingerprint, short.text_identity)
    assert plain.fingerprint != long.fingerprint and plain.text_identity != long.text_identity
    assert plain.image_identity == long.image_identity
    assert long.options == {"text": "long"} and "text=long" in long.checkpoint


def test_fgclip_reads_size_and_is_known_by_one_name_whatever_the_place(tmp_path: Path) -> None:
    folder = fgclip_folder(tmp_path)
    one, other = (
        load_model(spec).describe() for spec in (f"fgclip:{folder}", f"fgclip@{folder / 'model.safetensors'}")
    )
    assert (one.fingerprint, one.image_identity) == (other.fingerprint, other.image_identity)
    larger = load_model(f"fgclip:{folder}::size=64::text=long").describe()
    assert larger.resolution == 64 and larger.context_length == LONG
    assert load_model(f"fgclip:{folder}::size=64").describe().image_identity == larger.image_identity


def test_files_that_are_no_fgclip_are_one_line(tmp_path: Path) -> None:
    folder, state = fgclip_folder(tmp_path), fgclip_state()
    file = folder / "model.safetensors"
    assert "fgclip has text=short or long" in refused(f"fgclip:{folder}::text=box")
    assert "text=medium is not possible: text is short or long or box" in refused(f"fgclip:{folder}::text=medium")
    assert "no option 'context'" in refused(f"fgclip:{folder}::context=77")
    for gone, line in (
        ("text_filip_projection.weight", "is not an FG-CLIP checkpoint: it has no text_filip_projection.weight"),
        ("vision_model.embeddings.patch_embedding.weight", "holds no image tower"),
        ("text_model.encoder.layers.1.self_attn.k_proj.bias", "tensors missing"),
    ):
        save_file({name: part for name, part in state.items() if name != gone}, file, {"format": "pt"})
        assert line in refused(f"fgclip:{folder}")
    save_file(state | {"text_model.adapter.weight": torch.ones(2)}, file, {"format": "pt"})
    assert "text_model.adapter.weight" in refused(f"fgclip:{folder}")
    save_file(state | {"visual.conv1.weight": torch.ones(2)}, file, {"format": "pt"})
    assert "has visual.conv1.weight twice" in refused(f"fgclip:{folder}")
    save_file(state, file, {"format": "pt"})
    config = fgclip_config()
    config["vision_config"]["hidden_act"] = "gelu"
    (folder / "config.json").write_text(json.dumps(config))
    assert "its config.json has gelu 1e-05" in refused(f"fgclip:{folder}")
    assert "write fgclip:OWNER/REPO, fgclip:FOLDER or fgclip@FILE" in refused("fgclip")
    assert "no folder" in refused("fgclip:nowhere")


# FG-CLIP 2


def siglip2_of_transformers(text: str) -> tuple[Any, State]:
    from transformers import Siglip2Config, Siglip2Model

    state, config = fgclip2_state(), fgclip2_config()
    sides = {
        side: {k: v for k, v in config[f"{side}_config"].items() if not k.endswith("_len")}
        for side in ("text", "vision")
    }
    start = "text_model.embeddings.position_embedding"
    if text == "long":
        sides["text"]["max_position_embeddings"] = LONG_2
        state |= {f"{start}.weight": spliced(state, f"{start}_")}
    if text != "short":
        head = {"long": "longtext_head", "box": "boxtext_head"}[text]
        state |= {f"text_model.head.{part}": state[f"{head}.{part}"] for part in ("weight", "bias")}
    model = Siglip2Model(Siglip2Config(text_config=sides["text"], vision_config=sides["vision"])).eval()
    model.load_state_dict({name: state[name] for name in model.state_dict()})
    return model, state


@pytest.mark.parametrize("text", ["short", "long", "box"])
def test_fgclip2_gives_the_text_embeddings_of_transformers_with_its_weights(tmp_path: Path, text: str) -> None:
    from transformers import PreTrainedTokenizerFast

    own, _ = siglip2_of_transformers(text)
    folder = fgclip2_folder(tmp_path)
    model: Any = load_model(f"fgclip2:{folder}::text={text}")
    context = LONG_2 if text == "long" else 64
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    lower = [each.lower() for each in TEXTS]
    made = tokenizer(lower, padding="max_length", truncation=True, max_length=context, return_tensors="pt")
    made.pop("token_type_ids", None)
    with torch.no_grad():
        close(encoded(model, TEXTS), F.normalize(own.get_text_features(**made).pooler_output, dim=-1))
    assert model.describe().context_length == context and not hasattr(model, "trim")


@pytest.mark.parametrize(
    ("size", "patches"), [((160, 200), 128), ((400, 400), 784), ((500, 640), 1024), ((8, 300), 128)]
)
def test_fgclip2_gives_the_image_embeddings_of_transformers_with_as_many_patches(
    tmp_path: Path, size: tuple[int, int], patches: int
) -> None:
    from transformers import Siglip2ImageProcessor

    own, _ = siglip2_of_transformers("short")
    model: Any = load_model(f"fgclip2:{fgclip2_folder(tmp_path)}")
    noise = np.random.default_rng(1).integers(0, 255, (*size, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    made = Siglip2ImageProcessor(patch_size=16)(images=picture, max_num_patches=patches, return_tensors="pt")
    with torch.no_grad(), inference(model):
        ours = model.encode_image(model.preprocess(picture)[None])
        close(F.normalize(ours, dim=-1), F.normalize(own.get_image_features(**made).pooler_output, dim=-1))


def test_fgclip2s_dense_features_are_those_of_its_own_head(tmp_path: Path) -> None:
    from transformers import Siglip2ImageProcessor

    (own, state), model = siglip2_of_transformers("box"), load_model(f"fgclip2:{fgclip2_folder(tmp_path)}::text=box")
    assert isinstance(model, Dense)
    noise = np.random.default_rng(2).integers(0, 255, (48, 80, 3), dtype=np.uint8)
    made = Siglip2ImageProcessor(patch_size=16, do_resize=False)(images=Image.fromarray(noise), return_tensors="pt")
    window = model.normalise(torch.from_numpy(noise.copy()).permute(2, 0, 1) / 255)[None]
    start = "dense_feature_head."
    head = {name.removeprefix(start): part for name, part in state.items() if name.startswith(start)}
    attention = torch.nn.MultiheadAttention(64, 1, batch_first=True)
    attention.load_state_dict(
        {name.removeprefix("attention."): part for name, part in head.items() if name.startswith("attention.")}
    )
    with torch.no_grad(), inference(model):
        hidden = own.vision_model(
            *(made[name] for name in ("pixel_values", "pixel_attention_mask", "spatial_shapes"))
        ).last_hidden_state[:, :15]
        hidden = attention(hidden, hidden, hidden)[0]
        inner = F.layer_norm(hidden, (64,), head["layernorm.weight"], head["layernorm.bias"], 1e-6)
        inner = F.gelu(F.linear(inner, head["mlp.fc1.weight"], head["mlp.fc1.bias"]), approximate="tanh")
        expected = hidden + F.linear(inner, head["mlp.fc2.weight"], head["mlp.fc2.bias"])
        close(model.dense(window, "plain").flatten(1, 2), expected)
        assert model.dense(window[..., :10, :40], "value").shape == (1, 1, 2, 64)
        with pytest.raises(NotApplicableError, match="head of its own"):
            model.dense(window, "csa")


def test_files_that_are_no_fgclip2_are_one_line(tmp_path: Path) -> None:
    folder, state = fgclip2_folder(tmp_path), fgclip2_state()
    file, config = folder / "model.safetensors", json.loads((folder / "config.json").read_text())
    assert "no option 'size'" in refused(f"fgclip2:{folder}::size=384")
    for gone, line in (
        ("boxtext_head.bias", "1 of "),
        ("dense_feature_head", "is not an FG-CLIP 2 checkpoint: it has no dense_feature_head"),
    ):
        save_file({name: part for name, part in state.items() if not name.startswith(gone)}, file, {"format": "pt"})
        assert line in refused(f"fgclip2:{folder}")
    save_file(state, file, {"format": "pt"})
    for change, line in (
        ({"vision_config": 3}, "has no text_config and vision_config"),
        ({"text_config": config["text_config"] | {"hidden_size": 10**6}}, "do not match its weights"),
        ({"text_config": config["text_config"] | {"num_hidden_layers": 10**7}}, "exceeds the maximum"),
        ({"text_config": config["text_config"] | {"longtext_len": 10**9}}, "more than the maximum"),
        ({"text_config": config["text_config"] | {"hidden_size": "wide"}}, "cannot be loaded"),
    ):
        (folder / "config.json").write_text(json.dumps(config | change))
        assert line in refused(f"fgclip2:{folder}")
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").unlink()
    assert "has no tokenizer.json" in refused(f"fgclip2:{folder}")
    assert "asks to run code" in refused(f"huggingface:{folder}")


# beta-CLIP


def beta_towers(
    state: State, pixels: torch.Tensor, ids: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Class token, patches of a last block without attention, and texts, by formulas on the state dict."""

    def norm(name: str, hidden: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(hidden, (64,), state[f"{name}.weight"], state[f"{name}.bias"], 1e-5)

    def linear(name: str, hidden: torch.Tensor) -> torch.Tensor:
        return F.linear(hidden, state[f"{name}.weight"], state[f"{name}.bias"])

    def quick(hidden: torch.Tensor) -> torch.Tensor:
        return hidden * torch.sigmoid(1.702 * hidden)

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | float = 0.0) -> torch.Tensor:
        return ((q @ k.transpose(-1, -2)) / 8 + mask).softmax(-1) @ v  # one head of width 64

    grid = F.conv2d(pixels, state["visual.patch_embed.proj.weight"], stride=16).flatten(2).transpose(1, 2)
    hidden = torch.cat([state["visual.cls_token"].expand(len(pixels), -1, -1), grid], 1) + state["visual.pos_embed"]
    hidden = norm("visual.norm_pre", hidden)
    both = {}
    for last in ("full", "value"):
        out = hidden
        for layer in range(2):
            block = f"visual.blocks.{layer}"
            q, k, v = linear(f"{block}.attn.qkv", norm(f"{block}.norm1", out)).chunk(3, -1)
            mixed = v if layer == 1 and last == "value" else attend(q, k, v)
            out = out + linear(f"{block}.attn.proj", mixed)
            out = out + linear(f"{block}.mlp.fc2", quick(linear(f"{block}.mlp.fc1", norm(f"{block}.norm2", out))))
        both[last] = norm("visual.norm", out) @ state["image_projection"]
    first = (torch.arange(LONG) < 20)[:, None].float()
    positions = state["positional_embedding"] * first + state["positional_embedding_res"] * (1 - first)
    text = state["token_embedding.weight"][ids] + positions
    mask = torch.full((LONG, LONG), -torch.inf).triu(1)
    for layer in range(2):
        block = f"transformer.resblocks.{layer}"
        inner = norm(f"{block}.ln_1", text)
        text = text + linear(
            f"{block}.attn.out_proj", attend(*(linear(f"{block}.attn.{s}_proj", inner) for s in "qkv"), mask)
        )
        text = text + linear(f"{block}.mlp.c_proj", quick(linear(f"{block}.mlp.c_fc", norm(f"{block}.ln_2", text))))
    ends = norm("ln_final", text)[torch.arange(len(ids)), ids.argmax(-1)]
    return both["full"][:, 0], both["value"][:, 1:], ends @ state["text_projection"]


def beta_scores(state: State, patches: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """Cosine of each text with each image pooled for it, by torch's own attention."""
    own = {name.removeprefix("text_conditioned_patches_block."): part for name, part in state.items()}
    attention = torch.nn.MultiheadAttention(64, 8, batch_first=True)
    attention.load_state_dict(
        {name.removeprefix("attn."): part for name, part in own.items() if name.startswith("attn.")}
    )
    keys, queries = F.normalize(patches, dim=-1), F.normalize(texts, dim=-1).expand(len(patches), -1, -1)
    pooled = attention(queries, keys, keys, need_weights=False)[0]
    inner = F.linear(
        F.layer_norm(pooled, (64,), own["ln_2.weight"], own["ln_2.bias"]), own["mlp.c_fc.weight"], own["mlp.c_fc.bias"]
    )
    pooled = pooled + F.linear(inner * torch.sigmoid(1.702 * inner), own["mlp.c_proj.weight"], own["mlp.c_proj.bias"])
    return (F.normalize(pooled, dim=-1) * queries).sum(-1)


def test_betaclip_gives_embeddings_and_conditioned_scores_by_its_formulas(tmp_path: Path) -> None:
    model: Any = load_model(f"betaclip@{betaclip_file(tmp_path)}")
    assert isinstance(model, TextConditioned) and model.describe().scoring == "global"
    assert model.describe().context_length == LONG
    pixels, ids = torch.randn(10, 3, 32, 32), model.tokenize(TEXTS)
    expected = beta_towers(betaclip_state(), pixels, ids)
    with torch.no_grad(), inference(model):
        images, patches, texts = (
            model.encode_image(pixels),
            model.patch_tokens(pixels),
            model.encode_text(model.trim(ids)),
        )
        scores = conditioned_matrix(model.pool, texts, patches)
        pooled = model.pool(texts.expand(len(patches), -1, -1), patches)
    for ours, theirs in zip((images, patches, texts), expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)
    close(scores, beta_scores(betaclip_state(), *expected[1:]))
    close(scores, F.cosine_similarity(pooled, texts.expand(len(patches), -1, -1), dim=-1))
    assert scores.std(0).min() > 2e-3


def test_betaclips_pooling_reads_segmentation_without_a_null_slot(tmp_path: Path) -> None:
    model: Any = load_model(f"betaclip@{betaclip_file(tmp_path)}")
    features, texts = torch.randn(1, 2, 3, 64), torch.randn(4, 64)
    with torch.no_grad():
        maps = reader("attention-map", F.normalize(texts, dim=-1), texts, model.pool)(features)
    close(maps.flatten(2).sum(-1), torch.ones(1, 4))
    with pytest.raises(NotApplicableError, match="no null slot"):
        reader("pooling", texts, texts, model.pool)


def test_files_that_are_no_betaclip_are_one_line(tmp_path: Path) -> None:
    file, state = tmp_path / "beta.safetensors", betaclip_state()
    block = "text_conditioned_patches_block"
    for gone, line in (
        ("image_projection", "is not a beta-CLIP checkpoint: it has no image_projection"),
        (block, "has no text_conditioned_patches_block.…"),
        (f"{block}.attn.in_proj_weight", "the pooling does not fit: missing or invalid 'attn.in_proj_weight'"),
        (f"{block}.ln_2.weight", "1 of 14 tensors missing (ln_2.weight)"),
        ("visual.patch_embed.proj.weight", "holds no image tower"),
        ("transformer.resblocks.0.attn.q_proj.weight", "1 of "),
    ):
        save_file({name: part.contiguous() for name, part in state.items() if not name.startswith(gone)}, file)
        assert line in refused(f"betaclip@{file}")
    save_file(
        {name: part.contiguous() for name, part in state.items()} | {f"{block}.ln_q.weight": torch.ones(64)}, file
    )
    assert "ln_q.weight" in refused(f"betaclip@{file}")
    plain = {name: part.contiguous() for name, part in state.items() if name != "positional_embedding_res"}
    plain["positional_embedding"] = plain["positional_embedding"][:77].contiguous()
    save_file(plain, file)
    assert load_model(f"betaclip@{file}").describe().context_length == 77
    assert len(load_file(file)) == len(plain)
