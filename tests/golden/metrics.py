"""Writes metrics.json: metrics of random predictions by scikit-learn and scipy.

    python metrics.py    (scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6)

Floats are written as text, so that they can be read exactly.
"""
import json, pathlib

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import logsumexp
from scipy.stats import binomtest, ks_2samp, norm
from scipy.stats.contingency import association
from sklearn import metrics as m

PREVALENCE = 0.1
text = lambda values: [repr(float(v)) for v in np.ravel(values)]


def expected_calibration_error(y, p, bins):
    confidence, correct = p.max(1), p.argmax(1) == y
    bin_ = np.minimum((confidence * bins).astype(int), bins - 1)
    return sum((bin_ == b).mean() * abs(confidence[bin_ == b].mean() - correct[bin_ == b].mean())
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
               "accuracy": m.accuracy_score(y, q), "macro_f1": m.f1_score(y, q, average="macro"),
               "ece_15": expected_calibration_error(y, p, 15), "temperature": temperature(y, p)}
    # Class 0 against the rest.
    t, s, c0 = y == 0, p[:, 0], q == 0
    sensitivity, specificity = m.recall_score(t, c0), m.recall_score(~t, ~c0)
    true_positives, false_positives = sensitivity * PREVALENCE, (1 - specificity) * (1 - PREVALENCE)
    c["of_first"] = {name: repr(float(v)) for name, v in {
        "roc_auc": m.roc_auc_score(t, s), "average_precision": m.average_precision_score(t, s),
        "brier": m.brier_score_loss(t, s), "f1": m.f1_score(t, c0), "ppv": m.precision_score(t, c0),
        "npv": m.precision_score(~t, ~c0), "sensitivity": sensitivity, "specificity": specificity,
        "ppv_at_prevalence": true_positives / (true_positives + false_positives),
        "npv_at_prevalence": specificity * (1 - PREVALENCE) / (specificity * (1 - PREVALENCE) + (1 - sensitivity) * PREVALENCE),
    }.items()}
    if k == 2:
        numbers |= {"roc_auc": m.roc_auc_score(t, s), "average_precision": m.average_precision_score(t, s),
                    "brier": m.brier_score_loss(t, s), "f1": m.f1_score(t, q == 0),
                    "precision": m.precision_score(t, q == 0), "recall": m.recall_score(t, q == 0)}
        roc, pr = m.roc_curve(t, s, drop_intermediate=False), m.precision_recall_curve(t, s)
        c |= {"roc": [text(v) for v in roc], "pr": [text(v) for v in pr]} if n < 50 else {}
    else:
        numbers |= {"roc_auc": m.roc_auc_score(y, p, multi_class="ovr"),
                    "average_precision": m.average_precision_score(y, p)}
    if k > 2:
        c["one_vs_rest"] = [{
            "roc_auc": repr(float(m.roc_auc_score(y == i, p[:, i]))),
            "average_precision": repr(float(m.average_precision_score(y == i, p[:, i]))),
            "brier": repr(float(m.brier_score_loss(y == i, p[:, i]))),
            "roc": [text(v) for v in m.roc_curve(y == i, p[:, i], drop_intermediate=False)],
            "pr": [text(v) for v in m.precision_recall_curve(y == i, p[:, i])],
        } for i in range(k)] if n < 50 else []
    return c | {"numbers": {name: repr(float(v)) for name, v in numbers.items()}}


def auc_interval(auc, m, n):
    """Newcombe (2006), method 5: the variance of Hanley and McNeil (1982), with the mean of both sample sizes."""
    z = norm.ppf(0.975)
    def variance(a):
        q1, q2, pairs = a / (2 - a), 2 * a * a / (1 + a), (m + n) / 2 - 1
        return (a * (1 - a) + pairs * (q1 - a * a) + pairs * (q2 - a * a)) / (m * n)
    inside = lambda a: (a - auc) ** 2 - z * z * variance(a)
    tiny = 1e-12
    low = 0.0 if auc == 0 else brentq(inside, tiny, auc - tiny, xtol=1e-14)
    high = 1.0 if auc == 1 else brentq(inside, auc + tiny, 1 - tiny, xtol=1e-14)
    return {"auc": repr(float(auc)), "positives": m, "negatives": n, "low": repr(float(low)), "high": repr(float(high))}


def ks(n1, n2, shift, digits, seed):
    r = np.random.RandomState(seed)
    a, b = np.round(r.normal(size=n1), digits), np.round(r.normal(shift, 1, size=n2), digits)
    result = ks_2samp(a, b)
    return {"a": text(a), "b": text(b), "statistic": repr(float(result.statistic)), "p": repr(float(result.pvalue))}


wilson = []
for hits, total in [(0, 5), (5, 5), (4, 5), (1, 1), (0, 1), (9, 10), (57, 400), (399, 400), (123456, 200000)]:
    interval = binomtest(hits, total).proportion_ci(0.95, "wilson")
    wilson.append({"hits": hits, "of": total, "low": repr(float(interval.low)), "high": repr(float(interval.high))})

tables = [[[10, 0], [0, 15]], [[5, 5], [5, 5]], [[25, 1, 0], [3, 18, 7]], [[4, 0, 9, 1], [1, 7, 2, 2], [3, 3, 3, 30]]]
json.dump({
    "predictions": [case(12, 2, 0, [0.5, 0.5], 0.4, 2), case(45, 2, 1, [0.2, 0.8], 0.3, 1),
                    case(301, 2, 2, [0.5, 0.5], 0.4, 3), case(90, 3, 3, [0.2, 0.3, 0.5], 0.4, 3),
                    case(30, 3, 4, [0.0, 0.5, 0.5], 0.1, 2)],
    "ks": [ks(30, 30, 0.0, 9, 0), ks(30, 30, 0.6, 9, 1), ks(12, 30, 0.4, 1, 2), ks(7, 11, 1.0, 9, 3), ks(150, 100, 0.2, 2, 4)],
    "wilson": wilson,
    "cramers_v": [{"table": t, "v": repr(float(association(np.array(t), method="cramer")))} for t in tables],
    "auc_intervals": [auc_interval(*a) for a in [(1.0, 5, 5), (1.0, 1, 1), (0.0, 5, 5), (1.0, 97, 60), (0.5, 10, 3), (0.93, 12, 25),
                                                  (0.999, 97, 60), (0.2, 4, 50), (0.8931, 51, 58)]],
}, open(pathlib.Path(__file__).with_suffix(".json"), "w"), indent=None)
