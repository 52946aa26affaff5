"""Writes grad_cam.json: Grad-CAM by Keras through max pool, pooling and head, for random feature maps.

    pip install keras==3.15.1 tensorflow-cpu==2.21.0
    python grad_cam.py

Saliency maps of the logit of each class, not scaled to 1. Source: Keras' Grad-CAM example.
"""
import json, os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np, tensorflow as tf
from keras import layers as L

SEED, SIDE, CHANNELS, HIDDEN, CLASSES = 5, 14, 5, 6, 3
short = lambda a: np.array(a, "float64").round(8).tolist()
r = np.random.default_rng(SEED)
maps = np.maximum(r.normal(size=(1, SIDE, SIDE, CHANNELS)), 0).astype("float32").round(2)
weights = [r.normal(size=s).astype("float32").round(3) for s in
           ((CHANNELS, HIDDEN), (HIDDEN,), (HIDDEN, CLASSES), (CLASSES,))]

cases = {}
for pooling, pool in {"tutorial": L.AveragePooling2D(4), "global": L.AveragePooling2D(7)}.items():
    top = keras.Sequential([L.Input((SIDE, SIDE, CHANNELS)), L.MaxPooling2D(2), pool, L.Flatten(),
                            L.Dense(HIDDEN, activation="relu"), L.Dense(CLASSES)])
    top.set_weights(weights)
    with tf.GradientTape(persistent=True) as tape:
        conv = tf.convert_to_tensor(maps)
        tape.watch(conv)
        logits = [top(conv)[:, k] for k in range(CLASSES)]
    saliency_maps = []
    for logit in logits:
        weight = tf.reduce_mean(tape.gradient(logit, conv), axis=(0, 1, 2))
        saliency_maps.append(short(tf.nn.relu(tf.reduce_sum(conv[0] * weight, axis=-1))))
    cases[pooling] = {"logits": short([float(v[0]) for v in logits]), "saliency": saliency_maps}

names = ("dense_1.kernel", "dense_1.bias", "dense_2.kernel", "dense_2.bias")
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "grad_cam.json"), "w") as f:
    json.dump({"maps": short(maps[0]), "head": {n: short(w) for n, w in zip(names, weights)}, **cases}, f)
