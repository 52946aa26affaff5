"""Runs a model file on images and prints a JSON line: verify.py onnx|keras MODEL IMAGES.

IMAGES is a .npy file, u8 [n, side, side, 3]. Exit code 77: the library is not installed.
"""
import json
import os
import sys

kind, model, images = sys.argv[1:]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
try:
    import numpy as np
    if kind == "onnx":
        import onnxruntime as library
    else:
        import keras as library
except ImportError:
    sys.exit(77)

images = np.load(images)
classes = None
if kind == "onnx":
    session = library.InferenceSession(model, providers=["CPUExecutionProvider"])
    probabilities = np.concatenate(
        [session.run(["probabilities"], {"images": images[i : i + 8]})[0]
         for i in range(0, len(images), 8)])
    classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
else:
    loaded = library.models.load_model(model, compile=False)
    scaled = images.astype("float32") / 255
    probabilities = loaded.predict(scaled, batch_size=8, verbose=0)
print(json.dumps({
    "library": library.__name__ + " " + library.__version__,
    "classes": classes,
    "probabilities": np.asarray(probabilities, "float64").tolist(),
}))
