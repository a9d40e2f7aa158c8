#!/usr/bin/env python3
"""How much of a model's accuracy its quantised or pruned variants keep, through the engine, on the same pictures.

Usage: retention.py --fovea build/release/fovea --data EVAL --other NOT_A_PIZZA BASE VARIANT…     (folders of models)
       retention.py … --control TUNED BASE VARIANT…     beside it, what is kept of a model that was tuned as the variants were

EVAL and NOT_A_PIZZA are what make_eval.py writes. Retention is the variant's accuracy divided by the base's; its 95 % interval
is of 4,000 resamplings of scenes (the pictures of a scene stay together, and a picture's answers by both models too).
"""

import argparse
import json
import subprocess
from pathlib import Path

import numpy as np

import figures
from model import LABELS

ACCEPT = 0.7


def answers(fovea: Path, model: Path, data: Path) -> dict[str, tuple[str, float]]:
    """Of each picture, by name: the likeliest label and its probability."""
    command = [fovea, "recognize", data, "--task", "pizza", "--model", model, "--threads", "1", "--json"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    out = {}
    for line in map(json.loads, lines):
        label, probability = max(line["probabilities"].items(), key=lambda item: item[1])
        out[Path(line["file"]).name] = (label, probability)
    return out


def truths(data: Path) -> dict[str, str | None]:
    lines = map(json.loads, (data / "manifest.jsonl").read_text().splitlines())
    return {line["image"]: line["truth"]["label"] for line in lines}


def retention(base: np.ndarray, variant: np.ndarray) -> tuple[float, float, float]:
    """Of right answers [scenes, pictures]: the ratio of the accuracies, and its interval."""
    random = np.random.default_rng(7)
    picks = random.integers(0, len(base), (4000, len(base)))
    ratios = variant.sum(1)[picks].sum(1) / base.sum(1)[picks].sum(1)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return float(variant.mean() / base.mean()), float(low), float(high)


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fovea", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--other", type=Path)
    parser.add_argument("--control", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    args = parser.parse_args()
    truth = truths(args.data)
    names = sorted(truth)

    def judged(model: Path) -> tuple[np.ndarray, np.ndarray]:
        """Of each scene's pictures [scenes, labels]: whether the answer is right, and its probability."""
        said = answers(args.fovea, model, args.data)
        right = np.array([said[name][0] == truth[name] for name in names]).reshape(-1, len(LABELS))
        return right, np.array([said[name][1] for name in names]).reshape(right.shape)

    control = judged(args.control)[0] if args.control else None
    base = None
    columns = ["model", "accuracy", "retention", *(["of the control"] if args.control else []), "ECE", f"answered at {ACCEPT}", "right of those", "no pizza, refused"]
    print(f"{len(names)} pizzas\n\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for model in args.models:
        right, top = judged(model)
        sure = top >= ACCEPT
        kept = [] if base is None else [retention(base, right)]
        base = right if base is None else base
        if control is not None:
            kept.append(retention(control, right))
        cells = ["{} % ({} to {})".format(*map(percent, entry)) for entry in kept]
        cells = [""] * (1 + (control is not None) - len(cells)) + cells
        refused = ""
        if args.other:
            tops = [probability for _, probability in answers(args.fovea, model, args.other).values()]
            entry = figures.share(sum(top < ACCEPT for top in tops), len(tops))
            refused = f"{percent(entry['share'])} % ({percent(entry['interval95'][0])} to {percent(entry['interval95'][1])}), n {len(tops)}"
        low, high = figures.wilson(int(right.sum()), right.size)
        error = figures.calibration_error(top.ravel(), right.ravel())
        print(f"| {model.name} | {percent(right.mean())} % ({percent(low)} to {percent(high)}) | {' | '.join(cells)} | {percent(error)} % "
              f"| {percent(sure.mean())} % | {percent(right[sure].mean())} % | {refused} |", flush=True)


if __name__ == "__main__":
    main()
