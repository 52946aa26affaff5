"""Writes lossless_jpeg/*.jpg and lossless_jpeg.json in this folder.

    pip install numpy==2.4.6 imagecodecs==2026.3.6 pylibjpeg==2.1.0 pylibjpeg-libjpeg==2.5.0
    python lossless_jpeg.py

No common encoder supports restart intervals and point transforms with all predictors and depths,
so this script has a small encoder according to ITU-T T.81, annex H. At least one independent
decoder must return the encoded pixels: libjpeg-turbo (imagecodecs' jpeg8_decode), imagecodecs'
ljpeg_decode or pylibjpeg-libjpeg.
"""
import hashlib, json, pathlib

import imagecodecs, numpy as np
from libjpeg import decode as libjpeg

here = pathlib.Path(__file__).parent
folder = here / "lossless_jpeg"
folder.mkdir(exist_ok=True)


def predictions(x, predictor, pt, precision, rows_per_restart):
    """Returns the prediction of every sample of the plane x (after the point transform)."""
    h, w = x.shape
    x = x.astype(np.int64)
    a = np.zeros_like(x); a[:, 1:] = x[:, :-1]
    b = np.zeros_like(x); b[1:] = x[:-1]
    c = np.zeros_like(x); c[1:, 1:] = x[:-1, :-1]
    p = [None, a, b, c, a + b - c, a + ((b - c) >> 1), b + ((a - c) >> 1), (a + b) >> 1][predictor].copy()
    p[:, 0] = b[:, 0]
    for row in range(0, h, rows_per_restart or h):
        p[row] = a[row]
        p[row, 0] = 1 << (precision - pt - 1)
    return p


def codes(counts):
    """Returns the canonical Huffman codes as (code, length), by symbol index."""
    code, out = 0, []
    for length, n in enumerate(counts, 1):
        for _ in range(n):
            out.append((code, length))
            code += 1
        code <<= 1
    return out


def segment(marker, body):
    return bytes([0xff, marker]) + (len(body) + 2).to_bytes(2, "big") + body


