"""Prints link.json: thumbnails, descriptors and an alignment by OpenCV and SciPy.

    pip install numpy opencv-python-headless scipy && python link.py > link.json

The image has 224 x 224 pixels with a uniform border: 9 pixels at the left, 6 at the right, 4 at
the top. `cells` are the INTER_AREA means of the rest (OpenCV). `frequencies` are the orthonormal
DCT-II of two windows of the cells (SciPy), weighted by radial frequency and scaled to length 1.
`affine` has an image, the same image under an affine map, and the map that OpenCV's
findTransformECC estimates.
"""

import json

import cv2
import numpy as np
from scipy.fft import dctn

SIDE, LOW = 64, 8


def image(x, y):
    return (x * 7 + y * 3) % 61 * 2 + x * y // 97 % 67


def frequencies(cells, left, top, right, bottom):
    window = cells[top : SIDE - bottom, left : SIDE - right].astype(float)
    u, v = np.meshgrid(np.arange(LOW), np.arange(LOW))
    # The normalisation of the DCT does not matter: the result is scaled to length 1.
    values = dctn(window, norm="ortho")[:LOW, :LOW] * np.hypot(u, v)
    even, odd = values[:, ::2].ravel()[1:], values[:, 1::2].ravel()
    values = np.concatenate([even, odd])
    return (values / np.linalg.norm(values)).round(6).tolist()


def smooth(x, y):
    waves = [(3, 1, 0), (1, 4, 1), (5, 2, 2), (2, 6, 3), (7, 5, 4), (6, 8, 5), (9, 3, 6), (4, 10, 7)]
    return 128 + sum(14 * np.sin(a * x * 2.1 + b * y * 1.9 + c) for a, b, c in waves)


def affine():
    centres = (2 * np.arange(SIDE) + 1) / SIDE - 1
    x, y = np.meshgrid(centres, centres)
    m = np.array([[0.93, 0.035, 0.02], [-0.03, 0.95, -0.015]])
    source = np.clip(smooth(x, y), 0, 255).round().astype(np.uint8)
    moved = smooth(m[0, 0] * x + m[0, 1] * y + m[0, 2], m[1, 0] * x + m[1, 1] * y + m[1, 2])
    moved = np.clip(0.8 * moved + 20, 0, 255).round().astype(np.uint8)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 200, 1e-9)
    start = np.eye(2, 3, dtype=np.float32)
    _, estimate = cv2.findTransformECC(moved, source, start, cv2.MOTION_AFFINE, criteria, None, 1)
    # From pixels to coordinates from -1 to 1.
    shift = estimate[:, :2] @ np.full(2, 31.5) + estimate[:, 2] - 31.5
    estimate = np.column_stack([estimate[:, :2], shift / 32])
    return {
        "source": source.ravel().tolist(),
        "moved": moved.ravel().tolist(),
        "true": m.ravel().tolist(),
        "opencv": estimate.ravel().round(5).tolist(),
    }


def main():
    y, x = np.mgrid[:224, :224]
    levels = image(x, y).astype(np.uint8)
    cells = cv2.resize(levels[4:, 9:218].astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    cells = np.floor(cells + 0.5).astype(np.uint8)
    golden = {
        "cells": cells.ravel().tolist(),
        "frequencies": [frequencies(cells, *w) for w in ((0, 0, 0, 0), (4, 0, 4, 4))],
        "affine": affine(),
    }
    print(json.dumps(golden, separators=(",", ":")))


main()
