"""A stripped photo has the same pixels, stands upright, and tells nothing else."""

import io
import itertools
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from test_photos import TURNS, cmyk_profile, encoded, exif, small
from twinset import photos
from twinset.errors import PhotoError
from twinset.stripped import strip

pytestmark = pytest.mark.filterwarnings("ignore:::PIL[.].*")

SECRET = b"52.5200N 13.4050E"
"""What must not be found in a stripped photo."""
XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="%d" place="52.5200N 13.4050E"/></x:xmpmeta>'
LOSSLESS: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "PNG": {"compress_level": 1},
    "WEBP": {"lossless": True, "method": 0},
}
MODES = {
    "JPEG": ["L", "RGB", "CMYK"],
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "WEBP": ["RGB", "RGBA"],
}
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def secretive(orientation: int = 1) -> Image.Exif:
    """EXIF with a camera, a place, and an orientation."""
    tags = exif(orientation)
    tags[0x010F] = SECRET.decode()
    tags.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return tags


def same(data: bytes) -> bytes:
    """The photo stripped, after a check that it has the same pixels, tells no secret, and is stripped for good."""
    out = strip(data)
    before, after = photos.decode(data), photos.decode(out)
    assert np.array_equal(before.pixels, after.pixels)
    assert (before.width, before.height, before.orientation) == (after.width, after.height, after.orientation)
    assert SECRET not in out
    assert strip(out) == out
    return out


def in_mode(mode: str, seed: int, size: tuple[int, int]) -> Image.Image:
    """Random pixels of a mode."""
    rng = np.random.default_rng(seed)
    height, width = size
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 65536, size, dtype=np.uint16))
    if mode in ("CMYK", "RGBA"):
        return Image.fromarray(rng.integers(0, 256, (*size, 4), dtype=np.uint8), mode)
    image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    return image.quantize(16) if mode == "P" else image.convert(mode)


# The same picture


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize("orientation", TURNS)
def test_every_orientation_stays_upright_and_says_nothing_else(orientation: int, kind: str) -> None:
    """The EXIF that remains has the orientation alone, and there is none where the photo stands upright."""
    data = encoded(TURNS[orientation](small()), kind, exif=secretive(orientation), xmp=SECRET, **LOSSLESS[kind])
    assert SECRET in data
    with Image.open(io.BytesIO(same(data))) as image:
        assert dict(image.getexif()) == ({} if orientation == 1 else {0x112: orientation})
        assert "exif" not in image.info or orientation != 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_orientation_that_xmp_alone_tells_is_kept(kind: str) -> None:
    """Where EXIF is silent, XMP turns a photo: it still is turned when the XMP is gone."""
    options = dict(LOSSLESS[kind])
    if kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", (XMP % 6).decode())
    else:
        options["xmp"] = XMP % 6
    data = encoded(TURNS[6](small()), kind, **options)
    assert photos.decode(data).orientation == 6
    assert photos.decode(same(data)).orientation == 6


@given(
    kind_mode=st.sampled_from([(kind, mode) for kind, modes in MODES.items() for mode in modes]),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    orientation=st.integers(0, 9),
    progressive=st.booleans(),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=50, deadline=None)
def test_any_picture_keeps_its_pixels(
    kind_mode: tuple[str, str], size: tuple[int, int], orientation: int, progressive: bool, seed: int
) -> None:
    """Modes, sizes, orientations (also those that are none), baseline and progressive, with and without losses."""
    kind, mode = kind_mode
    options: dict[str, object] = {"exif": secretive(orientation)}
    if kind == "JPEG":
        options |= {"progressive": progressive, "quality": 30 + seed % 70, "comment": SECRET}
    if kind == "WEBP":
        options |= {"lossless": progressive, "method": 0, "exact": True, "icc_profile": PROFILE}
    if kind == "PNG" and mode in ("P", "L", "RGB", "1"):
        options["transparency"] = (1, 2, 3) if mode == "RGB" else 1
    same(encoded(in_mode(mode, seed, size), kind, **options))


def test_cmyk_goes_through_its_profile_still() -> None:
    """The profile in several parts, and Adobe's mark of inverted inks, stay."""
    rng = np.random.default_rng(5)
    inks = Image.fromarray(rng.integers(0, 256, (24, 20, 4), dtype=np.uint8), "CMYK")
    profile = cmyk_profile()
    data = encoded(inks, "JPEG", quality=95, icc_profile=profile, exif=secretive(8))
    with Image.open(io.BytesIO(same(data))) as image:
        assert image.info["icc_profile"] == profile
    assert not np.array_equal(photos.read(data), photos.read(encoded(inks, "JPEG", quality=95)))


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_seen_as_before(kind: str) -> None:
    """Frames of a WebP stay, less what they say; those of a PNG go, and its picture stays."""
    frames = [in_mode("RGBA", seed, (30, 20)) for seed in range(3)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=40, loop=0, exif=secretive())
    same(data)


# What is left out