# Codes of the 17 difference categories, of 3 to 11 bits.
COUNTS = [0, 0, 4, 4, 2, 2, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0]
SYMBOLS = [3, 4, 2, 5, 6, 1, 0, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
CODE = dict(zip(SYMBOLS, codes(COUNTS)))


def scan(planes, predictor, pt, precision, rows):
    """Returns the entropy-coded data of interleaved planes."""
    shifted = [p >> pt for p in planes]
    diffs = []
    for s in shifted:
        d = (s.astype(np.int64) - predictions(s, predictor, pt, precision, rows)) & 0xffff
        diffs.append(np.where(d > 0x8000, d - 0x10000, d))
    h, w = planes[0].shape
    out, acc, n, restarts = bytearray(), 0, 0, 0

    def put(value, length):
        nonlocal acc, n
        acc, n = acc << length | value, n + length
        while n >= 8:
            byte = acc >> (n - 8) & 0xff
            out.append(byte)
            if byte == 0xff:
                out.append(0)
            n -= 8
            acc &= (1 << n) - 1

    for row in range(h):
        if rows and row and row % rows == 0:
            if n:
                put((1 << (8 - n)) - 1, 8 - n)
            out.extend([0xff, 0xd0 + restarts % 8])
            restarts += 1
        for column in range(w):
            for d in diffs:
                v = int(d[row, column])
                category = abs(v).bit_length()
                put(*CODE[category])
                if 0 < category < 16:
                    put(v if v > 0 else v + (1 << category) - 1, category)
    if n:
        put((1 << (8 - n)) - 1, 8 - n)
    return bytes(out)


def encode(image, precision, predictor, pt=0, rows=0, separate=False, eoi=True):
    planes = [image] if image.ndim == 2 else [image[..., i] for i in range(image.shape[2])]
    h, w = planes[0].shape
    ids = list(range(1, len(planes) + 1))
    frame = bytes([precision]) + h.to_bytes(2, "big") + w.to_bytes(2, "big") + bytes([len(ids)])
    frame += b"".join(bytes([i, 0x11, 0]) for i in ids)
    out = b"\xff\xd8" + segment(0xc3, frame) + segment(0xc4, bytes([0] + COUNTS + SYMBOLS))
    if rows:
        out += segment(0xdd, (rows * w).to_bytes(2, "big"))
    for group in ([[i] for i in range(len(ids))] if separate else [list(range(len(ids)))]):
        head = bytes([len(group)]) + b"".join(bytes([ids[i], 0]) for i in group) + bytes([predictor, 0, pt])
        out += segment(0xda, head) + scan([planes[i] for i in group], predictor, pt, precision, rows)
    return out + (b"\xff\xd9" if eoi else b"")


def picture(bits, channels=1, h=40, w=23):
    """A gradient with edges and noise that uses all bits and has jumps of half the range."""
    y, x = np.mgrid[:h, :w]
    top = (1 << bits) - 1
    rng = np.random.RandomState(bits * 10 + channels)
    planes = []
    for k in range(channels):
        p = (x * top // w + y * top // (h * 2) + rng.randint(0, max(2, top // 64), (h, w)) + k * 7) & top
        p[5:9, 3:9] = top
        p[7:20, 12] = 0
        planes.append(p)
    out = np.stack(planes, 2).astype(np.uint16)
    return out[..., 0] if channels == 1 else out


def decode_all(data):
    """Returns the pixels or the error of each decoder."""
    results = {}
    for name, decode in (("libjpeg-turbo", imagecodecs.jpeg8_decode), ("ljpeg", imagecodecs.ljpeg_decode),
                         ("libjpeg", libjpeg)):
        try:
            results[name] = np.asarray(decode(data)).astype(np.uint16)
        except Exception as error:
            results[name] = f"{type(error).__name__}: {error}"[:90]
    return results


cases = []
for bits in (8, 12, 16):
    for predictor in range(1, 8):
        for rows in (0, 1, 32):
            if rows == 0 and bits != 16:
                continue
            cases.append((f"{bits}_p{predictor}_r{rows}", bits, dict(predictor=predictor, rows=rows), 1))
for predictor in (1, 4, 6, 7):
    cases.append((f"16_p{predictor}_pt2", 16, dict(predictor=predictor, pt=2), 1))
    cases.append((f"12_p{predictor}_pt2_r3", 12, dict(predictor=predictor, pt=2, rows=3), 1))
cases += [
    ("2_p1", 2, dict(predictor=1), 1), ("10_p5", 10, dict(predictor=5, rows=1), 1),
    ("rgb8_p1_r1", 8, dict(predictor=1, rows=1), 3), ("rgb8_p7", 8, dict(predictor=7), 3),
    ("rgb8_p6_separate", 8, dict(predictor=6, separate=True), 3),
    ("rgb12_p4_r2", 12, dict(predictor=4, rows=2), 3),
]
rows = []
for name, bits, options, channels in cases:
    image = picture(bits, channels)
    data = encode(image, bits, **options)
    expected = image >> options.get("pt", 0) << options.get("pt", 0)
    results = decode_all(data)
    agree = [n for n, a in results.items() if not isinstance(a, str) and a.shape == expected.shape and (a == expected).all()]
    others = {n: (a if isinstance(a, str) else "other pixels") for n, a in results.items() if n not in agree}
    print(name, agree, others)
    assert agree, f"{name}: no decoder returns the encoded pixels"
    (folder / f"{name}.jpg").write_bytes(data)
    rows.append({"file": f"{name}.jpg", "bits": bits, "shape": list(expected.shape), "decoders": agree,
                 "sha256": hashlib.sha256(expected.astype("<u2").tobytes()).hexdigest()})
(here / "lossless_jpeg.json").write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
