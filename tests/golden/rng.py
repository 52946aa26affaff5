"""Writes rng.json: random numbers of numpy's legacy RandomState and of Python's `random`.

    python rng.py        (numpy 2.4.6, Python 3.11)
"""
import json, pathlib, random

import numpy as np


def numpy_case(seed):
    r = np.random.RandomState(seed)
    return {
        "seed": seed,
        "u32": [int(v) for v in np.random.RandomState(seed).randint(0, 2**32, 5, dtype=np.uint32)],
        "random_sample": [repr(v) for v in r.random_sample(3).tolist()],
        "randint_10": r.randint(0, 10, 8).tolist(),
        "randint_minus5_1000": r.randint(-5, 1000, 8).tolist(),
        "randint_40_bits": r.randint(0, 2**40, 4).tolist(),
        "randint_one_value": r.randint(3, 4, 2).tolist(),
        "permutation_1": r.permutation(1).tolist(),
        "permutation_20": r.permutation(20).tolist(),
        "permutation_1000_first": r.permutation(1000)[:10].tolist(),
    }


def python_case(seed):
    r = random.Random(seed)
    case = {"seed": seed, "getrandbits_32": [r.getrandbits(32) for _ in range(3)],
            "getrandbits_7": [r.getrandbits(7) for _ in range(5)]}
    items = list(range(30))
    r.shuffle(items)
    return case | {"shuffle_30": items}


json.dump({"numpy": [numpy_case(s) for s in (0, 42, 2**32 - 1, [1, 2, 3])],
           "python": [python_case(s) for s in (0, 42, 2**40 + 7)]},
          open(pathlib.Path(__file__).with_suffix(".json"), "w"), indent=1)
