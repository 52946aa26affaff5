"""Trains heads with Keras on the features of the Rust heads, and compares their distributions.

    cargo test --test it a_thousand_heads -- --ignored      # writes target/seeds/
    python keras_heads.py ../../target/seeds REFERENCE_DIR 200

REFERENCE_DIR contains split.json and keras_fresh_seeds.json. Requirements: keras 3.15.1,
tensorflow-cpu 2.21.0, scipy. numpy's generator selects one of 100 rotations for each image and
epoch, and shuffles; initial weights and dropout are from Keras. Prints the table of docs/method.md.
"""
import json
import os
import sys
from collections import Counter

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
from keras import layers as L
from scipy.stats import fisher_exact, ks_2samp

folder, reference, seeds = sys.argv[1], sys.argv[2], int(sys.argv[3])
rotated = np.load(os.path.join(folder, "rotated.npy"))
unrotated = np.load(os.path.join(folder, "unrotated.npy"))
split = json.load(open(os.path.join(reference, "split.json")))
train, test = split["train"], split["test"]
onehot = np.eye(2, dtype="float32")[[int(p.startswith("normal/")) for p in split["paths"]]]

keras_runs = []
for seed in range(1000, 1000 + seeds):
    keras.utils.set_random_seed(seed)
    rng = np.random.RandomState(seed)
    head = keras.Sequential(
        [L.Input((512,)), L.Dense(64, activation="relu"), L.Dropout(0.5), L.Dense(2, activation="softmax")]
    )
    decay = keras.optimizers.schedules.InverseTimeDecay(1e-3, 1, 1e-3 / 25)
    head.compile(loss="binary_crossentropy", metrics=["accuracy"], optimizer=keras.optimizers.Adam(decay))
    for epoch in range(25):
        order = rng.permutation(40)
        x = rotated[rng.randint(0, len(rotated), 40), np.arange(40)][order]
        y = onehot[train][order]
        losses = []
        for start in range(0, 40, 8):
            # Without a reset, Keras would return the mean loss since the last reset.
            head.reset_metrics()
            losses.append(head.train_on_batch(x[start : start + 8], y[start : start + 8])[0])
    head.reset_metrics()
    val_loss, val_accuracy = head.test_on_batch(unrotated[test], onehot[test])
    keras_runs.append(
        {"loss": float(np.mean(losses)), "val_loss": float(val_loss), "val_accuracy": float(val_accuracy)}
    )
    print(seed, keras_runs[-1], file=sys.stderr, flush=True)

last_epoch = lambda run: {name: values[-1] for name, values in run["history"].items()}
runs = {
    "cxr-train": json.load(open(os.path.join(folder, "ours.json"))),
    "Keras, same features": keras_runs,
    "Keras, the tutorial's script": [last_epoch(r) for r in json.load(open(os.path.join(reference, "keras_fresh_seeds.json")))],
}
column = lambda name, measure: np.array([run[measure] for run in runs[name]])
for name in runs:
    for measure in ("loss", "val_loss"):
        values = column(name, measure)
        print(f"{name}: {measure} {values.mean():.4f} sd {values.std(ddof=1):.4f}, n {len(values)}")
    print(name, dict(Counter(column(name, "val_accuracy").round(1).tolist())))
    p = [ks_2samp(column("cxr-train", m), column(name, m)).pvalue for m in ("loss", "val_loss")]
    perfect = [[(column(n, "val_accuracy") > 0.999).sum(), (column(n, "val_accuracy") <= 0.999).sum()] for n in ("cxr-train", name)]
    print(f"  against cxr-train: KS p {p[0]:.2f} (loss), {p[1]:.2f} (val_loss); 10 of 10, Fisher p {fisher_exact(perfect).pvalue:.2f}")