def test_previews_in_a_jpeg_are_left_out() -> None:
    """The preview of JFIF, of its extension, Photoshop's, a second picture, and what stands behind the end."""
    plain = encoded(small(), "JPEG", quality=95)
    assert plain[2:4] == b"\xff\xe0"
    preview = SECRET.ljust(27)
    jfif = plain[6:18] + b"\x03\x03" + preview
    extension, photoshop, picture = b"JFXX\0\x13\x03\x03" + preview, b"Photoshop 3.0\0" + SECRET, b"MPF\0" + SECRET
    parts = [(0xE0, jfif), (0xE0, extension), (0xED, photoshop), (0xE2, picture), (0xFE, SECRET), (0xEE, b"Ducky")]
    data = b"\xff\xd8" + b"".join(map(segment, *zip(*parts, strict=True))) + plain[20:] + plain + SECRET
    assert same(data) == plain


def segment(marker: int, said: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(said) + 2) + said


def test_what_stands_behind_the_end_is_left_out() -> None:
    """Behind IEND, and beyond a RIFF's size; a chunk of an unknown name too."""
    png, webp = encoded(small(), "PNG"), encoded(small(), "WEBP", exif=secretive(), lossless=True)
    unknown = struct.pack(">I", len(SECRET)) + b"prVt" + SECRET + struct.pack(">I", zlib.crc32(b"prVt" + SECRET))
    assert same(png[:33] + unknown + png[33:] + SECRET) == png
    assert same(webp + SECRET) == same(webp)


def test_colours_of_a_png_stay() -> None:
    """Gamma and profile remain, comments do not."""
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", struct.pack(">I", 45455))
    info.add_text("Comment", SECRET.decode())
    info.add_text("Zipped", SECRET.decode(), zip=True)
    out = same(encoded(small(), "PNG", pnginfo=info, icc_profile=PROFILE, dpi=(72, 72)))
    with Image.open(io.BytesIO(out)) as image:
        assert image.info.keys() == {"gamma", "icc_profile"}


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "AVIF"])
def test_other_kinds_become_jpegs(kind: str) -> None:
    """Upright, of all their pixels, near to what they were."""
    pixels = small(300, 200)
    options = {} if kind in ("GIF", "BMP") else {"exif": secretive(6)}
    data = encoded(pixels if not options else TURNS[6](pixels), kind, **options)
    out = strip(data)
    before, after = photos.decode(data), photos.decode(out)
    assert photos.kind_of(out) == "JPEG"
    assert (after.width, after.height, after.orientation) == (200, 300, 1)
    assert np.abs(before.pixels.astype(int) - after.pixels).mean() < 3
    assert SECRET not in out


# Hostile files


def test_cut_files_are_refused_or_whole() -> None:
    """A file cut anywhere is refused with a code of `PhotoError`, or has the pixels that it had."""
    refused = 0
    for kind, options in LOSSLESS.items():
        data = encoded(TURNS[6](small()), kind, exif=secretive(6), **options)
        for end in range(0, len(data), 7):
            try:
                same(data[:end])
            except PhotoError as error:
                assert error.code in ("truncated_photo", "broken_photo", "not_a_photo")  # noqa: PT017
                refused += 1
    assert refused > 100


@given(kind=st.sampled_from(sorted(LOSSLESS)), places=st.lists(st.integers(0, 2**20), min_size=1, max_size=4))
@settings(max_examples=50, deadline=None)
def test_changed_bytes_are_refused_or_stripped(kind: str, places: list[int]) -> None:
    """Lengths that lie and marks that are none end in `PhotoError`, or in a photo that can be stripped again."""
    data = bytearray(encoded(TURNS[6](small()), kind, exif=secretive(6), **LOSSLESS[kind]))
    for place, value in zip(places, itertools.cycle((0xFF, 0x00, 0x7F))):
        data[place % min(len(data), 400)] = value
    try:
        out = strip(bytes(data))
    except PhotoError as error:
        assert error.code != ""  # noqa: PT017
        return
    try:
        assert strip(out) == out
    except PhotoError as error:
        assert error.code in ("broken_photo", "truncated_photo")  # noqa: PT017


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP"])
def test_a_part_longer_than_the_file_is_refused(kind: str) -> None:
    """Behind pixels that can be decoded stands a part whose length lies."""
    if kind == "JPEG":
        data = encoded(small(), "JPEG")[:-2] + b"\xff\xe1\xff\xff"
    elif kind == "PNG":
        data = encoded(small(), "PNG")[:-12] + b"\x7f\xff\xff\xfftEXt"
    else:
        data = encoded(small(), "WEBP", lossless=True, exif=secretive())
        at = data.index(b"EXIF") + 4
        data = data[:at] + b"\xff\xff\xff\x7f" + data[at + 4 :]
    with pytest.raises(PhotoError, match=f"{kind} photo") as caught:
        strip(data)
    assert caught.value.code in ("broken_photo", "truncated_photo")


def test_many_parts_take_linear_time() -> None:
    """A hundred thousand comments, and a scan that is followed by a long run of fill bytes."""
    plain = encoded(small(), "JPEG")
    assert strip(plain[:2] + segment(0xFE, b"") * 100_000 + plain[2:]) == strip(plain)
    assert len(strip(plain[:-2] + b"\xff" * 2_000_000 + b"\xd9")) < 2_010_000
