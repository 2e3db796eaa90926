"""Every encoding of a picture comes back as the same upright pixels; hostile and broken files are refused."""

import io
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pillow_heif
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from twinset import photos
from twinset.bundle import open_bundle
from twinset.datasets import wardrobe
from twinset.embedder import Embedder
from twinset.errors import PHOTO_CODES, PathError, PhotoError
from twinset.photos import Decoded, in_fractions
from twinset.records import Pixels

pytestmark = pytest.mark.filterwarnings("ignore:::PIL[.].*")
"""As outside the tests: Pillow's warnings about metadata change no pixel."""

TURNS = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, -1),
}
"""How the pixels lie in a file of each EXIF orientation, so that the tag brings them upright."""


@pytest.fixture(scope="module")
def photo() -> Pixels:
    return next(iter(wardrobe.photos(1, seed=7))).pixels


@pytest.fixture(scope="module")
def colour() -> Embedder:
    return Embedder(open_bundle("colour"))


def encoded(pixels: npt.NDArray[np.uint8] | Image.Image, kind: str, **options: object) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.ascontiguousarray(pixels))
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x112] = orientation
    return tags


def small(height: int = 20, width: int = 24) -> Pixels:
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def error(a: Pixels, b: Pixels) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


def cosine(colour: Embedder, data: bytes, plain: Pixels) -> float:
    reference = Decoded(plain, plain.shape[1], plain.shape[0])
    return float(colour.embed(photos.decode(data)) @ colour.embed(reference))


def refusal(data: bytes) -> PhotoError:
    with pytest.raises(PhotoError, match=r"\w") as caught:
        photos.read(data)
    assert "\n" not in str(caught.value)
    return caught.value


# What a photo looks like in every encoding


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize(
    ("encoding", "bound"),
    [
        (("JPEG", {"quality": 95, "subsampling": 0}), 2.0),
        (("PNG", {"compress_level": 1}), 0.0),
        (("WEBP", {"lossless": True, "method": 0}), 0.0),
        (("TIFF", {}), 0.0),
        (("TIFF", {"compression": "tiff_lzw"}), 0.0),
        (("AVIF", {"quality": 100, "speed": 10, "subsampling": "4:4:4"}), 2.0),
    ],
    ids=["JPEG", "PNG", "WebP", "TIFF", "TIFF-LZW", "AVIF"],
)
def test_every_orientation_comes_back_upright(
    photo: Pixels, colour: Embedder, orientation: int, encoding: tuple[str, dict[str, object]], bound: float
) -> None:
    """The pixels, the size and the embedding are those of the upright photo."""
    (kind, options), photo = encoding, photo[::2, ::2]
    data = encoded(TURNS[orientation](photo), kind, exif=exif(orientation), **options)
    decoded = photos.decode(data)
    assert decoded.pixels.shape == photo.shape
    assert (decoded.width, decoded.height) == (photo.shape[1], photo.shape[0])
    assert error(decoded.pixels, photo) <= bound
    reference = photos.read(encoded(photo, kind, **options)) if kind == "AVIF" else photo
    assert cosine(colour, data, reference) >= 0.999


