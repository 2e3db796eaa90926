"""What lies in a folder after a fault, as a reader finds it."""

import hashlib
from pathlib import Path
from typing import Any

from twinset import Catalogue
from twinset.store.copies import Copies
from twinset.store.rows import Rows


def look(folder: str, query: str) -> dict[str, Any]:
    """The state of each catalogue by name, of other folders the files, of files a hash."""
    return {path.name: state(path, query) for path in sorted(Path(folder).iterdir())}


def state(path: Path, query: str) -> Any:
    """Photos, answers, what `verify` finds, temporary files and copies of no photo; or see `look`."""
    if not path.is_dir():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    if not (path / "catalogue.json").exists():
        return sorted(str(found.relative_to(path)) for found in path.rglob("*") if found.is_file())
    with Catalogue(path) as catalogue:
        problems = [f"{problem.file}: {problem.what}" for problem in catalogue.verify()]
        hits = [[hit.item_id, hit.photo_id, hit.score] for hit in catalogue.search(query, 1000, by="photo")]
    there, copies = photos(path), Copies(path)
    leftovers = sorted(str(found.relative_to(path)) for found in path.rglob("*tmp*"))
    leftovers += [f"the copy of {name}" for name in sorted(copies.contents().keys() - there.keys())]
    copies.close()
    named = {facts[1] for facts in there.values() if facts[0] == "api"}
    for found in sorted((path / "received").rglob("*")) if (path / "received").exists() else ():
        if found.is_file() and str(found.relative_to(path / "received")) not in named:
            leftovers.append(f"{found.relative_to(path)} of no row")
    return {"photos": there, "hits": hits, "problems": problems, "leftovers": leftovers}


def photos(path: Path) -> dict[str, list[Any]]:
    """Row and live vector of each photo by its id, without the numbers that tell when they were written."""
    rows, found = Rows(path), {}
    with rows.snapshot():
        stored = list(rows.since(0))
        blobs = {vector[1]: vector[4].hex() for vector in rows.stored_vectors(rows.live(), [r.id for r in stored])}
        for row in stored:
            number, name, *facts, _ = row.values()
            assert name not in found, f"photo {name} is there twice"
            found[name] = [*facts, blobs[number]]
    rows.close()
    return found
