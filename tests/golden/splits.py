"""Writes splits.json: splits of random labels and groups by scikit-learn.

    python splits.py     (scikit-learn 1.9.1, numpy 2.4.6)
"""
import json, pathlib, warnings

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, train_test_split

warnings.simplefilter("error", UserWarning)
folds_of = lambda splitter, y, g=None: sum(
    (np.isin(np.arange(len(y)), test) * k for k, (_, test) in enumerate(splitter.split(y, y, g))), np.zeros(len(y), int)).tolist()
train_and_test = lambda y, size, seed, strata: [
    part.tolist() for part in train_test_split(np.arange(len(y)), test_size=size, stratify=strata, random_state=seed)]

cases = []
for n, k, test_size, folds, seed in [(50, 2, 0.2, 5, 42), (23, 2, 0.3, 3, 0), (61, 3, 0.25, 4, 7), (97, 4, 0.1, 9, 123),
                                 (200, 9, 0.15, 10, 2**32 - 1), (40, 5, 0.5, 2, 5), (30, 7, 0.34, 2, 11)]:
    r = np.random.RandomState(n)
    y = r.permutation(np.concatenate([np.repeat(np.arange(k), folds), r.choice(k, n - k * folds, p=r.dirichlet(np.ones(k)))]))
    g = np.array(["p%d" % i for i in r.randint(0, n // 2, n)])
    cases.append({
        "labels": y.tolist(), "groups": g.tolist(), "test_share": test_size, "folds": folds, "seed": seed,
        "plain": train_and_test(y, test_size, seed, y), "one_hot": train_and_test(y, test_size, seed, np.eye(k)[y]),
        "stratified": folds_of(StratifiedKFold(folds, shuffle=True, random_state=seed), y),
        "stratified_group": folds_of(StratifiedGroupKFold(folds, shuffle=True, random_state=seed), y, g)})
json.dump(cases, open(pathlib.Path(__file__).with_suffix(".json"), "w"))