def lab_of(rgb: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """sRGB in 0-1 → Lab of the D50 white."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
    )
    x, y, z = np.moveaxis(linear @ to_xyz.T / to_xyz.sum(1), -1, 0)
    x, y, z = (np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116) for t in (x, y, z))
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def cmyk_profile(grid: int = 9) -> bytes:
    """A printer profile whose cyan and yellow are exchanged, so that nothing is right unless it is used."""
    c, m, y, k = np.meshgrid(*[np.linspace(0, 1, grid)] * 4, indexing="ij")
    lab = lab_of(np.stack([(1 - y) * (1 - k), (1 - m) * (1 - k), (1 - c) * (1 - k)], axis=-1))
    table = np.stack([lab[..., 0] * 652.8, (lab[..., 1] + 128) * 256, (lab[..., 2] + 128) * 256], axis=-1)
    identity = struct.pack(">9i", *[65536 if i % 4 == 0 else 0 for i in range(9)])
    ramp = struct.pack(">2H", 0, 65535)
    lut = b"mft2" + bytes(4) + bytes([4, 3, grid, 0]) + identity + struct.pack(">2H", 2, 2)
    lut += ramp * 4 + np.clip(table.round(), 0, 65535).astype(">u2").tobytes() + ramp * 3
    d50 = struct.pack(">3i", 63190, 65536, 54061)
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"inks\0" + bytes(78),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": b"XYZ " + bytes(4) + d50,
        b"A2B0": lut,
    }
    directory, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        directory += name + struct.pack(">2I", 128 + 4 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">2I4s4s4s", 0x02400000, 0, b"prtr", b"CMYK", b"Lab ")[4:]
    header = bytes(4) + struct.pack(">I", 0x02400000) + header[-12:] + bytes(12) + b"acsp" + bytes(28) + d50
    header = header.ljust(124, b"\0")
    return struct.pack(">I", 128 + len(directory) + len(body)) + header + directory + body


def inks_of(rgb: Pixels) -> Pixels:
    """The inks that `cmyk_profile` shows as that photo."""
    light = rgb / 255.0
    paper = (1 + light.max(-1, keepdims=True)) / 2
    colours = 1 - light[..., ::-1] / paper
    return (np.concatenate([colours, 1 - paper], axis=-1) * 255).round().astype(np.uint8)


def test_cmyk_goes_through_its_profile(photo: Pixels, colour: Embedder) -> None:
    """A CMYK JPEG with a LUT profile looks as the profile says."""
    inks = Image.fromarray(inks_of(photo), "CMYK")
    data = encoded(inks, "JPEG", quality=95, icc_profile=cmyk_profile())
    assert error(photos.read(data), photo) <= 3
    assert cosine(colour, data, photo) >= 0.99
    assert cosine(colour, encoded(inks, "JPEG", quality=95), photo) < 0.95


def test_cmyk_tiff_goes_through_its_profile(photo: Pixels) -> None:
    """The profile counts in a TIFF too, where inks are not inverted."""
    inks = Image.fromarray(inks_of(photo), "CMYK")
    assert error(photos.read(encoded(inks, "TIFF", icc_profile=cmyk_profile())), photo) <= 3


def plain_inks(rgb: Pixels) -> Pixels:
    """Cyan, magenta and yellow only."""
    return np.concatenate([255 - rgb, np.zeros_like(rgb[..., :1])], axis=-1)


def test_inverted_cmyk_without_a_profile(photo: Pixels) -> None:
    """Adobe's inverted inks come out as the photo where no profile says better, or a broken one does."""
    inks = Image.fromarray(plain_inks(photo), "CMYK")
    for profile in (None, b"no profile at all", cmyk_profile()[:4000]):
        data = encoded(inks, "JPEG", quality=95, icc_profile=profile)
        assert error(photos.read(data), photo) <= 3


def test_ycck_comes_out_as_the_photo(photo: Pixels) -> None:
    """Inks stored as YCCK, which Adobe's programs write, come out as the photo."""
    inks = Image.fromarray(plain_inks(photo)[..., :3]).convert("YCbCr")
    stored = np.concatenate([np.asarray(inks), np.full_like(photo[..., :1], 255)], axis=-1)
    data = encoded(Image.fromarray(255 - stored, "CMYK"), "JPEG", quality=95)
    at = data.index(b"Adobe") + 11
    assert data[at] == 0
    assert error(photos.read(data[:at] + b"\x02" + data[at + 1 :]), photo) <= 3


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    """16-bit grey is 8-bit grey times 257: each value falls on the grey it lies on."""
    values = np.array([[0, 255, 256, 1000, 32768, 65535]], np.uint16)
    expected = np.array([[0, 0, 0, 3, 127, 255]], np.uint8)
    for kind in ("PNG", "TIFF"):
        read = photos.read(encoded(Image.fromarray(values), kind))
        assert np.array_equal(read, np.repeat(expected[..., None], 3, axis=-1))


def test_sixteen_bit_grey_equals_eight_bit_grey(photo: Pixels) -> None:
    """Grey saved with 16 bits is bit by bit the same as saved with 8."""
    grey = np.asarray(Image.fromarray(photo).convert("L"))
    wide = Image.fromarray(grey.astype(np.uint16) * 257)
    assert np.array_equal(photos.read(encoded(wide, "PNG")), photos.read(encoded(Image.fromarray(grey), "PNG")))


def test_sixteen_bit_grey_with_a_transparent_value() -> None:
    """The one transparent grey of a 16-bit PNG becomes white, like that of an 8-bit one."""
    wide = encoded(Image.fromarray(np.array([[0, 2570, 65535]], np.uint16)), "PNG", transparency=2570)
    assert photos.read(wide)[0, :, 0].tolist() == [0, 255, 255]
    narrow = encoded(Image.fromarray(np.array([[0, 10, 255]], np.uint8)), "PNG", transparency=10)
    assert photos.read(narrow)[0, :, 0].tolist() == [0, 255, 255]


def quantized(photo: Pixels) -> Image.Image:
    return Image.fromarray(photo).quantize(64, dither=Image.Dither.NONE)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_palette_photos_show_their_colours(photo: Pixels, kind: str) -> None:
    """A palette is resolved to the colours it names."""
    image = quantized(photo)
    assert np.array_equal(photos.read(encoded(image, kind)), np.asarray(image.convert("RGB")))


def test_palette_transparency_lies_on_white(photo: Pixels) -> None:
    """Transparent palette entries become white, half transparent ones half white, in PNG and GIF."""
    image = quantized(photo)
    indices, rgb = np.asarray(image), np.asarray(image.convert("RGB")).astype(float)
    alpha = np.full(64, 255)
    alpha[:8] = 0, 20, 60, 100, 128, 180, 220, 254
    share = alpha[indices][..., None] / 255
    read = photos.read(encoded(image, "PNG", transparency=bytes(alpha.tolist())))
    assert np.abs(read - (rgb * share + 255 * (1 - share))).max() <= 1
    one = photos.read(encoded(image, "GIF", transparency=3))
    assert np.all(one[indices == 3] == 255)
    assert np.array_equal(one[indices != 3], rgb[indices != 3])


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "RGBA"), ("PNG", "LA"), ("TIFF", "RGBA"), ("WEBP", "RGBA")])
def test_alpha_lies_on_white(photo: Pixels, kind: str, mode: str) -> None:
    """What is transparent is white, in proportion."""
    image = Image.fromarray(photo).convert(mode)
    ramp = np.broadcast_to(np.linspace(0, 255, photo.shape[1]).astype(np.uint8), photo.shape[:2])
    image.putalpha(Image.fromarray(ramp))
    read = photos.read(encoded(image, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {})))
    share = ramp[..., None] / 255
    below = np.asarray(image.convert("RGBA"))[..., :3]
    assert np.abs(read - (below * share + 255 * (1 - share))).max() <= 1


