"""`data convert`: a public set as it is handed out, a shop's export, or its customers' reviews → a manifest."""

from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from twinset.cli.output import Json, Quiet, Talk, print_json, print_line, print_table, printable
from twinset.datasets import deepfashion
from twinset.manifest import feeds, reviews, write_faults
from twinset.manifest.notes import Finding
from twinset.records import Fault

app: Final = typer.Typer(help="Write a manifest of a public set, of a shop's export, or of its customers' reviews.")

Export = Annotated[Path, typer.Argument(metavar="IN", help="The shop's export.")]
Out = Annotated[Path, typer.Option("--out", help="The manifest to write, for example photos.csv.")]
Items = Annotated[
    Literal["colour", "product"],
    typer.Option("--items", help="What an item is: a product in one colour, or a product."),
]
Currency = Annotated[str, typer.Option("--currency", help="Of prices that name none, for example EUR.")]
ShopUrl = Annotated[str, typer.Option("--shop-url", help="Where product pages lie: https://shop.example.")]
PhotosUrl = Annotated[
    str, typer.Option("--photos-url", help="Where relative pictures lie, to be fetched from there.")
]


@app.command("shopify")
def shopify_command(
    source: Export,
    out: Out,
    items: Items = "colour",
    currency: Currency = "",
    shop_url: ShopUrl = "",
    photos_url: PhotosUrl = "",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Shopify's product CSV (docs/feeds.md)."""
    options = feeds.Options(items, currency.upper(), shop_url, photos_url)
    _convert_feed("shopify", source, out, options, json=json, talk=Talk(quiet))


@app.command("merchant")
def merchant_command(
    source: Export,
    out: Out,
    items: Items = "colour",
    currency: Currency = "",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """A Google Merchant feed, TSV, CSV, RSS or Atom (docs/feeds.md)."""
    options = feeds.Options(items, currency.upper())
    _convert_feed("merchant", source, out, options, json=json, talk=Talk(quiet))


@app.command("magento")
def magento_command(
    source: Export,
    out: Out,
    items: Items = "colour",
    currency: Currency = "",
    shop_url: ShopUrl = "",
    photos_url: PhotosUrl = "",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Magento's product CSV (docs/feeds.md)."""
    options = feeds.Options(items, currency.upper(), shop_url, photos_url)
    _convert_feed("magento", source, out, options, json=json, talk=Talk(quiet))


@app.command("reviews")
def reviews_command(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The reviews as their app exports them (CSV).")],
    out: Out,
    shop: Annotated[
        Path | None, typer.Option("--shop", help="The shop's manifest, of whose items the reviews are.")
    ] = None,
    items: Items = "colour",
    match: Annotated[str, typer.Option("--match", help="The shop's column that names the reviews' products.")] = "",
    product_column: Annotated[
        str, typer.Option("--product-column", help="The reviews' column that names the product.")
    ] = "",
    pictures_column: Annotated[
        str, typer.Option("--pictures-column", help="The reviews' column that holds picture links.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="Reviews that are not published, too.")] = False,
    val: Annotated[float, typer.Option("--val", help="The share of val, 0-1.")] = 0.1,
    test: Annotated[float, typer.Option("--test", help="The share of test, 0-1.")] = 0.2,
    seed: Annotated[int, typer.Option("--seed", help="Another seed draws another split.")] = 7,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Customers' photos from reviews, each of an item of the shop, split by style (docs/reviews.md)."""
    talk = Talk(quiet)
    options = reviews.Options(shop, items, match, product_column, pictures_column, everything, val, test, seed)
    done = reviews.convert(source, out, options, talk.progress())
    _skipped(out, done.faults, done.listed, talk)
    if done.addresses:
        hosts = " ".join(f"--allow-host {host}" for host in done.hosts)
        talk.say(printable(f"{done.addresses:,} photos are addresses: twinset data fetch brings them in ({hosts})"))
    if json:
        print_json(done.to_json())
        return
    parts = ", ".join(f"{count:,} {split}" for split, count in done.splits.items())
    print_line(f"{out}: {done.photos:,} customers' photos of {done.items:,} items ({parts}); {done.rows:,} rows")
    by = f"{done.match.column} as the shop's {done.match.shop_column}" if shop else done.match.column
    print_line(printable(f"{done.match.matched:,} of {done.match.reviews:,} reviews with photos matched by {by}"))
    _show(done.findings)


@app.command("deepfashion-c2s")
def set_command(
    root: Annotated[Path, typer.Argument(metavar="IN", help="The set's folder, with Anno, Eval and Img.")],
    highres: Annotated[
        bool, typer.Option("--highres", help="Use high-resolution photos also where the small ones are.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """DeepFashion Consumer-to-Shop as IN/photos.csv, with its counts beside those published."""
    _convert_set(root, highres=highres, json=json, talk=Talk(quiet))


def _convert_set(root: Path, *, highres: bool, json: bool, talk: Talk) -> None:
    done = deepfashion.convert(root, highres=highres, progress=talk.progress())
    _skipped(done.manifest, done.faults, done.listed, talk)
    if json:
        print_json(done.to_json())
        return
    print_line(f"{done.manifest}: {done.photos:,} photos of {done.tree}; the pairs name {done.listed:,}")
    counts = [[c.name, f"{c.found:,}", f"{c.published:,}", "yes" if c.agrees else "no"] for c in done.counts]
    print_table(["", "found", "published", "agrees"], counts, right=["found", "published"])
    print_line("")
    columns = ["customer", "shop", "items", "pairs"]
    splits = [[split, *(f"{counts[column]:,}" for column in columns)] for split, counts in done.splits.items()]
    print_table(["split", *columns], splits, right=columns)
    print_line("")
    categories = [[category, f"{count:,}"] for category, count in done.categories.items()]
    print_table(["category", "photos"], categories, right=["photos"])
    print_line("")
    _show(done.findings)


def _convert_feed(name: str, file: Path, out: Path, options: feeds.Options, *, json: bool, talk: Talk) -> None:
    done = feeds.convert(name, file, out, options, talk.progress())
    _skipped(out, done.faults, done.listed, talk)
    if done.addresses:
        talk.say(f"{done.addresses:,} photos are addresses: twinset data fetch brings them in, then index")
    if done.addresses < done.photos:
        talk.say(
            f"{done.photos - done.addresses:,} photos are paths: index with --photos-root, where they start, "
            "or convert with --photos-url, where they can be fetched"
        )
    if json:
        print_json(done.to_json())
        return
    print_line(
        f"{out}: {done.photos:,} photos of {done.items:,} items, {done.products:,} products; {done.rows:,} rows"
    )
    if done.columns:
        print_line(printable(f"kept as attributes: {', '.join(done.columns)}"))
    _show(done.findings)


def _skipped(out: Path, faults: tuple[Fault, ...], listed: int, talk: Talk) -> None:
    """Lists beside the manifest what was left out; the list of an earlier run goes."""
    beside = out.with_suffix(".skipped.csv")
    beside.unlink(missing_ok=True)
    if faults:
        write_faults(beside, faults)
        talk.skipped(faults, listed, beside)


def _show(findings: tuple[Finding, ...]) -> None:
    for found in findings:
        print_line(printable(f"{found.count:,} {found.what}: {'; '.join(found.first)}"))
