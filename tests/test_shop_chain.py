"""From a shop's export to the answer, by the commands of the docs: convert, fetch, index, search with filters."""

import csv
import json
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

from twinset.cli.main import main
from web_shop import good, photo, serving

pytest.importorskip("httpcore2", reason="the extra `fetch` is not installed")

Out = pytest.CaptureFixture[str]

SHOPIFY = """\
Handle,Title,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant Inventory Tracker,Variant Inventory Qty,\
Variant Inventory Policy,Variant Price,Image Src,Image Position,Image Alt Text,Variant Image,Status,Published
fern,Fern skirt,Color,Moss,Size,S,shopify,0,deny,39.90,PHOTOS/1.jpg?v=1,1,,PHOTOS/1.jpg?v=1,active,TRUE
fern,,,Moss,,M,shopify,2,deny,39.90,PHOTOS/2.jpg?v=1,2,Back in moss,PHOTOS/1.jpg?v=1,,
fern,,,Plum,,M,shopify,0,deny,39.90,PHOTOS/3.jpg?v=1,3,,PHOTOS/3.jpg?v=1,,
tarn,Tarn jumper,Color,Grey,Size,L,shopify,5,deny,49.90,PHOTOS/4.jpg,1,,PHOTOS/4.jpg,active,TRUE
"""
TSV = """\
id\ttitle\tlink\timage_link\tadditional_image_link\tavailability\tprice\titem_group_id\tcolor\tsize
f-1\tFern skirt\thttps://s.example/f\tPHOTOS/1.jpg\tPHOTOS/2.jpg\tout_of_stock\t39.90 EUR\tfern\tMoss\tS
f-2\tFern skirt\thttps://s.example/f\tPHOTOS/1.jpg\t\tin_stock\t39.90 EUR\tfern\tMoss\tM
f-3\tFern skirt\thttps://s.example/f\tPHOTOS/3.jpg\t\tout_of_stock\t39.90 EUR\tfern\tPlum\tM
t-1\tTarn jumper\thttps://s.example/t\tPHOTOS/4.jpg\t\tin_stock\t49.90 EUR\ttarn\tGrey\tL
"""
MAGENTO = """\
sku,product_type,name,price,url_key,base_image,additional_images,is_in_stock,additional_attributes,configurable_variations
F-S,simple,Fern S,39.90,fern-s,/1.jpg,/2.jpg,0,"color=Moss,size=S",
F-M,simple,Fern M,39.90,fern-m,/1.jpg,,1,"color=Moss,size=M",
F-P,simple,Fern P,39.90,fern-p,/3.jpg,,0,"color=Plum,size=M",
fern,configurable,Fern skirt,0,fern,/1.jpg,,1,,\
"sku=F-S,color=Moss,size=S|sku=F-M,color=Moss,size=M|sku=F-P,color=Plum,size=M"
tarn,simple,Tarn jumper,49.90,tarn,/4.jpg,,1,"color=Grey,size=L",
"""


def _rss() -> str:
    names, *rows = (line.split("\t") for line in TSV.splitlines())
    entries = (
        "".join(f"<g:{name}>{text}</g:{name}>" for name, text in zip(names, row, strict=True) if text)
        for row in rows
    )
    items = "".join(f"<item>{entry}</item>" for entry in entries)
    return f'<rss xmlns:g="http://base.google.com/ns/1.0"><channel>{items}</channel></rss>'


class Export(NamedTuple):
    """A file as a shop system writes it, and how it is converted."""

    format: str
    name: str
    text: str
    options: tuple[str, ...] = ()


