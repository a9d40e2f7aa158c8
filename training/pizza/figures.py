"""Figures of predictions: accuracy with intervals, by class, calibration error, what is refused."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model import LABELS

BINS = 15


def wilson(right: int, n: int) -> list[float]:
    """The 95 % interval of a share (Wilson 1927)."""
    if n == 0:
        return [0.0, 1.0]
    z, p = 1.959964, right / n
    centre, spread = p + z * z / (2 * n), z * ((p * (1 - p) + z * z / (4 * n)) / n) ** 0.5
    return [max(0.0, (centre - spread) / (1 + z * z / n)), min(1.0, (centre + spread) / (1 + z * z / n))]


def share(right: int, n: int) -> dict:
    return {"n": int(n), "share": right / max(n, 1), "interval95": wilson(right, n)}


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error over 15 equal bins of the top probability (Guo et al. 2017)."""
    error = 0.0
    for low in np.arange(BINS) / BINS:
        there = (confidence > low) & (confidence <= low + 1 / BINS)
        if there.any():
            error += there.mean() * abs(confidence[there].mean() - right[there].mean())
    return float(error)


def temperature(logits: Tensor, labels: Tensor) -> float:
    """The T for which softmax(logits / T) makes the labels most likely."""
    log_t = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_t], lr=0.2, max_iter=100, line_search_fn="strong_wolfe")
    logits = logits.double()

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(logits / log_t.exp(), labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(log_t.exp())


def judge(logits: Tensor, labels: Tensor, t: float, accept: float) -> dict:
    """Everything that is said of a split. Labels of -1 are no pizzas."""
    probabilities = F.softmax(logits.double() / t, 1).numpy()
    labels = labels.numpy()
    pizza = labels >= 0
    top, guess = probabilities.max(1), probabilities.argmax(1)
    truth, said, sure = labels[pizza], guess[pizza], top[pizza]
    right = said == truth
    counts = np.bincount(truth, minlength=len(LABELS))
    confusion = np.zeros((len(LABELS), len(LABELS)), int)
    np.add.at(confusion, (truth, said), 1)
    out = {
        "accuracy": share(int(right.sum()), len(truth)),
        "majority_baseline": counts.max() / max(len(truth), 1),
        "by_class": {},
        "confusion": confusion.tolist(),
        "ece": calibration_error(sure, right),
        "accepted": share(int((sure >= accept).sum()), len(truth)),
        "accuracy_of_accepted": share(int((right & (sure >= accept)).sum()), int((sure >= accept).sum())),
    }
    for i, label in enumerate(LABELS):
        found = confusion[i, i]
        out["by_class"][label] = {"recall": share(int(found), int(counts[i])), "precision": share(int(found), int(confusion[:, i].sum()))}
    if (~pizza).any():
        out["not_a_pizza_refused"] = share(int((top[~pizza] < accept).sum()), int((~pizza).sum()))
    return out
