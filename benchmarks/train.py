"""Photos a second of training steps: `fit` by the recipe `contrast`, beside the loop one would write in a notebook.

Usage: train.py [SIZE]. Same net (EfficientNet-Lite0 with its ImageNet weights, SIZE pixels square, 128 by default),
same batches of 80 photos, same loss and optimizer, same drawn 480 × 640 JPEGs, decoded anew at every step. `fit`
computes in bf16 and channels-last, keeps freed memory, flushes denormals and decodes on threads; the notebook
computes in fp32 with torch's defaults and decodes in a DataLoader without workers. Each run has a process of its
own, since the allocator's settings are a process's; they take turns.
"""

import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROUNDS = 3
ITEMS, ITEMS_A_BATCH = 120, 40
WARM, MEASURED, AFTER = 10, 10, 4
"""Steps of `fit`, which writes its figures every ten, and decodes four batches ahead, which must not run dry."""
NOTEBOOK_WARM = 3
PHOTOS = 2 * ITEMS_A_BATCH


def draw(folder: Path) -> None:
    """One shop photo and one customer photo of each item, and the manifest."""
    from PIL import Image

    from twinset.datasets import wardrobe

    rows = [("path", "item_id", "domain", "category", "split")]
    for number, photo in enumerate(wardrobe.photos(ITEMS, 7, 1, 1)):
        item, domain = divmod(number, 2)
        name = f"{number:04d}.jpg"
        Image.fromarray(photo.pixels).resize((480, 640)).save(folder / name, quality=90)
        split = "val" if item < 4 else "train"
        rows.append((name, f"i{item:03d}", ("shop", "customer")[domain], "TOPS", split))
    with (folder / "photos.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def ours(folder: Path, size: int) -> float:
    """Photos a second of `fit`, as its journal tells them, between its tenth and its twentieth step."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command does, before torch is loaded
    from twinset.training import loader, recipe
    from twinset.training.fit import fit

    if not hasattr(loader, "_CACHE_BYTES"):
        sys.exit("the loader's cache has another name: set it to nothing here, or photos are decoded once only")
    loader._CACHE_BYTES = 0  # noqa: SLF001 - as in a set much larger than the memory
    most = PHOTOS * (WARM + MEASURED + AFTER)
    settings = [f"size={size}", "epochs=1000", f"max_photos={most}", "evaluate_every=1000"]
    with tempfile.TemporaryDirectory() as out:
        run = Path(out) / "run"
        fit([folder / "photos.csv"], run, recipe.load("contrast").changed(settings), say=lambda _: None)
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    rates = {row["step"]: (row["photos"], row["photos/s"]) for row in rows if "photos/s" in row}
    (first, before), (last, after) = rates[WARM], rates[WARM + MEASURED]
    return float((last - first) / (last / after - first / before))


def notebook(folder: Path, size: int) -> float:
    """Photos a second of a plain loop."""
    import numpy as np
    import torch
    from PIL import Image
    from torch import nn
    from torch.utils.data import DataLoader, Dataset

    from twinset.training.losses import Contrast, InfoNCE, TripletLoss
    from twinset.training.mobile import lite

    class Photos(Dataset[tuple[torch.Tensor, int]]):
        def __init__(self) -> None:
            with (folder / "photos.csv").open() as file:
                self.rows = [row for row in csv.DictReader(file) if row["split"] == "train"]

        def __len__(self) -> int:
            return len(self.rows)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            row = self.rows[index]
            image = Image.open(folder / row["path"]).convert("RGB")
            width, height = (side * random.uniform(0.75, 1) for side in image.size)
            left, top = random.uniform(0, image.width - width), random.uniform(0, image.height - height)
            box = (left, top, left + width, top + height)
            image = image.resize((size, size), Image.Resampling.BICUBIC, box)
            if random.random() < 0.5:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float() / 255
            return (pixels - 0.5) / 0.5, int(row["item_id"][1:])

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = lite("efficientnet-lite0")
            self.head = nn.Linear(1280, 256)

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.head(self.backbone(pixels)[0].mean(dim=(2, 3)))

    photos = Photos()
    items = len(photos) // 2

    def batches() -> Iterator[list[int]]:
        for _ in range(NOTEBOOK_WARM + MEASURED):
            chosen = random.sample(range(items), ITEMS_A_BATCH)
            yield [2 * item + domain for domain in (1, 0) for item in chosen]

    net = Net().train()
    loss_of = Contrast(InfoNCE(0.07), TripletLoss(0.2, normalise=True))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-4)
    started = 0.0
    for step, (pixels, labels) in enumerate(DataLoader(photos, batch_sampler=list(batches()))):
        if step == NOTEBOOK_WARM:
            started = time.perf_counter()
        loss = loss_of(net(pixels), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return PHOTOS * MEASURED / (time.perf_counter() - started)


def measured(which: str, folder: Path, size: int) -> float:
    """One run in a process of its own."""
    command = [sys.executable, __file__, which, str(folder), str(size)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    if len(sys.argv) == 4:
        which = {"ours": ours, "notebook": notebook}[sys.argv[1]]
        print(which(Path(sys.argv[2]), int(sys.argv[3])))
        return
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 128
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder)
        pairs = [(measured("notebook", folder, size), measured("ours", folder, size)) for _ in range(ROUNDS)]
    print(f"EfficientNet-Lite0 at {size} × {size}, {PHOTOS} photos a step, {MEASURED} steps, {ROUNDS} rounds")
    print(f"notebook: fp32, torch's defaults {statistics.median(a for a, _ in pairs):7.1f} photos/s")
    print(f"twinset fit                      {statistics.median(b for _, b in pairs):7.1f} photos/s")
    ratios = sorted(b / a for a, b in pairs)
    print(f"fit ÷ notebook {statistics.median(ratios):.2f} ({ratios[0]:.2f} – {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
