"""Writes odd_raster/* and odd_raster.json in this folder.

    pip install numpy==2.4.6 opencv-python-headless==5.0.0.93 pillow==13.0.0 tifffile==2026.3.3 imagecodecs==2026.3.6
    python odd_raster.py

Unusual raster files, as in bug reports of OpenCV, libtiff, libjpeg, Pillow and image-rs. In the
JSON, `oracle` names the decoder and `rgb` has its pixels. A file without an oracle must be refused.
"""
import io, json, pathlib, struct, sys, zlib

import cv2, imagecodecs, numpy as np, tifffile
from PIL import Image

here = pathlib.Path(__file__).parent
folder = here / "odd_raster"
folder.mkdir(exist_ok=True)
for old in folder.iterdir():
    old.unlink()

w, h = 22, 13
y, x = np.mgrid[:h, :w]
grey = ((x * 9 + y * 5) % 256).astype(np.uint8)
rgb = np.stack([grey, (200 - y * 11).astype(np.uint8), ((x * 7) ^ y).astype(np.uint8)], 2)
alpha = (255 - x * 10).astype(np.uint8)
grey12 = (x * 150 + y * 70).astype(np.uint16)  # 0 to 3990
grey16 = (grey12 * 16).astype(np.uint16)
palette = np.stack([np.arange(256) * 257, (255 - np.arange(256)) * 257, (np.arange(256) * 7 % 256) * 257]).astype(np.uint16)


def tif(array, **options):
    f = io.BytesIO()
    options.setdefault("photometric", "minisblack" if array.ndim == 2 else "rgb")
    options.setdefault("metadata", None)
    big = options.pop("big", False)
    order = options.pop("order", "<")
    pages = options.pop("pages", None)
    with tifffile.TiffWriter(f, bigtiff=big, byteorder=order) as out:
        for page in pages or [array]:
            out.write(page, **options)
    return f.getvalue()


def pil(image, format, **options):
    f = io.BytesIO()
    image.save(f, format, **options)
    return f.getvalue()


def ifd(entries, order="<", data=b""):
    """Returns a TIFF with one directory of entries (tag, type, values), followed by the pixel data.
    The value "data" is replaced by the offset of the pixel data."""
    sizes = {1: "B", 2: "B", 3: "H", 4: "I", 5: "I", 6: "b", 8: "h"}
    out = bytearray((b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8))
    directory_size = 2 + 12 * len(entries) + 4
    extra = bytearray()
    base = 8 + directory_size
    rows = []
    for tag, kind, values in sorted(entries):
        values = values if isinstance(values, (list, tuple, bytes)) else [values]
        rows.append((tag, kind, values))
    packed_rows, patch = [], None
    for tag, kind, values in rows:
        if values == ["data"]:
            patch = len(packed_rows)
            packed_rows.append((tag, kind, 1, b"\0\0\0\0"))
            continue
        packed = struct.pack(order + sizes[kind] * len(values), *values)
        if len(packed) > 4:
            offset = base + len(extra)
            extra += packed + b"\0" * (len(packed) % 2)
            packed_rows.append((tag, kind, len(values), struct.pack(order + "I", offset)))
        else:
            packed_rows.append((tag, kind, len(values), packed.ljust(4, b"\0")))
    out += struct.pack(order + "H", len(rows))
    for i, (tag, kind, count, value) in enumerate(packed_rows):
        if i == patch:
            value = struct.pack(order + "I", base + len(extra))
        out += struct.pack(order + "HHI", tag, kind, count) + value
    return bytes(out + struct.pack(order + "I", 0) + extra + data)


def packed(array, bits):
    """Returns rows of `bits`-bit samples, most significant bit first, padded to bytes."""
    rows = []
    for row in array:
        text = "".join(format(int(v), f"0{bits}b") for v in np.ravel(row))
        text += "0" * (-len(text) % 8)
        rows.append(bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8)))
    return b"".join(rows)


def basic(width, height, bits, photometric, data, samples=1, order="<", compression=1, more=()):
    return ifd([(256, 3, width), (257, 3, height), (258, 3, [bits] * samples), (259, 3, compression),
                (262, 3, photometric), (273, 4, "data"), (277, 3, samples), (278, 3, height),
                (279, 4, len(data)), *more], order, data)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(png, *chunks, after=b"IHDR"):
    at = png.index(after) - 4
    end = at + 12 + struct.unpack(">I", png[at:at + 4])[0]
    return png[:end] + b"".join(chunk(k, d) for k, d in chunks) + png[end:]


def cv(array, ext):
    return cv2.imencode(ext, array[..., ::-1] if array.ndim == 3 else array)[1].tobytes()


