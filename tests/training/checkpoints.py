"""Small published models with random weights, in the layouts in which hubs keep them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn

VIT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
TEXT = VIT | {"vocab_size": 50, "max_position_embeddings": 8, "bos_token_id": 1, "eos_token_id": 2}
CONV = {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 1, 1]}
TWO = {"vision_config": VIT | {"image_size": 32, "patch_size": 8}, "text_config": TEXT}
MODELS: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "resnet": ("ResNetForImageClassification", "ResNetConfig", CONV | {"embedding_size": 8}),
    "mobilenet": ("MobileNetV2ForImageClassification", "MobileNetV2Config", {"depth_multiplier": 0.25}),
    "convnext": ("ConvNextV2ForImageClassification", "ConvNextV2Config", CONV),
    "dinov2": ("Dinov2ForImageClassification", "Dinov2Config", VIT | {"image_size": 32, "patch_size": 8}),
    "dinov2-registers": (
        "Dinov2WithRegistersModel",
        "Dinov2WithRegistersConfig",
        VIT | {"image_size": 32, "patch_size": 8, "num_register_tokens": 3},
    ),
    "dinov3": ("DINOv3ViTModel", "DINOv3ViTConfig", VIT | {"patch_size": 8, "num_register_tokens": 4}),
    "dinov3-convnext": ("DINOv3ConvNextModel", "DINOv3ConvNextConfig", CONV),
    "clip": ("CLIPModel", "CLIPConfig", TWO | {"projection_dim": 8}),
    "clip-vision": ("CLIPVisionModel", "CLIPVisionConfig", TWO["vision_config"]),
    "siglip": ("SiglipModel", "SiglipConfig", TWO),
    "siglip-vision": ("SiglipVisionModel", "SiglipVisionConfig", TWO["vision_config"]),
}
WHOLE: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    **MODELS,
    "clip-projection": (
        "CLIPVisionModelWithProjection",
        "CLIPVisionConfig",
        TWO["vision_config"] | {"projection_dim": 8},
    ),
}
"""Those with what their authors publish, where that is a file of its own."""


def saved(name: str, folder: Path, *, vivid: bool = False) -> Any:
    """A small model with random weights, saved in a folder; vivid ones tell photos apart."""
    model, config, settings = WHOLE[name]
    torch.manual_seed(0)
    made = getattr(transformers, model)(getattr(transformers, config)(**settings)).eval()
    for key, parameter in made.named_parameters():  # some begin as nothing, which would hide what is left out
        nn.init.normal_(parameter, std=0.1)
        if vivid and parameter.ndim > 1:
            nn.init.normal_(parameter, std=1.5 / parameter[0].numel() ** 0.5)
        elif vivid and key.endswith("weight"):
            nn.init.normal_(parameter, mean=1.0, std=0.1)
    made.save_pretrained(folder)
    return made