def test_a_transparent_colour_is_white() -> None:
    """The one transparent colour of an RGB PNG becomes white."""
    pixels = np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8)
    read = photos.read(encoded(pixels, "PNG", transparency=(10, 20, 30)))
    assert read.tolist() == [[[255, 255, 255], [40, 50, 60]]]


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_one_bit_is_black_and_white(photo: Pixels, kind: str) -> None:
    """A 1-bit picture has the two ends of the scale."""
    image = Image.fromarray(photo).convert("1")
    assert np.array_equal(photos.read(encoded(image, kind)), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_the_first_frame_counts(kind: str) -> None:
    """Of an animation or of pages the first is read."""
    first, second = np.full((16, 16, 3), (200, 30, 30), np.uint8), np.full((16, 16, 3), (30, 30, 200), np.uint8)
    data = encoded(first, kind, save_all=True, append_images=[Image.fromarray(second)])
    assert error(photos.read(data), first) <= 3


def test_grey_jpeg_and_bmp(photo: Pixels) -> None:
    """Grey and BMP are photos like others."""
    grey = Image.fromarray(photo).convert("L")
    assert error(photos.read(encoded(grey, "JPEG", quality=95)), np.asarray(grey.convert("RGB"))) <= 2
    assert np.array_equal(photos.read(encoded(photo, "BMP")), photo)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_phone_photo_of_24_megapixels(photo: Pixels, colour: Embedder, progressive: bool) -> None:
    """A 5712 × 4284 JPEG is embedded like the plain photo, and is known by its own size."""
    image = Image.fromarray(photo)
    plain = np.asarray(image.resize((714, 536), Image.Resampling.BICUBIC))
    large = image.resize((5712, 4284), Image.Resampling.BICUBIC)
    data = encoded(large, "JPEG", quality=80, progressive=progressive)
    decoded = photos.decode(data)
    assert (decoded.width, decoded.height) == (5712, 4284)
    assert decoded.pixels.shape == (536, 714, 3)
    assert cosine(colour, data, plain) >= 0.99


@pytest.mark.parametrize(
    ("width", "height", "shape"),
    [
        (640, 480, (480, 640)),
        (1279, 900, (900, 1279)),
        (1280, 900, (450, 640)),
        (900, 1280, (640, 450)),
        (2559, 8, (4, 1280)),
        (2560, 1200, (300, 640)),
        (5120, 16, (2, 640)),
        (1280, 1280, (640, 640)),
        (1280, 1279, (640, 640)),
        (1279, 1280, (640, 640)),
        (1280, 1, (1, 1280)),
    ],
)
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_draft_keeps_640_and_the_source_size(
    width: int, height: int, shape: tuple[int, int], orientation: int
) -> None:
    """A JPEG is reduced while its long side stays 640 or more; its size stays that of the upright source."""
    image = Image.new("RGB", (width, height), (90, 120, 40))
    decoded = photos.decode(encoded(image, "JPEG", exif=exif(orientation)))
    turned = orientation == 6
    assert decoded.pixels.shape[:2] == (shape[::-1] if turned else shape)
    assert (decoded.width, decoded.height) == ((height, width) if turned else (width, height))


# Metadata that cannot be read


@pytest.mark.parametrize(
    "tags",
    [
        b"garbage",
        b"Exif\0\0garbage",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 40,
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x02\0\0\0x\0\0\0\0\0\0\0",
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_turns_nothing(kind: str, tags: bytes) -> None:
    """A photo whose EXIF is garbage is read as it lies."""
    pixels = small()
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    assert error(photos.read(encoded(pixels, kind, exif=tags, **options)), pixels) <= 2


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_turns_nothing(orientation: int) -> None:
    """EXIF orientations outside 1-8 are no orientation."""
    assert np.array_equal(photos.read(encoded(small(), "PNG", exif=exif(orientation))), small())


def test_broken_exif_prints_nothing(tmp_path: Path) -> None:
    """Pillow's warnings do not reach a user's terminal."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(small(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01"))
    done = run("import sys; from twinset import photos; photos.read(sys.argv[1])", str(path))
    assert done == ""


def run(code: str, *arguments: str) -> str:
    """What a Python of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


# What is refused


def png(width: int, height: int, depth: int, colour: int) -> bytes:
    """A black PNG, made row by row."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    row = bytes(1 + (width * depth * (3 if colour == 2 else 1) + 7) // 8)
    deflate = zlib.compressobj(1)
    data = b"".join(deflate.compress(row) for _ in range(height)) + deflate.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def webp(width: int, height: int) -> bytes:
    """The beginning of a lossless WebP of that size."""
    body = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(5)
    chunk = b"WEBPVP8L" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunk)) + chunk


def gif(screen: tuple[int, int], frame: tuple[int, int]) -> bytes:
    """A GIF whose frame may be larger than its screen."""
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + b"\x2c" + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02\x44\x01\0;"


def tiff(width: int, height: int, directories: int = 1) -> bytes:
    """A grey TIFF of 8 × 8 pixels' data, of any stated size, with as many directories."""
    size, data = 2 + 9 * 12 + 4, bytes(range(64))
    out = bytearray(b"II*\0" + struct.pack("<I", 8 + len(data)) + data)
    for i in range(directories):
        tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 64}
        out += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", t, 4, 1, v) for t, v in tags.items())
        out += struct.pack("<I", 8 + len(data) + (i + 1) * size if i + 1 < directories else 0)
    return bytes(out)


def resized(data: bytes, width: int, height: int, marker: bytes = b"\xff\xc0") -> bytes:
    """A JPEG that claims another size."""
    at = data.index(marker) + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def in_scans(data: bytes) -> bytes:
    """A baseline JPEG whose first scan holds one colour only."""
    at = data.index(b"\xff\xda")
    return data[:at] + b"\xff\xda\0\x08\x01\x01\0\0\x3f\0" + data[at + 14 :]


def bombs() -> dict[str, bytes]:
    plain = encoded(small(), "JPEG")
    progressive = encoded(small(), "JPEG", progressive=True)
    avif = encoded(small(), "AVIF")
    at = avif.index(b"ispe") + 8
    return {
        "png of 31 megapixels": png(6200, 5000, 8, 2),
        "png of 13,377 squared": png(13377, 13377, 1, 0),
        "png just over": png(5001, 5000, 1, 0),
        "webp": webp(16383, 16383),
        "webp of 36 megapixels": webp(6000, 6000),
        "gif": gif((65535, 65535), (65535, 65535)),
        "gif frame": gif((10, 10), (6000, 6000)),
        "tiff": tiff(2**32 - 1, 2**32 - 1),
        "bmp": b"BM" + struct.pack("<IIIIiiHHIIiiII", 118, 0, 54, 40, 6000, 6000, 1, 24, 0, 0, 0, 0, 0, 0),
        "avif": avif[:at] + struct.pack(">II", 16000, 16000) + avif[at + 8 :],
        "jpeg": resized(plain, 10001, 10000),
        "progressive jpeg": resized(progressive, 7100, 7100, b"\xff\xc2"),
        "jpeg in scans": in_scans(resized(plain, 7100, 7100)),
    }


MEASURE = """
import json, resource, sys, time
from pathlib import Path
from twinset import photos
from twinset.errors import PhotoError
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
found = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    before, start = peak(), time.perf_counter()
    try:
        photos.read(path)
        code = "read"
    except PhotoError as error:
        code = error.code
    found[path.name] = [code, time.perf_counter() - start, peak() - before]
print(json.dumps(found))
"""


def test_bombs_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    """A file that claims too many pixels is refused in half a second and 150 MB, whatever its kind."""
    files = bombs()
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    found = json.loads(run(MEASURE, str(tmp_path)))
    assert {name: code for name, (code, _, _) in found.items()} == dict.fromkeys(files, "too_many_pixels")
    assert max(seconds for _, seconds, _ in found.values()) < 0.5
    assert max(megabytes for _, _, megabytes in found.values()) < 150


def test_the_limits_are_inclusive() -> None:
    """Exactly 25,000,000 pixels are read; a progressive JPEG of 49 and a baseline one of 99 million too."""
    assert photos.read(png(5000, 5000, 1, 0)).shape == (5000, 5000, 3)
    plain, progressive = encoded(small(), "JPEG"), encoded(small(), "JPEG", progressive=True)
    for data, side in (
        (resized(plain, 9900, 9900), 9900),
        (resized(progressive, 7000, 7000, b"\xff\xc2"), 7000),
    ):
        assert photos.decode(data).width == side


def test_many_directories_cost_nothing(tmp_path: Path) -> None:
    """A TIFF with 65,535 directories is read up to its first."""
    (tmp_path / "many.tiff").write_bytes(tiff(8, 8, 65_535))
    ((code, seconds, megabytes),) = json.loads(run(MEASURE, str(tmp_path))).values()
    assert (code, seconds < 0.5, megabytes < 150) == ("read", True, True)


def test_twenty_mebibytes_are_the_limit(tmp_path: Path) -> None:
    """A larger file is refused by its path and as bytes; one of exactly 20 MiB is read."""
    data = encoded(small(), "PNG").ljust(20 * 2**20, b"\0")
    assert np.array_equal(photos.read(data), small())
    assert refusal(data + b"\0").code == "photo_too_large"
    path = tmp_path / "photo.png"
    path.write_bytes(data + b"\0")
    with pytest.raises(PhotoError, match="more than 20 MiB") as caught:
        photos.read_bytes(path)
    assert caught.value.http_status == 413


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"this is text in a file named .jpg",
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        b"%PDF-1.7\n",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"8BPS\0\x01",
        b"\0\0\x01\0\x01\0\x10\x10",
        b"\0\0\0\x0cjP  \r\n\x87\n",
        b"\xff\x4f\xff\x51",
        b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
        b"RIFF\x10\0\0\0WAVEfmt ",
        b"\0" * 64,
    ],
    ids=["empty", "cut", "text", "svg", "pdf", "eps", "psd", "ico", "jp2", "j2k", "mp4", "wav", "zeros"],
)
def test_other_files_are_no_photos(tmp_path: Path, data: bytes) -> None:
    """The content decides, not the name."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(PhotoError, match="no photo of a known kind: hand in one of JPEG, PNG") as caught:
        photos.read(path)
    assert (caught.value.code, caught.value.http_status, caught.value.exit_code) == ("not_a_photo", 415, 3)


@pytest.mark.parametrize(
    "head", [b"BM", b"GIF89a", b"\xff\xd8\xff", b"II*\0", b"RIFF\0\0\0\0WEBP", b"\x89PNG\r\n\x1a\n"]
)
def test_text_behind_a_photo_signature_is_broken(head: bytes) -> None:
    """A signature alone makes no photo."""
    assert refusal(head + b" and so the tale goes on" * 20).code in ("broken_photo", "truncated_photo")


@pytest.mark.parametrize("path", ["none.jpg", "", "nul\0.jpg"])
def test_a_path_that_is_no_file(tmp_path: Path, path: str) -> None:
    """A missing file, a folder and a name that no file can have are paths that are not there."""
    with pytest.raises(PathError, match="cannot be read"):
        photos.read(tmp_path / path)


def heic() -> bytes:
    out = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(small(64, 48))).save(out, format="HEIF", quality=95)
    return out.getvalue()


def test_heic_is_read_with_the_extra() -> None:
    """Where the extra is installed, HEIC is a photo like others."""
    assert error(photos.read(heic()), small(64, 48)) <= 6


def test_heic_without_the_extra_names_it(tmp_path: Path) -> None:
    """Where the extra is missing, the refusal gives the command that installs it."""
    path = tmp_path / "photo.heic"
    path.write_bytes(heic())
    code = """
