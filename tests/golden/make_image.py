"""Writes images/*, image_decode.json, image_resize.json and image_rotate.json in this folder.

    pip install opencv-python-headless==5.0.0.93 numpy==2.4.6 scipy==1.17.1 pillow==13.0.0
    python make_image.py

The expected values of decoding and resizing are those of OpenCV. Rotations are computed with
scipy's affine_transform and the matrix of Keras 3.15's apply_affine_transform; they were compared
with Keras once.
"""
import hashlib, io, json, pathlib

import cv2, numpy as np
from PIL import Image
from scipy.ndimage import affine_transform

here = pathlib.Path(__file__).parent
folder = here / "images"
folder.mkdir(exist_ok=True)


def noise(h, w, c):
    """Upper bytes of a 32-bit linear congruential sequence, as in the function `noise` of the Rust tests."""
    state, out = h * 1000 + w, bytearray()
    for _ in range(h * w * c):
        state = (state * 1664525 + 1013904223) % 2**32
        out.append(state >> 24)
    return np.frombuffer(bytes(out), np.uint8).reshape(h, w, c)


def dump(name, rows):
    (here / name).write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")


# Resize: hashes of all output pixels.
sizes = [1, 2, 3, 5, 8, 31, 64, 97]
pairs = [((a, b), (c, d)) for a in sizes for b in (1, 7, 64) for c in (1, 4, 32, 97) for d in (1, 32, 50)]
pairs += [((h, w), (224, 224)) for h, w in ((1, 1), (2, 2), (112, 112), (157, 156), (223, 225), (224, 100),
                                            (448, 448), (448, 224), (449, 447), (672, 500), (897, 1300))]
rows = []
for i, ((h, w), (oh, ow)) in enumerate(pairs):
    c = 3 if i % 2 else 1
    out = cv2.resize(noise(h, w, c), (ow, oh))
    rows.append({"from": [h, w, c], "to": [oh, ow, c], "sha256": hashlib.sha256(out.tobytes()).hexdigest()[:16]})
dump("image_resize.json", rows)


# Rotation: Keras' matrix from output to input coordinates, for both axis conventions. Keras builds
# the matrix for (x, y) including the centre, then swaps the axes; so the centre is swapped, too.
def rotate(pixels, degrees, plane):
    x = pixels.astype("float32") / 255
    x = np.moveaxis(x, 2, 0) if plane == "height-width" else x
    t, centre = np.deg2rad(degrees), (np.array(x.shape[:0:-1]) - 1) / 2
    m = np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]])
    x = np.stack([affine_transform(p, m, centre - m @ centre, order=1, mode="nearest") for p in x])
    return np.moveaxis(x, 0, 2) if plane == "height-width" else x


dump("image_rotate.json", [
    {"side": s, "degrees": a, "plane": p, "rotated": [float(f"{v:.8g}") for v in rotate(noise(s, s, 3), a, p).ravel()]}
    for s in (1, 5, 8) for a in (-15.0, 7.25, 90.0, 201.5) for p in ("height-width", "width-channel")])


# Decoding: small images in every format, and the pixels that OpenCV reads.
w, h = 22, 13
y, x = np.mgrid[:h, :w]
grey = ((x * 9 + y * 5) % 256).astype(np.uint8)
rgb = np.stack([grey, (200 - y * 11).astype(np.uint8), ((x * 7) ^ y).astype(np.uint8)], 2)
alpha = (255 - x * 10).astype(np.uint8)
grey16 = (grey.astype(np.uint16) * 256 + noise(h, w, 1)[..., 0])
rgb16 = (rgb.astype(np.uint16) * 256 + noise(h, w, 3))
L, RGB = Image.fromarray(grey), Image.fromarray(rgb)
RGBA = Image.fromarray(np.dstack([rgb, alpha]))
LA = Image.fromarray(np.dstack([grey, alpha]), "LA")
P = RGB.quantize(32)


def pil(image, format, **options):
    f = io.BytesIO()
    image.save(f, format, **options)
    return f.getvalue()


def cv(array, ext):
    return cv2.imencode(ext, array[..., ::-1] if array.ndim == 3 else array)[1].tobytes()


def oriented(tag):
    exif = Image.Exif()
    exif[0x0112] = tag
    return pil(RGB, "JPEG", quality=95, subsampling=0, exif=exif)


def ycck():
    """A CMYK file with YCCK in the Adobe segment: the colours are wrong, but equal in all decoders."""
    b = bytearray(pil(RGB.convert("CMYK"), "JPEG", quality=95))
    b[b.index(b"Adobe") + 11] = 2
    return bytes(b)


files = {
    "grey.jpg": ("L", pil(L, "JPEG", quality=90)),
    "rgb_444.jpg": ("RGB", pil(RGB, "JPEG", quality=90, subsampling=0)),
    "rgb_422.jpg": ("RGB", pil(RGB, "JPEG", quality=90, subsampling=1)),
    "rgb_420.jpg": ("RGB", pil(RGB, "JPEG", quality=90, subsampling=2)),
    "grey_progressive.jpg": ("L", pil(L, "JPEG", quality=90, progressive=True)),
    "rgb_progressive.jpg": ("RGB", pil(RGB, "JPEG", quality=90, progressive=True)),
    "restart.jpg": ("RGB", pil(RGB, "JPEG", quality=90, subsampling=0, restart_marker_blocks=1)),
    "cmyk.jpg": ("CMYK", pil(RGB.convert("CMYK"), "JPEG", quality=95)),
    "ycck.jpg": ("CMYK", ycck()),
    "trailing.jpg": ("L", pil(L, "JPEG", quality=90) + b"\0trailing bytes after the end-of-image marker"),
    "icc.jpg": ("RGB", pil(RGB, "JPEG", quality=90, subsampling=0, icc_profile=b"no profile at all")),
    "grey.png": ("L", pil(L, "PNG")),
    "grey_alpha.png": ("LA", pil(LA, "PNG")),
    "grey16.png": ("L16", cv(grey16, ".png")),
    "rgb.png": ("RGB", pil(RGB, "PNG")),
    "rgb16.png": ("RGB16", cv(rgb16, ".png")),
    "rgba.png": ("RGBA", pil(RGBA, "PNG")),
    "palette.png": ("P", pil(P, "PNG")),
    "palette_transparent.png": ("P", pil(P, "PNG", transparency=3)),
    "bilevel.png": ("1", pil(L.convert("1"), "PNG")),
    "grey.tif": ("L", pil(L, "TIFF")),
    "grey16.tif": ("L16", cv(grey16, ".tiff")),
    "rgb_lzw.tif": ("RGB", pil(RGB, "TIFF", compression="tiff_lzw")),
    "rgb.bmp": ("RGB", pil(RGB, "BMP")),
    "rgb.webp": ("RGB", pil(RGB, "WEBP", lossless=True)),
    "palette.gif": ("P", pil(P, "GIF")),
} | {f"exif_{tag}.jpg": ("RGB", oriented(tag)) for tag in range(1, 9)}

rows = []
for name, (mode, content) in files.items():
    (folder / name).write_bytes(content)
    bgr = cv2.imread(str(folder / name), cv2.IMREAD_COLOR)
    rows.append({"file": name, "mode": mode, "height": bgr.shape[0], "width": bgr.shape[1], "rgb": bgr[..., ::-1].tobytes().hex()})
dump("image_decode.json", rows)