SHOP = ("--currency", "EUR", "--shop-url", "https://shop.example")
EXPORTS = [
    Export("shopify", "products_export.csv", SHOPIFY, SHOP),
    Export("merchant", "feed.tsv", TSV),
    Export("merchant", "feed.xml", _rss()),
    Export("magento", "export.csv", MAGENTO, (*SHOP, "--photos-url", "PHOTOS")),
]


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.name)
def test_an_export_becomes_answers(
    export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    """In stock and in size M is one item of three, with both its pictures, whichever system wrote the export."""
    monkeypatch.chdir(tmp_path)
    Path("customer.jpg").write_bytes(photo(3))
    with serving({f"/media/{n}.jpg": good(n) for n in range(1, 5)}) as web:
        served = web.url("/media")
        Path(export.name).write_text(export.text.replace("PHOTOS", served), encoding="utf-8")
        options = [option.replace("PHOTOS", served) for option in export.options]
        assert main(["data", "convert", export.format, export.name, "--out", "feed.csv", *options]) == 0
        assert "4 photos are addresses: twinset data fetch brings them in" in capsys.readouterr().err
        fetch = ["data", "fetch", "feed.csv", "--out", "photos", "--allow-host", web.place, "--test-loopback"]
        assert main(fetch) == 0
    assert main(["index", "photos/photos.csv", "--catalogue", "my.catalogue", "--bundle", "colour"]) == 0
    search = ["search", "customer.jpg", "--catalogue", "my.catalogue"]
    capsys.readouterr()
    assert main([*search, "--where", "availability=in stock", "--where", "size=M", "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert [(hit["item_id"], hit["title"], len(hit["photos"])) for hit in hits] == [("fern/moss", "Fern skirt", 2)]
    assert hits[0]["attributes"]["price"] == "39.90"
    assert main([*search, "--by", "style", "--out-of-stock", "sink", "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert [(hit["style"], hit["item_id"]) for hit in hits] == [("fern", "fern/moss"), ("tarn", "tarn/grey")]


def test_the_commands_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    """As they stand there, but for the host, the way to a server of this machine, and a quicker bundle."""
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```\n(\.venv/bin/twinset data convert shopify .*?)```", readme, re.DOTALL)
    assert block is not None
    monkeypatch.chdir(tmp_path)
    Path("photo.jpg").write_bytes(photo(1))
    with serving({f"/media/{n}.jpg": good(n) for n in range(1, 5)}) as web:
        text = SHOPIFY.replace("PHOTOS", web.url("/media"))
        Path("products_export.csv").write_text(text, encoding="utf-8")
        for line in block[1].strip().splitlines():
            words = shlex.split(line.replace("cdn.shopify.com", web.place))[1:]
            more = {"data fetch": ["--test-loopback"], "index photos/photos.csv": ["--bundle", "colour"]}
            capsys.readouterr()
            assert main([*words, *more.get(" ".join(words[:2]), [])]) == 0
    found = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in found[1:]] == [["1", "fern/moss", "1.000"]]


REVIEWS = """\
product_handle,variant,rating,curated,reviewer_email,picture_urls
fern,Moss / S,5,ok,a@customer.example,"PHOTOS/11.jpg,PHOTOS/21.jpg"
fern,Plum / M,4,ok,b@customer.example,PHOTOS/12.jpg
fern,,4,ok,c@customer.example,PHOTOS/13.jpg
tarn,Grey / L,5,ok,d@customer.example,"PHOTOS/14.jpg,PHOTOS/screenshot.jpg"
tarn,Grey / L,1,spam,e@customer.example,PHOTOS/15.jpg
"""


def test_reviews_become_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    """By the commands of docs/reviews.md: each customer's photo of a known item, but no copy, is searched with."""
    docs = (Path(__file__).parent.parent / "docs/reviews.md").read_text(encoding="utf-8")
    block = re.search(r"```\n(twinset data convert shopify .*?)```", docs, re.DOTALL)
    assert block is not None
    monkeypatch.chdir(tmp_path)
    pages = {f"/media/{n}.jpg": good(n) for n in (1, 2, 3, 4, 11, 12, 13, 14, 15)}
    with serving(pages | {"/media/21.jpg": good(11), "/media/screenshot.jpg": good(4)}) as web:
        for name, text in {"products_export.csv": SHOPIFY, "reviews_export.csv": REVIEWS}.items():
            Path(name).write_text(text.replace("PHOTOS", web.url("/media")), encoding="utf-8")
        for line in block[1].strip().splitlines():
            words = shlex.split(re.sub(r"--allow-host \S+", f"--allow-host {web.place}", line))[1:]
            more = {
                "data fetch": ["--test-loopback"],
                "evaluate ready.csv": ["--bundle", "colour", "--split", "all"],
            }
            capsys.readouterr()
            assert main([*words, *more.get(" ".join(words[:2]), []), "--json"]) == 0
        assert not {"/media/13.jpg", "/media/15.jpg"} & web.counts().keys()
    figures = json.loads(capsys.readouterr().out)
    assert (figures["queries"], figures["gallery"], figures["items"]) == (3, 4, 3)
    table = Path("ready.csv").read_text(encoding="utf-8")
    assert "customer.example" not in table
    splits = {(row["style"], row["split"]) for row in csv.DictReader(table.splitlines())}
    assert len(splits) == 2
    assert "" not in dict(splits).values()
