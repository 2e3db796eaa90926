"""Names of items and photos → their rows, or the names nearest to one that is unknown."""

from collections.abc import Sequence

from twinset.catalogue import derived
from twinset.catalogue.folder import CatalogueFolder
from twinset.errors import NEAREST, UnknownItemError, did_you_mean
from twinset.store.rows import Rows
from twinset.store.schema import Row


def named(
    folder: CatalogueFolder, rows: Rows, item_ids: Sequence[str], paths: Sequence[str] = (), *, undone: str
) -> list[Row]:
    """Every row of some items, and of some paths, each once; `undone` says what does not happen without them.

    Raises:
        UnknownItemError: the catalogue does not hold one of them.

    """
    of_items, of_paths = rows.of_items(item_ids), rows.of_paths(paths)
    missing = [("item_id", name) for name in sorted(set(item_ids) - {row.photo.item_id for row in of_items})]
    missing += [("path", name) for name in sorted(set(paths) - {row.photo.path for row in of_paths})]
    if missing:
        with rows.snapshot():
            columns = derived.open_columns(folder, rows, rows.state().sequence)
        field, name = missing[0]
        first = ", ".join(name for _, name in missing[:3])
        raise UnknownItemError(
            f"the catalogue holds no {first} ({len(missing)} unknown); {undone}",
            did_you_mean(
                name,
                columns.column(field).texts,
                "see the ids with `twinset search`, paths are as in the manifest",
                most=NEAREST,
            ),
        )
    return list({row.id: row for row in (*of_items, *of_paths)}.values())