def png(ihdr, raw):
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def interlaced():
    """Returns an RGB PNG in the seven passes of Adam7."""
    passes = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]
    raw = b"".join(b"\0" + row.tobytes() for top, dy, left, dx in passes for row in rgb[top::dy, left::dx])
    return png(struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 1), raw)


def grey2_png():
    data = packed(grey >> 6, 2)
    stride = len(data) // h
    raw = b"".join(b"\0" + data[i * stride:(i + 1) * stride] for i in range(h))
    return png(struct.pack(">IIBBBBB", w, h, 2, 0, 0, 0, 0), raw)


RGB, L = Image.fromarray(rgb), Image.fromarray(grey)
exif6 = Image.Exif(); exif6[0x0112] = 6
smooth = np.kron(np.linspace(20, 230, 6, dtype=np.uint8)[None, :], np.ones((16, 8), np.uint8))
small = np.full((4, 5), 77, np.uint8)
jpeg_rgb = pil(RGB, "JPEG", quality=90, subsampling=0)


def thumbnail_first():
    f = io.BytesIO()
    with tifffile.TiffWriter(f) as out:
        out.write(small, photometric="minisblack", subfiletype=1, metadata=None)
        out.write(grey, photometric="minisblack", metadata=None)
    return f.getvalue()


def in_sub_ifd():
    f = io.BytesIO()
    with tifffile.TiffWriter(f) as out:
        out.write(small, photometric="minisblack", subifds=1, metadata=None)
        out.write(grey, photometric="minisblack", metadata=None)
    return f.getvalue()


