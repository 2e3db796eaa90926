"""Writes docs/openapi.json anew: the description of the API as its routes declare it."""

import json
import tempfile
from pathlib import Path

from twinset import Catalogue
from twinset.datasets.wardrobe import draw
from twinset.server.app import create_app

PLACE = Path(__file__).parent.parent / "docs/openapi.json"


def main() -> None:
    """Describes the application of a small catalogue: what it holds does not matter."""
    with tempfile.TemporaryDirectory() as folder:
        shop = draw(Path(folder) / "shop", items=1, seed=7)
        with Catalogue.build(Path(folder) / "catalogue", shop, bundle="colour") as catalogue:
            app = create_app(catalogue)
            PLACE.write_text(json.dumps(app.openapi(), indent=1) + "\n", encoding="utf-8")
            app.state.service.close()
    print(PLACE)


if __name__ == "__main__":
    main()
