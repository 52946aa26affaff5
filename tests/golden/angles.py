"""The angles of the reference's rotations: see ../../../shared/reference/make_reference.py.

python angles.py > angles.json
"""
import json

import numpy as np

rng = np.random.default_rng(0)
print(json.dumps([round(rng.uniform(-15, 15), 6) for _ in range(25 * 40)]))
