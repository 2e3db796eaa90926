"""Looks: what the frozen part sees of each photo, computed once and kept; and what is fed to a net from them."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from training.blends import PREPARE, SIZE, blend
from training.toys import recipe, shop
from twinset.errors import PathError, ResourceError, UsageError
from twinset.progress import SILENT, Silent
from twinset.training import augment
from twinset.training.assemble import sampler_of
from twinset.training.backbone import Backbone
from twinset.training.blend import GENERAL, Blend, Seen
from twinset.training.data import TrainingData, gather
from twinset.training.draws import LOOKS, generator
from twinset.training.feed import Feed, with_looks
from twinset.training.loader import Loader
from twinset.training.looks import Looks
from twinset.training.recipe import Recipe

SETTINGS = recipe(size=SIZE, head="blend", looks=3, trainable_stages=1, augment="light", batch=2, seed=4)


class Counted(Silent):
    """Counts the rows that are looked at, and cuts off after so many."""

    def __init__(self, most: int = 10**9) -> None:
        self.rows, self.most = 0, most

    def advance(self, count: int = 1) -> None:
        self.rows += count
        if self.rows >= self.most:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """Twelve photos of six items; not to be changed."""
    return gather([shop(tmp_path_factory.mktemp("looks") / "shop", items=8, customers=1)])


@pytest.fixture(scope="module")
def net(lite: Backbone) -> Blend:
    """A blend with a copied stage; not to be changed."""
    return blend(lite, 1)


@pytest.fixture
def loader(found: TrainingData) -> Loader:
    """The photos' loader."""
    return Loader(found.files, PREPARE, 0.0)


@pytest.fixture(scope="module")
def looks(found: TrainingData, net: Blend, tmp_path_factory: pytest.TempPathFactory) -> Looks:
    """Looks at them; not to be changed."""
    looks = Looks(tmp_path_factory.mktemp("run") / "looks", found.train, SETTINGS)
    looks.see(net, Loader(found.files, PREPARE, 0.0), "digest", SILENT)
    return looks


def assert_near(kept: Seen, wanted: Seen) -> None:
    """Equal but for what a half rounds, and another batch."""
    for name, mine, theirs in zip(Seen._fields, kept, wanted, strict=True):
        assert mine.dtype == torch.float32
        assert torch.allclose(mine, theirs, rtol=2e-3, atol=2e-3), name


def test_a_look_is_what_the_net_sees(looks: Looks, found: TrainingData, net: Blend, loader: Loader) -> None:
    """Of each photo in each look: the first as it is, the others augmented by seed, photo and look."""
    assert len(found.train) == 12
    drawn = set()
    for place, photo in enumerate(found.train):
        for step in range(4):
            look = int(generator(9, step, place).integers(3))
            drawn.add(look)
            lit = [augment.light(generator(4, LOOKS, place, look))] if look else None
            with torch.no_grad():
                wanted = net.see(loader.batch([photo], lit))
            assert_near(looks.batch([photo], [generator(9, step, place)]), wanted)
    assert drawn == {0, 1, 2}


def test_looks_differ(looks: Looks, found: TrainingData) -> None:
    """Of one photo, and from photo to photo."""
    draws = [generator(0, i) for i in range(30)]
    colours = looks.batch([found.train[3]] * 30, draws).colour
    assert len({tuple(row.tolist()) for row in colours}) == 3
    plain = looks.plain([found.train])
    assert not torch.equal(plain.colour[0], plain.colour[1])


def test_plain_looks_are_those_of_photos_as_they_are(
    looks: Looks, found: TrainingData, net: Blend, loader: Loader
) -> None:
    """One of each photo, without what the copied stages begin from: directions need none of it."""
    plain = looks.plain([found.train])
    assert plain.trunk.shape[0] == 0
    with torch.no_grad():
        wanted = net.see(loader.batch(found.train))
    assert_near(plain, wanted._replace(trunk=plain.trunk))


def test_each_part_has_as_many_plain_looks(looks: Looks, found: TrainingData) -> None:
    """A smaller part's photos are seen again, evenly: none twice before another once."""
    one, both = looks.plain([found.train[:10]]), looks.plain([found.train[10:], found.train[:10]])
    assert len(both.colour) == 20
    assert torch.equal(both.colour[10:], one.colour)
    first, second = both.colour[:5], both.colour[5:10]
    assert torch.equal(first, first[:1].expand_as(first))
    assert torch.equal(second, second[:1].expand_as(second))
    assert not torch.equal(first, second)


def test_a_photo_that_is_named_twice_is_looked_at_once(
    found: TrainingData, net: Blend, loader: Loader, tmp_path: Path
) -> None:
    """By its path; without augmentation all its looks are the plain one."""
    seen, three = Counted(), found.train[:3]
    looks = Looks(tmp_path / "looks", [*three, *three], replace(SETTINGS, augment="none", looks=2))
    looks.see(net, loader, "digest", seen)
    assert seen.rows == 6
    assert len(looks.plain([three]).general) == 3
    both = looks.batch([three[1]] * 8, [generator(1, i) for i in range(8)])
    assert torch.allclose(both.general, looks.plain([three]).general[1].expand(8, -1), atol=2e-3)


