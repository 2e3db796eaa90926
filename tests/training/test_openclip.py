"""OpenCLIP's folders as bundles, against plain forward passes of CLIP's and of timm's SigLIP's transformers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from twinset.bundle import open_bundle
from twinset.errors import IntegrityError, PathError, UsageError
from twinset.prepared import CLIP
from twinset.records import Pixels
from twinset.runtime import Runtime
from twinset.training import encoder
from twinset.training.release import export_published

Tensors = dict[str, Tensor]
WIDTH, LAYERS, IMAGE, PATCH, EMBED = 32, 2, 32, 8, 12
SIGLIP_WIDTH, SIGLIP_PATCH = 48, 16
"""timm's base models have twelve heads."""
HALF = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}


def drawn(shapes: dict[str, tuple[int, ...]]) -> Tensors:
    """Random tensors that keep the size of what goes through them."""
    draw = torch.Generator().manual_seed(4)
    tensors = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=draw)
        wide = len(shape) > 1 and name != "visual.positional_embedding"
        tensors[name] = values * 1.5 / values[0].numel() ** 0.5 if wide else values * 0.2
        if name.endswith("weight") and len(shape) == 1:
            tensors[name] += 1
    return tensors


def linear(name: str, out: int, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, width), f"{name}.bias": (out,)}


