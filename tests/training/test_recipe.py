"""Recipes: flat, typed, and nothing unknown gets in."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import get_args

import pytest

from twinset.errors import PathError, UsageError
from twinset.training import recipe


@pytest.mark.parametrize("name", recipe.names())
def test_a_shipped_recipe_survives_its_own_text(name: str, tmp_path: Path) -> None:
    """What is written into a run reads back as the same recipe."""
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.load(name).text(), encoding="utf-8")
    assert recipe.load(path) == recipe.load(name)


def test_the_founding_recipe_is_the_founding_studys() -> None:
    """ResNet-50, average pool, dropout, dense 512, last stage; margin 0.5 on raw Euclidean distances; Adam 1e-4, 10
    epochs, 224 pixels."""
    founding = asdict(recipe.load("founding"))
    assert founding["dropout"] > 0
    assert {
        "backbone": "microsoft/resnet-50", "pretrained": True, "pooling": "average", "head": "dense", "dim": 512,
        "trainable_stages": 1, "size": 224, "sampler": "triplets", "augment": "none", "loss": "triplet",
        "margin": 0.5, "normalise": False, "squared": False, "rate": 1e-4, "backbone_rate": 1.0,
        "weight_decay": 0.0,
        "schedule": "constant", "warm_up": 0.0, "epochs": 10.0, "max_photos": 0, "accumulate": 1, "ema": 0.0,
    }.items() <= founding.items()  # fmt: skip


def test_settings_are_typed_by_their_key() -> None:
    """Numbers, truth values and texts, quoted or not, `=` in a text included."""
    changed = recipe.load("founding").changed(
        ["rate=3e-4", "epochs=3", "normalise=true", "backbone=a/b=c", "batch = 64", "precision=bf16"]
    )
    assert (changed.rate, changed.epochs, changed.normalise) == (3e-4, 3.0, True)
    assert (changed.backbone, changed.batch, changed.precision) == ("a/b=c", 64, "bf16")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("rat=1", "there is no setting 'rat': did you mean rate?"),
        ("zzz=1", "there is no setting 'zzz': use one of backbone"),
        ("rate", "'rate' is no setting: write key=value"),
        ("rate=fast", "rate = 'fast' is no float"),
        ("batch=1.5", "batch = 1.5 is of another type: use int"),
        ("normalise=1", "normalise = 1 is of another type: use bool"),
        ("pooling=averag", "pooling = 'averag' is unknown: did you mean average?"),
        ("dropout=1", "dropout = 1.0 is out of range: use 0 to 0.95"),
        ("rate=nan", "rate = nan is out of range"),
        ("loss=contrast", "loss = contrast needs many negatives"),
        ("dim=0", "dim = 0 goes with head = bn"),
        ("looks=4", "head = dense does not go with looks = 4: set head = blend and looks = 2, or neither"),
        ("head=blend", "head = blend does not go with looks = 0: set head = blend and looks = 2, or neither"),
        ("looks=101", "looks = 101 is out of range: use 0 to 100"),
        ("hold=-1", "hold = -1.0 is out of range: use 0 to 100"),
        ("sampler=sources", "sampler = sources goes with head = blend and loss = contrast: set sampler = pairs"),
        ("sampler=source", "sampler = 'source' is unknown: did you mean sources?"),
    ],
)
def test_a_bad_setting_is_refused_with_its_mend(setting: str, message: str) -> None:
    """The message names the key, the value and what to write."""
    with pytest.raises(UsageError) as refused:
        recipe.load("founding").changed([setting])
    assert str(refused.value).startswith(message)


def test_sources_go_with_a_blend_and_contrast() -> None:
    """The recipe `head` has all three; without one of them it is refused."""
    head = recipe.load("head")
    assert (head.head, head.sampler, head.loss, head.trainable_stages) == ("blend", "sources", "contrast", 0)
    assert head.looks > 1
    assert head.hold > 0
    for settings in (["loss=triplet"], ["head=dense", "looks=0"]):
        with pytest.raises(UsageError, match="sampler = sources goes with head = blend and loss = contrast"):
            head.changed(settings)


def test_a_blend_begins_from_what_was_learned() -> None:
    """Random features fade to nothing before they reach its gate."""
    with pytest.raises(UsageError, match="head = blend begins from what a net has learned: set pretrained = true"):
        recipe.load("head").changed(["pretrained=false"])


def test_the_settings_table_lists_every_setting() -> None:
    """Each with its default, and each word that it may be."""
    text = (Path(__file__).parent.parent.parent / "docs/training.md").read_text(encoding="utf-8")
    table = text.split("\n## Settings\n")[1].split("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| `")
    ]
    listed: dict[str, str] = {}
    for names, defaults, told in cells:
        settings, given = names.replace("`", "").split(","), defaults.replace("`", "").split(",")
        listed |= {name.strip(): f"{default.strip()} {told}" for name, default in zip(settings, given, strict=True)}
    assert list(listed) == list(asdict(recipe.load("founding")))
    for field in fields(recipe.Recipe):
        default = listed[field.name].split(" ")[0]
        if field.name != "backbone":
            shown = json.loads(default) if isinstance(field.default, bool | int | float) else default
            assert shown == field.default, field.name
        for word in get_args(field.type):
            assert word in listed[field.name], (field.name, word)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('backbone = "resnet-50"\nrat = 1', "did you mean rate"),
        ('backbone = "resnet-50"\nrate = "1"', "another type"),
        ('backbone = "resnet-50"\n[more]\nrate = 1', "no setting 'more'"),
        ("rate = 1", "names no backbone"),
        ("rate = = 1", "is no TOML"),
    ],
)
def test_a_bad_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    """Unknown keys, wrong types and broken TOML."""
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        recipe.load(path)


@pytest.mark.parametrize("name", ["fouding", "missing.toml"])
def test_a_missing_recipe_is_bad_input(name: str) -> None:
    """By name or by path."""
    with pytest.raises(PathError, match=r"did you mean founding\?|name a recipe"):
        recipe.load(name)