def kept(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_what_is_done_is_not_done_again(found: TrainingData, net: Blend, loader: Loader, tmp_path: Path) -> None:
    """A second run on the same photos and settings opens what is there; without the marker, on other photos or
    with another setting that counts everything is seen anew, to the same bytes where it is the same."""
    folder, settings = tmp_path / "looks", replace(SETTINGS, looks=2)

    def rows(settings: Recipe = settings, digest: str = "digest") -> int:
        seen = Counted()
        looks = Looks(folder, found.train[:4], settings)
        looks.see(net, loader, digest, seen)
        assert len(looks.plain([found.train[:4]]).general) == 4
        return seen.rows

    assert rows() == 8
    first = kept(folder)
    assert set(first) == {"done.json", "trunk.npy", "general.npy", "colour.npy", "grain.npy"}
    assert rows() == 0
    assert rows(replace(settings, rate=0.5, checkpoint_minutes=3.0)) == 0
    assert kept(folder) == first
    (folder / "done.json").unlink()
    (folder / "colour.npy").write_bytes(b"cut")
    assert rows() == 8
    assert kept(folder) == first
    assert rows(digest="other") == 8
    assert rows(replace(settings, seed=5), "other") == 8
    assert rows(replace(settings, looks=3, seed=5), "other") == 12
    assert rows() == 8
    assert kept(folder) == first


def test_a_run_cut_while_it_looks_leaves_no_marker(
    found: TrainingData, net: Blend, loader: Loader, tmp_path: Path
) -> None:
    """What lies there then is not believed."""
    folder = tmp_path / "looks"
    with pytest.raises(KeyboardInterrupt):
        Looks(folder, found.train, SETTINGS).see(net, loader, "digest", Counted(32))
    assert "general.npy" in kept(folder)
    assert "done.json" not in kept(folder)
    seen = Counted()
    Looks(folder, found.train, SETTINGS).see(net, loader, "digest", seen)
    assert seen.rows == 36


def test_forgetting_removes_what_is_ours(found: TrainingData, net: Blend, loader: Loader, tmp_path: Path) -> None:
    """The folder too, unless somebody else's file lies in it; forgetting twice is nothing."""
    folder, looks = tmp_path / "looks", Looks(tmp_path / "looks", found.train[:2], SETTINGS)
    looks.see(net, loader, "digest", SILENT)
    looks.forget()
    assert not folder.exists()
    looks.forget()
    looks.see(net, loader, "digest", SILENT)
    (folder / "mine.txt").write_text("mine")
    looks.forget()
    assert kept(folder) == {"mine.txt": b"mine"}


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The operating system lets no file grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_refuses_is_told(found: TrainingData, net: Blend, loader: Loader, tmp_path: Path) -> None:
    """In one line, with the place: where a file is in the way, and where no more can be written."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(PathError, match="file/looks: Not a directory: name a place"):
        Looks(tmp_path / "file/looks", found.train[:2], SETTINGS).see(net, loader, "digest", SILENT)
    with files_of_at_most(20_000), pytest.raises(ResourceError, match="looks: File too large: check the disk"):
        Looks(tmp_path / "looks", found.train[:2], SETTINGS).see(net, loader, "digest", SILENT)
    assert "done.json" not in kept(tmp_path / "looks")
    Looks(tmp_path / "looks", found.train[:2], SETTINGS).see(net, loader, "digest", SILENT)


def test_a_batch_is_fed_the_same_each_time(looks: Looks, found: TrainingData, loader: Loader) -> None:
    """By its number alone, each photo in a look of its own; another number draws other looks."""
    feed = Feed(SETTINGS, sampler_of(SETTINGS, found.parts), loader, looks)
    batch, seen = feed.load(5)
    again, same = feed.load(5)
    assert isinstance(seen, Seen)
    assert batch.photos == again.photos
    assert all(torch.equal(one, other) for one, other in zip(seen, same, strict=True))
    wanted = looks.batch(batch.photos, [generator(4, LOOKS, 5, place) for place in range(len(batch.photos))])
    assert all(torch.equal(one, other) for one, other in zip(seen, wanted, strict=True))


def test_without_looks_pixels_are_fed(found: TrainingData, loader: Loader) -> None:
    """Augmented, or as they are; there is nothing to forget then."""
    for how in ("light", "none"):
        settings = replace(SETTINGS, augment=how)  # type: ignore[arg-type]
        feed = Feed(settings, sampler_of(settings, found.parts), loader)
        batch, pixels = feed.load(2)
        assert isinstance(pixels, Tensor)
        assert pixels.dtype == torch.uint8
        assert torch.equal(pixels, loader.batch(batch.photos)) == (how == "none")
        feed.forget()


def test_a_net_needs_enough_looks_to_begin(
    found: TrainingData, lite: Backbone, loader: Loader, tmp_path: Path
) -> None:
    """Fewer photos than directions are refused; a run that is done looks at nothing."""
    net, feed = blend(lite), Feed(SETTINGS, sampler_of(SETTINGS, found.parts), loader)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    done = with_looks(feed, net, found, tmp_path / "looks", SILENT, done=True)
    assert not (tmp_path / "looks").exists()
    done.forget()
    with pytest.raises(UsageError, match=f"12 photos cannot tell {GENERAL} principal directions"):
        with_looks(feed, net, found, tmp_path / "looks", SILENT)
    same = [torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items()]
    assert all(same)