def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def clip_tensors() -> Tensors:
    """What OpenCLIP saves of a CLIP: the tower that sees, and a little of the one that reads."""
    v = "visual."
    shapes: dict[str, tuple[int, ...]] = {
        f"{v}class_embedding": (WIDTH,),
        f"{v}positional_embedding": ((IMAGE // PATCH) ** 2 + 1, WIDTH),
        f"{v}proj": (WIDTH, EMBED),
        f"{v}conv1.weight": (WIDTH, 3, PATCH, PATCH),
        **norm(f"{v}ln_pre", WIDTH),
        **norm(f"{v}ln_post", WIDTH),
    }
    for layer in range(LAYERS):
        name = f"{v}transformer.resblocks.{layer}"
        shapes |= norm(f"{name}.ln_1", WIDTH) | norm(f"{name}.ln_2", WIDTH)
        shapes |= {f"{name}.attn.in_proj_weight": (3 * WIDTH, WIDTH), f"{name}.attn.in_proj_bias": (3 * WIDTH,)}
        shapes |= linear(f"{name}.attn.out_proj", WIDTH, WIDTH)
        shapes |= linear(f"{name}.mlp.c_fc", 4 * WIDTH, WIDTH) | linear(f"{name}.mlp.c_proj", WIDTH, 4 * WIDTH)
    shapes |= {"positional_embedding": (7, 8), "text_projection": (8, EMBED), "token_embedding.weight": (9, 8)}
    shapes |= {"transformer.resblocks.0.attn.in_proj_weight": (24, 8), **norm("ln_final", 8)}
    return drawn(shapes) | {"logit_scale": torch.tensor(1.0)}


def clip_forward(tensors: Tensors, pixels: Tensor, heads: int, *, quick: bool) -> Tensor:
    """CLIP's vision transformer in plain torch, from its own tensors (Radford et al., 2021)."""
    t = {name.removeprefix("visual."): value for name, value in tensors.items() if name.startswith("visual.")}

    def normed(x: Tensor, name: str) -> Tensor:
        return functional.layer_norm(x, (WIDTH,), t[f"{name}.weight"], t[f"{name}.bias"], 1e-5)

    x = functional.conv2d(pixels, t["conv1.weight"], stride=PATCH).flatten(2).transpose(1, 2)
    x = torch.cat([t["class_embedding"].expand(len(x), 1, -1), x], 1) + t["positional_embedding"]
    x = normed(x, "ln_pre")
    for layer in range(LAYERS):
        name = f"transformer.resblocks.{layer}"
        attention = nn.MultiheadAttention(WIDTH, heads, batch_first=True).eval()
        attention.load_state_dict(
            {
                key.removeprefix(f"{name}.attn."): value
                for key, value in t.items()
                if key.startswith(f"{name}.attn.")
            }
        )
        y = normed(x, f"{name}.ln_1")
        x = x + attention(y, y, y, need_weights=False)[0]
        y = normed(x, f"{name}.ln_2") @ t[f"{name}.mlp.c_fc.weight"].T + t[f"{name}.mlp.c_fc.bias"]
        y = y * torch.sigmoid(1.702 * y) if quick else functional.gelu(y)
        x = x + y @ t[f"{name}.mlp.c_proj.weight"].T + t[f"{name}.mlp.c_proj.bias"]
    return normed(x[:, 0], "ln_post") @ t["proj"]


def siglip_tensors() -> Tensors:
    """What OpenCLIP saves of a SigLIP whose tower that sees is timm's."""
    v, width = "visual.trunk.", SIGLIP_WIDTH
    shapes: dict[str, tuple[int, ...]] = {
        f"{v}pos_embed": (1, (IMAGE // SIGLIP_PATCH) ** 2, width),
        f"{v}patch_embed.proj.weight": (width, 3, SIGLIP_PATCH, SIGLIP_PATCH),
        f"{v}patch_embed.proj.bias": (width,),
        **norm(f"{v}norm", width),
        f"{v}attn_pool.latent": (1, 1, width),
        **norm(f"{v}attn_pool.norm", width),
        **linear(f"{v}attn_pool.q", width, width),
        **linear(f"{v}attn_pool.kv", 2 * width, width),
        **linear(f"{v}attn_pool.proj", width, width),
        **linear(f"{v}attn_pool.mlp.fc1", 4 * width, width),
        **linear(f"{v}attn_pool.mlp.fc2", width, 4 * width),
    }
    for layer in range(LAYERS):
        name = f"{v}blocks.{layer}"
        shapes |= norm(f"{name}.norm1", width) | norm(f"{name}.norm2", width)
        shapes |= linear(f"{name}.attn.qkv", 3 * width, width) | linear(f"{name}.attn.proj", width, width)
        shapes |= linear(f"{name}.mlp.fc1", 4 * width, width) | linear(f"{name}.mlp.fc2", width, 4 * width)
    shapes |= {"text.positional_embedding": (7, 8), "text.token_embedding.weight": (9, 8)}
    return drawn(shapes) | {"logit_scale": torch.tensor(1.0), "logit_bias": torch.tensor(-10.0)}


def siglip_forward(tensors: Tensors, pixels: Tensor, approximate: str, patch: int = SIGLIP_PATCH) -> Tensor:
    """timm's vision transformer with attention pooling, in plain torch (Zhai et al., 2023)."""
    width, heads, v = SIGLIP_WIDTH, 12, "visual.trunk."
    t = {name.removeprefix(v): value for name, value in tensors.items() if name.startswith(v)}

    def normed(x: Tensor, name: str) -> Tensor:
        return functional.layer_norm(x, (width,), t[f"{name}.weight"], t[f"{name}.bias"], 1e-6)

    def dense(x: Tensor, name: str) -> Tensor:
        return x @ t[f"{name}.weight"].T + t[f"{name}.bias"]

    def mlp(x: Tensor, name: str) -> Tensor:
        return dense(functional.gelu(dense(x, f"{name}.fc1"), approximate=approximate), f"{name}.fc2")

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (each.unflatten(2, (heads, width // heads)).transpose(1, 2) for each in (q, k, v))
        shares = (q @ k.transpose(2, 3) / (width // heads) ** 0.5).softmax(3)
        return (shares @ v).transpose(1, 2).flatten(2)

    x = functional.conv2d(pixels, t["patch_embed.proj.weight"], t["patch_embed.proj.bias"], stride=patch)
    x = x.flatten(2).transpose(1, 2) + t["pos_embed"]
    for layer in range(LAYERS):
        name = f"blocks.{layer}"
        x = x + dense(
            attend(*dense(normed(x, f"{name}.norm1"), f"{name}.attn.qkv").chunk(3, 2)), f"{name}.attn.proj"
        )
        x = x + mlp(normed(x, f"{name}.norm2"), f"{name}.mlp")
    x = normed(x, "norm")
    query = dense(t["attn_pool.latent"].expand(len(x), -1, -1), "attn_pool.q")
    x = dense(attend(query, *dense(x, "attn_pool.kv").chunk(2, 2)), "attn_pool.proj")
    return (x + mlp(normed(x, "attn_pool.norm"), "attn_pool.mlp"))[:, 0]


def clip_config(**changes: Any) -> dict[str, Any]:
    vision = {"image_size": IMAGE, "layers": LAYERS, "width": WIDTH, "patch_size": PATCH, "head_width": 8}
    text = {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12}
    return {"embed_dim": EMBED, "vision_cfg": vision, "text_cfg": text} | changes


def siglip_config(**changes: Any) -> dict[str, Any]:
    vision = {
        "image_size": IMAGE,
        "timm_model_name": "vit_base_patch16_siglip_224",
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": "none",
    }
    return {"embed_dim": 768, "init_logit_bias": -10, "custom_text": True, "vision_cfg": vision | changes}


def folder(
    path: Path,
    tensors: Tensors,
    config: dict[str, Any],
    prepare: dict[str, Any] | None = None,
    file: str = "open_clip_model.safetensors",
) -> Path:
    """A folder as OpenCLIP writes it for a hub."""
    path.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path / file)
    told = {"model_cfg": config, "preprocess_cfg": HALF if prepare is None else prepare}
    (path / "open_clip_config.json").write_text(json.dumps(told))
    return path


def photos() -> Pixels:
    draw = np.random.default_rng(5)
    return (draw.integers(0, 256, (3, IMAGE, IMAGE, 3)) * draw.uniform(0.2, 1, (3, 1, 1, 3))).astype(np.uint8)


def normalised(photos: Pixels, mean: Any = (0.5,) * 3, std: Any = (0.5,) * 3) -> Tensor:
    values = (torch.from_numpy(photos).float() / 255 - torch.tensor(mean)) / torch.tensor(std)
    return values.permute(0, 3, 1, 2)


def agree(model: Path, wanted: Tensor, out: Path | None = None) -> None:
    """The net gives what is wanted, photos differ, and so does the bundle where one is written."""
    with torch.inference_mode():
        found = encoder.load(model).eval()(torch.from_numpy(photos()))
    assert torch.allclose(found, wanted, atol=1e-4, rtol=1e-4)
    assert functional.cosine_similarity(wanted[0], wanted[1], 0) < 0.99
    if out is not None:
        assert export_published(model, out).cosine >= 0.9999
        bundle = torch.from_numpy(Runtime(open_bundle(out).model, "cpu").embed(photos()))
        assert functional.cosine_similarity(bundle.double(), wanted.double()).min() > 0.99999


@pytest.mark.parametrize("quick", [False, True])
def test_a_clip_is_what_it_was(quick: bool, tmp_path: Path) -> None:
    """Heads by their width, either GELU, the projection; cropped and normalised as OpenCLIP does by itself."""
    tensors = clip_tensors()
    model = folder(tmp_path / "m", tensors, clip_config(quick_gelu=quick), {})
    wanted = clip_forward(tensors, normalised(photos(), *CLIP), 4, quick=quick)
    agree(model, wanted, tmp_path / "b" if quick else None)
    seen = encoder.load(model).prepared
    assert (seen.size, seen.fit, seen.filter, seen.mean) == (IMAGE, "crop", "bicubic", CLIP[0])


def test_a_siglip_is_what_it_was(tmp_path: Path) -> None:
    """Marqo-FashionSigLIP's layout: attention pooling, exact GELU, squashed photos."""
    tensors = siglip_tensors()
    model = folder(tmp_path / "m", tensors, siglip_config())
    agree(model, siglip_forward(tensors, normalised(photos()), "none"), tmp_path / "b")
    facts = open_bundle(tmp_path / "b").facts
    assert (facts.dim, facts.preprocess.fit, facts.preprocess.size) == (SIGLIP_WIDTH, "squash", IMAGE)


def test_some_siglips_have_the_other_gelu(tmp_path: Path) -> None:
    """Which one is told by the name alone."""
    tensors = siglip_tensors()
    draw = torch.Generator().manual_seed(2)
    shape = (SIGLIP_WIDTH, 3, 32, 32)
    tensors["visual.trunk.patch_embed.proj.weight"] = torch.randn(shape, generator=draw) / 30
    tensors["visual.trunk.pos_embed"] = tensors["visual.trunk.pos_embed"][:, :1]
    model = folder(tmp_path, tensors, siglip_config(timm_model_name="vit_base_patch32_siglip_256"))
    agree(model, siglip_forward(tensors, normalised(photos()), "tanh", 32))


def test_keys_behind_a_wrapper_and_halves_are_taken(tmp_path: Path) -> None:
    """`model.` before each key, as where transformers holds OpenCLIP's model; weights in fp16."""
    halves = {name: tensor.half() for name, tensor in siglip_tensors().items()}
    wrapped = {f"model.{name}": tensor for name, tensor in halves.items()}
    model = folder(tmp_path, wrapped, siglip_config(), file="model.safetensors")
    full = {name: tensor.float() for name, tensor in halves.items()}
    agree(model, siglip_forward(full, normalised(photos()), "none"))


def without(tensors: Tensors) -> None:
    del tensors["visual.trunk.attn_pool.kv.bias"]


def further(tensors: Tensors) -> None:
    tensors["visual.trunk.blocks.0.ls1.gamma"] = torch.ones(3)


def stranger(tensors: Tensors) -> None:
    tensors["audio.weight"] = torch.ones(3)


def other(tensors: Tensors) -> None:
    tensors["visual.trunk.norm.weight"] = torch.ones(3)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (without, r"1 keys are missing: trunk\.attn_pool\.kv\.bias"),
        (further, r"1 keys are unexpected: trunk\.blocks\.0\.ls1\.gamma"),
        (stranger, r"no model of OpenCLIP: 1 keys are unexpected: audio\.weight"),
        (other, r"does not fit its config: size mismatch for post_layernorm\.weight"),
    ],
)
def test_keys_are_taken_strictly(change: Callable[[Tensors], None], match: str, tmp_path: Path) -> None:
    """One too few, too many, or of another shape is an error that names it."""
    model = folder(tmp_path, siglip_tensors(), siglip_config())
    tensors = load_file(model / "open_clip_model.safetensors")
    change(tensors)
    save_file(tensors, model / "open_clip_model.safetensors")
    with pytest.raises(IntegrityError, match=match):
        encoder.load(model)


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        (
            "head_width",
            64,
            "no config of clip_vision_model: integer modulo by zero: mend its config.json, or OpenC",
        ),
        ("width", 33, r"no config of clip_vision_model: .*33.*: mend its config"),
        ("image_size", [32, 16], r"open_clip_config\.json cannot be followed: .*size \[32, 16\]"),
    ],
)
def test_a_config_that_makes_no_net_is_told(name: str, value: Any, match: str, tmp_path: Path) -> None:
    """Sizes that do not go together end in one line, never in a traceback."""
    config = clip_config(vision_cfg=clip_config()["vision_cfg"] | {name: value})
    with pytest.raises(PathError, match=match):
        encoder.load(folder(tmp_path, clip_tensors(), config))


def test_weights_of_another_tower_are_told(tmp_path: Path) -> None:
    """A SigLIP's config beside a CLIP's weights: the weights are named, not the config."""
    with pytest.raises(IntegrityError, match=r"safetensors does not fit its config: 2 keys are missing: trunk\.bl"):
        encoder.load(folder(tmp_path, clip_tensors(), siglip_config()))


@pytest.mark.parametrize(
    ("config", "match"),
    [
        (
            siglip_config(timm_model_name="vit_base_patch16_siglip_gap_224"),
            "siglip_gap_224 with pool 'map' is unknown",
        ),
        (siglip_config(timm_model_name="convnext_base"), "convnext_base with pool 'map' is unknown"),
        (siglip_config(timm_proj="linear"), "vit_base_patch16_siglip_224 with pool 'map' is unknown"),
        (
            clip_config(vision_cfg=clip_config()["vision_cfg"] | {"pool_type": "avg"}),
            "pool_type = 'avg' is unknown",
        ),
        (clip_config(vision_cfg=clip_config()["vision_cfg"] | {"no_ln_pre": True}), "no_ln_pre = True is unknown"),
        (clip_config(vision_cfg=clip_config()["vision_cfg"] | {"layers": [3, 4]}), "sees by a ResNet"),
    ],
)
def test_what_would_be_another_net_is_refused(config: dict[str, Any], match: str, tmp_path: Path) -> None:
    """Settings that have no counterpart here are named, not passed over."""
    model = folder(tmp_path, clip_tensors(), config)
    with pytest.raises(UsageError, match=match):
        encoder.load(model)


@pytest.mark.parametrize("told", [{"interpolation": "nearest"}, {"resize_mode": "stretch"}, {"size": [224, 200]}])
def test_a_preparation_that_is_unknown_is_refused(told: dict[str, Any], tmp_path: Path) -> None:
    """Nothing is replaced silently."""
    model = folder(tmp_path, clip_tensors(), clip_config(), told)
    with pytest.raises(PathError, match=r"open_clip_config\.json cannot be followed"):
        encoder.load(model)


def test_a_letterbox_has_its_ground(tmp_path: Path) -> None:
    """`longest` shows the whole photo on the colour that OpenCLIP fills with."""
    model = folder(tmp_path, clip_tensors(), clip_config(), {"resize_mode": "longest", "fill_color": 7})
    prepare = encoder.load(model).prepared.preprocess()
    assert (prepare.fit, prepare.fill) == ("letterbox", (7, 7, 7))


def test_a_pickle_and_a_damaged_file_are_refused(tmp_path: Path) -> None:
    """OpenCLIP's .bin is never opened; a file that was cut short is said to be."""
    model = folder(tmp_path, clip_tensors(), clip_config())
    weights = model / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(IntegrityError, match=r"open_clip_model\.safetensors does not load"):
        encoder.load(model)
    weights.rename(model / "open_clip_pytorch_model.bin")
    with pytest.raises(PathError, match="pickles are never read"):
        encoder.load(model)
