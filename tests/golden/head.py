"""Writes head.json: heads trained by Keras from given weights, in a given order, without dropout.

    pip install keras==3.15.1 tensorflow-cpu==2.21.0
    python head.py

With `activation="softmax"` Keras attaches the logits to the output, and binary_crossentropy is
computed from them ("logits"). With a plain softmax function it is computed from the clipped
probabilities ("probabilities").
"""
import json, os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np, tensorflow as tf
from keras import layers as L

N, TEST, INPUTS, HIDDEN, BATCH, EPOCHS, RATE = 19, 5, 6, 5, 8, 4, 0.05
short = lambda a: np.array(a, "float64").round(8).tolist()


def case(loss, classes, scale, seed):
    r = np.random.default_rng(seed)
    normal = lambda *shape: r.normal(size=shape).astype("float32").round(3)
    x, xt = scale * normal(N, INPUTS), scale * normal(TEST, INPUTS)
    y, yt = np.arange(N) % classes, np.arange(TEST) % classes
    onehot = np.eye(classes, dtype="float32")
    weights = [normal(INPUTS, HIDDEN), normal(HIDDEN), normal(HIDDEN, classes), normal(classes)]
    orders = [r.permutation(N) for _ in range(EPOCHS)]

    softmax = "softmax" if loss == "logits" else tf.nn.softmax
    head = keras.Sequential([L.Input((INPUTS,)), L.Dense(HIDDEN, activation="relu"), L.Dense(classes, activation=softmax)])
    head.compile(loss="binary_crossentropy", metrics=["accuracy"], optimizer=keras.optimizers.Adam(
        keras.optimizers.schedules.InverseTimeDecay(RATE, 1, RATE / EPOCHS)))

    head.set_weights(weights)
    first = orders[0][:BATCH]
    with tf.GradientTape() as tape:
        value = head.compute_loss(x=x[first], y=onehot[y[first]], y_pred=head(x[first], training=True))
    gradients = tape.gradient(value, head.trainable_variables)

    history = {k: [] for k in ("loss", "accuracy", "val_loss", "val_accuracy")}
    for order in orders:
        order = order[: N // BATCH * BATCH]
        h = head.fit(x[order], onehot[y[order]], batch_size=BATCH, shuffle=False, epochs=1,
                     validation_data=(xt, onehot[yt]), verbose=0).history
        for k in history:
            history[k].append(round(float(h[k][0]), 8))
    names = ("dense_1.kernel", "dense_1.bias", "dense_2.kernel", "dense_2.bias")
    named = lambda tensors: {n: short(t) for n, t in zip(names, tensors)}
    return {
        "loss": loss, "x": short(x), "y": y.tolist(), "test_x": short(xt), "test_y": yt.tolist(),
        "batch_size": BATCH, "learning_rate": RATE, "orders": [o.tolist() for o in orders],
        "initial": named(weights), "first_loss": float(value), "first_gradients": named(gradients),
        "history": history, "trained": named(head.get_weights()),
        "probabilities": short(head.predict(xt, verbose=0)),
        # Close to the clipping limit, 1 - p has few significant digits in f32.
        "tolerance": 1e-6 if scale == 1 else 1e-4,
    }


cases = [case("logits", 2, 1, 0), case("logits", 3, 1, 1), case("probabilities", 2, 1, 2),
         case("probabilities", 3, 40, 3)]  # scale 40: most probabilities are clipped
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "head.json"), "w") as f:
    json.dump(cases, f)
