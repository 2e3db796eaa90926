"""What one would write without twinset: FastAPI, a torch net in eager mode, FAISS. `serve.py` measures it.

Usage: plain_service.py VECTORS.npy IDS.json PORT.
"""

import io
import json
import sys
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
import uvicorn
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from PIL import Image, ImageOps

from twinset.preprocess import Preprocess
from twinset.training import backbone
from twinset.training.net import Net, Shape

NAME, SIZE, SHOWN = "efficientnet-lite0", 224, 20


def net() -> Net:
    """EfficientNet-Lite0's features, averaged over the places: the weights that come with its package."""
    body = backbone.load(NAME)
    return Net(body, Shape("average", "bn", 0, 0.0, -1), Preprocess(SIZE, body.filter)).eval()


def service(vectors: str, ids: str) -> FastAPI:
    """An application that answers one route."""
    model = net()
    index = faiss.IndexFlatIP(model.dim)
    index.add(np.load(vectors))
    items = json.loads(Path(ids).read_text(encoding="utf-8"))
    app = FastAPI()

    def answer(data: bytes) -> list[dict[str, Any]]:
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB").resize((SIZE, SIZE))
        with torch.inference_mode():
            embedding = torch.nn.functional.normalize(model(torch.from_numpy(np.array(image)[np.newaxis]))).numpy()
        scores, places = index.search(embedding, SHOWN)
        return [
            {"rank": rank, "item_id": items[place], "score": score}
            for rank, (place, score) in enumerate(zip(places[0].tolist(), scores[0].tolist(), strict=True), 1)
        ]

    @app.post("/v1/search")
    async def search(request: Request) -> list[dict[str, Any]]:
        return await run_in_threadpool(answer, await request.body())

    return app


if __name__ == "__main__":
    uvicorn.run(service(*sys.argv[1:3]), port=int(sys.argv[3]), log_level="warning")
