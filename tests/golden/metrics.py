"""Writes metrics.json: what scikit-learn and scipy return for drawn predictions.

    python metrics.py    (scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6)

Floats are written as text, for exact reading.
"""
import json, pathlib

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from scipy.stats import binomtest, ks_2samp
from scipy.stats.contingency import association
from sklearn import metrics as m

text = lambda values: [repr(float(v)) for v in np.ravel(values)]


def expected_calibration_error(y, p, bins):
    confidence, right = p.max(1), p.argmax(1) == y
    bin_ = np.minimum((confidence * bins).astype(int), bins - 1)
    return sum((bin_ == b).mean() * abs(confidence[bin_ == b].mean() - right[bin_ == b].mean())
               for b in range(bins) if (bin_ == b).any())


def temperature(y, p):
    z = np.log(p)
    loss = lambda log_t: np.mean(logsumexp(z / np.exp(log_t), axis=1) - z[np.arange(len(y)), y] / np.exp(log_t))
    return np.exp(minimize_scalar(loss, bounds=(-4, 4), method="bounded", options={"xatol": 1e-12}).x)


def case(n, k, seed, weights, gain, digits):
    r = np.random.RandomState(seed)
    y = np.sort(np.concatenate([np.arange(k), r.choice(k, n - k, p=weights)]))
    p = r.dirichlet(np.ones(k), n)
    p[np.arange(n), y] += gain
    p /= p.sum(1, keepdims=True)
    p = np.round(p, digits)
    p[:, -1] = 1 - p[:, :-1].sum(1)
    p = np.clip(p, 1e-6, None)
    q, names = p.argmax(1), ["covid", "normal", "bacterial pneumonia"][:k]
    c = {"classes": k, "names": names, "y": y.tolist(), "p": text(p), "confusion": m.confusion_matrix(y, q).tolist(),
         "report": m.classification_report(y, q, labels=range(k), target_names=names, zero_division=0)}
    numbers = {"balanced_accuracy": m.balanced_accuracy_score(y, q), "mcc": m.matthews_corrcoef(y, q),
               "log_loss": m.log_loss(y, p), "brier_multiclass": m.brier_score_loss(y, p),
               "ece_15": expected_calibration_error(y, p, 15), "temperature": temperature(y, p)}
    if k == 2:
        t, s = y == 0, p[:, 0]
        numbers |= {"roc_auc": m.roc_auc_score(t, s), "average_precision": m.average_precision_score(t, s),
                    "brier": m.brier_score_loss(t, s), "f1": m.f1_score(t, q == 0),
                    "precision": m.precision_score(t, q == 0), "recall": m.recall_score(t, q == 0)}
        roc, pr = m.roc_curve(t, s, drop_intermediate=False), m.precision_recall_curve(t, s)
        c |= {"roc": [text(v) for v in roc], "pr": [text(v) for v in pr]} if n < 50 else {}
    else:
        numbers |= {"roc_auc": m.roc_auc_score(y, p, multi_class="ovr"),
                    "average_precision": m.average_precision_score(y, p)}
    return c | {"numbers": {name: repr(float(v)) for name, v in numbers.items()}}


def ks(n1, n2, shift, digits, seed):
    r = np.random.RandomState(seed)
    a, b = np.round(r.normal(size=n1), digits), np.round(r.normal(shift, 1, size=n2), digits)
    result = ks_2samp(a, b)
    return {"a": text(a), "b": text(b), "statistic": repr(float(result.statistic)), "p": repr(float(result.pvalue))}


wilson = []
for hits, of in [(0, 5), (5, 5), (4, 5), (1, 1), (0, 1), (9, 10), (57, 400), (399, 400), (123456, 200000)]:
    interval = binomtest(hits, of).proportion_ci(0.95, "wilson")
    wilson.append({"hits": hits, "of": of, "low": repr(float(interval.low)), "high": repr(float(interval.high))})

tables = [[[10, 0], [0, 15]], [[5, 5], [5, 5]], [[25, 1, 0], [3, 18, 7]], [[4, 0, 9, 1], [1, 7, 2, 2], [3, 3, 3, 30]]]
json.dump({
    "predictions": [case(12, 2, 0, [0.5, 0.5], 0.4, 2), case(45, 2, 1, [0.2, 0.8], 0.3, 1),
                    case(301, 2, 2, [0.5, 0.5], 0.4, 3), case(90, 3, 3, [0.2, 0.3, 0.5], 0.4, 3),
                    case(30, 3, 4, [0.0, 0.5, 0.5], 0.1, 2)],
    "ks": [ks(30, 30, 0.0, 9, 0), ks(30, 30, 0.6, 9, 1), ks(12, 30, 0.4, 1, 2), ks(7, 11, 1.0, 9, 3), ks(150, 100, 0.2, 2, 4)],
    "wilson": wilson,
    "cramers_v": [{"table": t, "v": repr(float(association(np.array(t), method="cramer")))} for t in tables],
}, open(pathlib.Path(__file__).with_suffix(".json"), "w"), indent=None)