import sys
sys.modules["pillow_heif"] = None
from twinset import photos
from twinset.errors import PhotoError
try:
    photos.read(sys.argv[1])
except PhotoError as error:
    print(error.code, error.http_status, error)
"""
    said = run(code, str(path))
    assert said.startswith("heic_needs_extra 415 ")
    assert 'pip install "twinset[heic]"' in said


SAMPLES: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: encoded(small(), "JPEG", exif=exif(6)),
    "progressive": lambda: encoded(small(), "JPEG", progressive=True),
    "cmyk": lambda: encoded(Image.fromarray(plain_inks(small()), "CMYK"), "JPEG"),
    "png": lambda: encoded(small(), "PNG", exif=exif(6)),
    "palette": lambda: encoded(quantized(small()), "PNG", transparency=bytes(range(64))),
    "apng": lambda: encoded(small(), "PNG", save_all=True, append_images=[Image.fromarray(small()[::-1])]),
    "webp": lambda: encoded(small(), "WEBP", exif=exif(6)),
    "lossless": lambda: encoded(Image.fromarray(small()).convert("RGBA"), "WEBP", lossless=True),
    "gif": lambda: encoded(quantized(small()), "GIF", transparency=1),
    "bmp": lambda: encoded(small(), "BMP"),
    "tiff": lambda: encoded(small(), "TIFF", exif=exif(6)),
    "tiff lzw": lambda: encoded(small(), "TIFF", compression="tiff_lzw"),
    "tiff deflate": lambda: encoded(small(), "TIFF", compression="tiff_adobe_deflate"),
    "tiff jpeg": lambda: encoded(small(), "TIFF", compression="jpeg"),
    "avif": lambda: encoded(small(), "AVIF", exif=exif(6)),
    "heic": heic,
}


@pytest.mark.parametrize("percent", [10, 50, 90, 99])
@pytest.mark.parametrize("name", SAMPLES)
def test_truncated_photos(name: str, percent: int) -> None:
    """A cut photo is refused, or read in full where only bytes without picture data are missing."""
    data = SAMPLES[name]()
    cut = data[: len(data) * percent // 100]
    try:
        read = photos.read(cut)
    except PhotoError as refused:
        assert refused.code in ("truncated_photo", "broken_photo", "not_a_photo")  # noqa: PT017
    else:
        assert percent > 50
        assert np.array_equal(read, photos.read(data))


@pytest.mark.parametrize("name", ["jpeg", "progressive", "png", "gif", "bmp", "tiff", "avif"])
def test_a_cut_photo_is_called_so(name: str) -> None:
    """Half a photo is said to end too early."""
    data = SAMPLES[name]()
    refused = refusal(data[: len(data) // 2])
    assert (refused.code, refused.http_status) == ("truncated_photo", 422)
    assert refused.mend == "copy or download it again"


MADE = {name: make() for name, make in SAMPLES.items()}
PLACES = st.integers(0, 10_000)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(sorted(MADE)),
    flips=st.lists(st.tuples(PLACES, st.integers(0, 255)), max_size=6),
    cut=st.none() | PLACES,
    graft=st.none() | st.tuples(st.sampled_from(sorted(MADE)), PLACES),
)
@example(name="heic", flips=[], cut=400, graft=None)
def test_a_mutated_photo_is_read_or_refused(
    name: str, flips: list[tuple[int, int]], cut: int | None, graft: tuple[str, int] | None
) -> None:
    """Whatever the bytes, there are pixels or one PhotoError of one line."""
    data = bytearray(MADE[name])
    for place, value in flips:
        data[place % len(data)] = value
    if cut is not None:
        data = data[: cut % len(data)]
    if graft is not None:
        data += MADE[graft[0]][graft[1] % len(MADE[graft[0]]) :]
    try:
        decoded = photos.decode(bytes(data))
    except PhotoError as refused:
        assert refused.code in PHOTO_CODES  # noqa: PT017
        assert "\n" not in str(refused)  # noqa: PT017
    else:
        assert decoded.pixels.dtype == np.uint8
        assert decoded.pixels.shape == (decoded.height, decoded.width, 3)


REFUSED: dict[str, Callable[[], object]] = {
    "photo_too_large": lambda: photos.read(bytes(20 * 2**20 + 1)),
    "too_many_pixels": lambda: photos.read(gif((65535, 65535), (1, 1))),
    "not_a_photo": lambda: photos.read(b"text"),
    "heic_needs_extra": lambda: photos.read(heic()),
    "unsupported_mode": lambda: photos.read(encoded(Image.new("F", (4, 4)), "TIFF")),
    "truncated_photo": lambda: photos.read(encoded(small(), "BMP")[:-9]),
    "broken_photo": lambda: photos.read(b"BM" + bytes(60)),
    "bad_box": lambda: in_fractions((30, 0, 40, 9), Decoded(small(), 24, 20)),
}


@pytest.mark.parametrize("code", [code for code in PHOTO_CODES if code != "photo_too_heavy"])
def test_every_code_is_reached(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each code of the closed list has a photo that earns it; the decoders' own is in their tests."""
    if code == "heic_needs_extra":
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PhotoError, match=r".: \w") as caught:
        REFUSED[code]()
    assert caught.value.code == code
    assert caught.value.http_status == PHOTO_CODES[code]


# The rest of the module


def test_shrink_keeps_the_proportions(photo: Pixels) -> None:
    """A photo is shrunk to its long side, and never enlarged."""
    assert photos.shrink(small(100, 1000), 640).shape == (64, 640, 3)
    assert photos.shrink(small(1000, 1), 640).shape == (640, 1, 3)
    assert np.array_equal(photos.shrink(small(), 640), small())


def test_encode_jpeg_is_read_back_without_metadata(photo: Pixels) -> None:
    """What is encoded is a plain JPEG of the same picture."""
    data = photos.encode_jpeg(photo)
    assert error(photos.read(data), photo) <= 4
    assert b"Exif" not in data


def test_content_hash_follows_the_bytes() -> None:
    """The hash is SHA-256 of the bytes as they are."""
    assert photos.content_hash(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