files = {
    # TIFF: cases of bug reports.
    "palette.tif": tif((grey // 2), photometric="palette", colormap=palette),
    "palette4.tif": basic(w, h, 4, 3, packed(grey >> 4, 4), more=[(320, 3, list(map(int, palette[:, ::17][:, :16].ravel())))]),
    "grey_alpha.tif": tif(np.dstack([grey, alpha]), photometric="minisblack", extrasamples=["unassalpha"]),
    "grey16_alpha.tif": tif(np.dstack([grey16, grey16]), photometric="minisblack", extrasamples=["unassalpha"]),
    "big.tif": tif(grey, big=True),
    "big_mm16.tif": tif(grey16, big=True, order=">"),
    "jpeg_grey.tif": tif(smooth, compression="jpeg"),
    "jpeg_ycc.tif": tif(np.dstack([smooth, 255 - smooth, smooth // 2]), photometric="ycbcr", compression="jpeg", subsampling=(1, 1), rowsperstrip=8),
    "jpeg_ycc_420.tif": tif(np.dstack([smooth, 255 - smooth, smooth // 2]), photometric="ycbcr", compression="jpeg", subsampling=(2, 2), tile=(16, 16)),
    "jpeg_rgb.tif": tif(np.dstack([smooth, 255 - smooth, smooth // 2]), compression="jpeg"),
    "thumbnail_first.tif": thumbnail_first(),
    "sub_ifd.tif": in_sub_ifd(),
    "stack.tif": tif(grey, photometric="minisblack", pages=[grey, 255 - grey]),
    "float.tif": tif((grey / 255).astype(np.float32)),
    "float64.tif": tif((grey / 255).astype(np.float64)),
    "int16.tif": tif((grey12.astype(np.int16) - 2000)),
    "int8.tif": tif((grey.astype(np.int16) - 128).astype(np.int8)),
    "uint32.tif": tif(grey16.astype(np.uint32) * 65537),
    # TIFF: similar cases.
    "min_is_white.tif": tif(grey, photometric="miniswhite"),
    "min_is_white16.tif": tif(grey16, photometric="miniswhite"),
    "grey12_packed.tif": basic(w, h, 12, 1, packed(grey12, 12)),
    "grey10_packed.tif": basic(w, h, 10, 1, packed(grey12 >> 2, 10)),
    "grey14_packed.tif": basic(w, h, 14, 1, packed(grey12 << 2, 14)),
    "grey4.tif": basic(w, h, 4, 1, packed(grey >> 4, 4)),
    "grey2.tif": basic(w, h, 2, 1, packed(grey >> 6, 2)),
    "bilevel_white.tif": basic(w, h, 1, 0, packed(grey >> 7, 1)),
    "holds12.tif": tif(grey12),
    "predictor16.tif": tif(grey16, compression="lzw", predictor=True),
    "deflate_tiles.tif": tif(np.tile(grey, (2, 2)), compression="deflate", tile=(16, 16)),
    "packbits_mm.tif": tif(rgb, compression="packbits", order=">"),
    "planar.tif": tif(np.moveaxis(rgb, 2, 0).copy(), photometric="rgb", planarconfig="separate"),
    "planar16_lzw.tif": tif(np.moveaxis(rgb.astype(np.uint16) * 257, 2, 0).copy(), photometric="rgb", planarconfig="separate", compression="lzw"),
    "rgba.tif": tif(np.dstack([rgb, alpha]), extrasamples=["unassalpha"]),
    "rgba_assoc.tif": tif(np.dstack([rgb, alpha]), extrasamples=["assocalpha"]),
    "rgb16.tif": tif(rgb.astype(np.uint16) * 256 + 200),
    "cmyk.tif": tif(np.dstack([rgb, alpha // 3]), photometric="separated"),
    "orientation6.tif": tif(grey, extratags=[(274, 3, 1, 6, True)]),
    "orientation3_16.tif": tif(grey16, extratags=[(274, 3, 1, 3, True)]),
    "zstd.tif": tif(grey, compression="zstd"),
    "lzma.tif": tif(grey, compression="lzma"),
    "webp.tif": tif(rgb, compression="webp"),
    "float_predictor.tif": tif((grey / 255).astype(np.float32), compression="deflate", predictor=True),
    "fill_order.tif": basic(w, h, 1, 1, bytes(int(f"{b:08b}"[::-1], 2) for b in packed(grey >> 7, 1)), more=[(266, 3, 2)]),
    "fax4.tif": pil(L.convert("1"), "TIFF", compression="group4"),
    "fax3.tif": pil(L.convert("1"), "TIFF", compression="group3"),
    "no_strip_counts.tif": ifd([(256, 3, w), (257, 3, h), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, "data")], data=grey.tobytes()),
    "ycc_plain.tif": basic(w, h, 8, 6, np.asarray(RGB.convert("YCbCr")).tobytes(), samples=3, more=[(530, 3, [1, 1])]),
    "ycc_plain_420.tif": basic(w, h, 8, 6, bytes(w * h * 3), samples=3, more=[(530, 3, [2, 2])]),
    "lab.tif": pil(Image.frombytes("LAB", (w, h), rgb.tobytes()), "TIFF"),
    # PNG.
    "holds12.png": cv(grey12, ".png"),
    "holds12_sbit.png": png_with(cv(grey12, ".png"), (b"sBIT", bytes([12]))),
    "interlaced.png": interlaced(),
    "exif6.png": pil(RGB, "PNG", exif=exif6),
    "grey2.png": grey2_png(),
    "gamma.png": png_with(pil(L, "PNG"), (b"gAMA", struct.pack(">I", 100000))),
    "trns16.png": png_with(cv(grey16, ".png"), (b"tRNS", struct.pack(">H", int(grey16[3, 3])))),
    "apng.png": pil(RGB, "PNG", save_all=True, append_images=[Image.fromarray(255 - rgb)]),
    # JPEG.
    "exif6_grey.jpg": pil(L, "JPEG", quality=95, exif=exif6),
    "adobe_rgb.jpg": pil(RGB, "JPEG", quality=95, keep_rgb=True, subsampling=0),
    "ycck_real.jpg": None,
    "mpo.jpg": pil(RGB, "MPO", save_all=True, append_images=[RGB], quality=90),
    "junk_before_eoi.jpg": jpeg_rgb[:-2] + b"\x12\x34\x56\x78" + b"\xff\xd9",
    "fill_bytes.jpg": jpeg_rgb[:2] + b"\xff\xff\xff" + jpeg_rgb[2:],
    "no_huffman_tables.jpg": None,
    # BMP, GIF, WebP.
    "top_down.bmp": None,
    "bits16_555.bmp": None,
    "rle8.bmp": None,
    "grey.bmp": pil(L, "BMP"),
    "offset_frame.gif": None,
    "animated.gif": pil(L, "GIF", save_all=True, append_images=[Image.fromarray(255 - grey)]),
    "animated.webp": pil(RGB, "WEBP", save_all=True, lossless=True, append_images=[Image.fromarray(255 - rgb)]),
    "exif6.webp": pil(RGB, "WEBP", lossless=True, exif=exif6),
}

bmp = bytearray(pil(RGB, "BMP"))
stride = (3 * w + 3) // 4 * 4
start = struct.unpack("<I", bmp[10:14])[0]
bmp_rows = [bmp[start + i * stride:start + (i + 1) * stride] for i in range(h)]
files["top_down.bmp"] = bytes(bmp[:22] + struct.pack("<i", -h) + bmp[26:start] + b"".join(bmp_rows[::-1]))
five = (rgb.astype(np.uint16) >> 3)
pixels = (five[..., 0] << 10 | five[..., 1] << 5 | five[..., 2]).astype("<u2")[::-1]
files["bits16_555.bmp"] = b"BM" + struct.pack("<IHHI", 54 + pixels.nbytes, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, w, h, 1, 16, 0, pixels.nbytes, 0, 0, 0, 0) + pixels.tobytes()
table = b"".join(bytes([i, i, i, 0]) for i in range(256))
rle = b"".join(bytes([0, w]) + row.tobytes() + b"\0" * (w % 2) + b"\0\0" for row in grey[::-1]) + b"\0\1"
files["rle8.bmp"] = b"BM" + struct.pack("<IHHI", 54 + 1024 + len(rle), 0, 0, 54 + 1024) + struct.pack("<IiiHHIIiiII", 40, w, h, 1, 8, 1, len(rle), 0, 0, 256, 0) + table + rle
base = pil(L, "GIF")
at = base.index(b"\x2c", 13 + 768)
files["offset_frame.gif"] = base[:6] + struct.pack("<HH", w + 6, h + 4) + base[10:at] + b"\x2c" + struct.pack("<HH", 3, 2) + base[at + 5:]
out, i = bytearray(jpeg_rgb[:2]), 2
while jpeg_rgb[i + 1] != 0xda:
    n = 2 + struct.unpack(">H", jpeg_rgb[i + 2:i + 4])[0]
    if jpeg_rgb[i + 1] != 0xc4:
        out += jpeg_rgb[i:i + n]
    i += n
files["no_huffman_tables.jpg"] = bytes(out + jpeg_rgb[i:])
ycc = np.asarray(Image.merge("CMYK", [Image.fromarray(c) for c in (grey, 255 - grey, rgb[..., 2], alpha)]))
files["ycck_real.jpg"] = imagecodecs.jpeg8_encode(ycc, level=95, colorspace="CMYK", outcolorspace="YCCK")
files["lossy12.jpg"] = imagecodecs.jpeg8_encode(grey12, level=95, bitspersample=12)

def read_tifffile(name, shift=0):
    """Returns the largest page as 8-bit RGB."""
    with tifffile.TiffFile(folder / name) as t:
        pages = [p for page in t.pages for p in [page, *(page.pages or [])]]
        a = max(pages, key=lambda p: p.imagewidth * p.imagelength).asarray()
    a = (a >> shift).astype(np.uint8)
    return np.dstack([a] * 3) if a.ndim == 2 else a[..., :3]


def read_pillow(name):
    """Returns the pixels as RGB without alpha."""
    a = np.asarray(Image.open(folder / name))
    return np.dstack([a] * 3) if a.ndim == 2 else a[..., :3]


# Files that OpenCV does not read, or reads differently: the thumbnail, or colours darkened by alpha.
other_oracles = {
    "thumbnail_first.tif": ("tifffile", read_tifffile), "sub_ifd.tif": ("tifffile", read_tifffile),
    "rgba.tif": ("Pillow", read_pillow), "orientation6.tif": ("tifffile", lambda n: np.rot90(read_tifffile(n), -1)),
    "grey4.tif": ("Pillow", read_pillow), "grey2.tif": ("Pillow", read_pillow),
    # OpenCV fills the lower 3 bits with zeros, so white is 248.
    "bits16_555.bmp": ("value / 31", lambda n: np.round(five * 255 / 31).astype(np.uint8)),
    "grey10_packed.tif": ("tifffile", lambda n: read_tifffile(n, 2)),
    "grey12_packed.tif": ("tifffile", lambda n: read_tifffile(n, 4)),
    "grey14_packed.tif": ("tifffile", lambda n: read_tifffile(n, 6)),
}
# Files that must be refused. OpenCV reads the first four with wrong values.
refused = ["int16.tif", "int8.tif", "lab.tif", "fax3.tif", "float.tif", "float64.tif", "uint32.tif",
           "zstd.tif", "lzma.tif", "webp.tif", "float_predictor.tif", "lossy12.jpg", "ycc_plain_420.tif"]
rows = []
for name, content in files.items():
    if content is None:
        continue
    (folder / name).write_bytes(content)
    bgr = cv2.imread(str(folder / name), cv2.IMREAD_COLOR)
    oracle, expected = "OpenCV", None if bgr is None else bgr[..., ::-1]
    if name in other_oracles:
        oracle, expected = other_oracles[name][0], other_oracles[name][1](name)
    elif name in refused:
        oracle, expected = None, None
    assert (expected is None) == (name in refused), name
    if "-v" in sys.argv:
        print(f"{name:22} {len(content):6} OpenCV:", None if bgr is None else (bgr.shape[:2], bgr[3, 4, ::-1].tolist()), oracle)
    row = {"file": name, "oracle": oracle}
    if expected is not None:
        row |= {"height": expected.shape[0], "width": expected.shape[1], "rgb": np.ascontiguousarray(expected).tobytes().hex()}
    rows.append(row)
(here / "odd_raster.json").write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
