#!/usr/bin/env python3
"""Draws the splits as the network sees them, in shards that a rerun keeps, and checks that no scene stands on two sides.

Usage: dataset.py --out build/pizza [--workers 2] [--scenes train=2000 …] [--seconds 60]
       dataset.py --out build/pizza --check

OUT/SPLIT-K.npz holds pixels uint8 [n, 48, 48, 3], labels int64 [n] (-1: not a pizza), scenes int64 [n];
OUT/manifest.jsonl has a line a picture: split, scene, label, SHA-256 of its pixels.
"""

import argparse
import hashlib
import json
import math
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

import other
import render
from model import LABELS
from preprocess import shrink
from scene import SPLITS, draw, first_of, split_of

SCENES = {"val": 250, "train": 2000, "calibration": 250, "test": 500, "shifted": 200}
SHARD = 50  # scenes
CLASSES = (*LABELS, render.NOT_A_PIZZA)


def shard(out: Path, split: str, index: int, last: int, until: float) -> str:
    """Draws one shard, unless it is there or, of the train split, the time is up."""
    path = out / f"{split}-{index:04d}.npz"
    if split == "train" and time.time() > until:
        return ""
    if not path.exists():
        first = first_of(split)
        numbers = range(first + index * SHARD, first + min((index + 1) * SHARD, last))
        pixels = np.stack([shrink(render.pixels(n, state)) for n in numbers for state in CLASSES])
        labels = np.array([i if i < len(LABELS) else -1 for _ in numbers for i in range(len(CLASSES))])
        scenes = np.repeat(np.array(numbers), len(CLASSES))
        part = path.with_suffix(".part.npz")
        np.savez_compressed(part, pixels=pixels, labels=labels, scenes=scenes)
        part.rename(path)
    return path.name


def load(out: Path, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """pixels, labels and scenes of a split's shards that are there."""
    parts = [np.load(path) for path in sorted(out.glob(f"{split}-[0-9]*.npz")) if ".part" not in path.name]
    if not parts:
        raise FileNotFoundError(f"{out}: no shards of {split}; run dataset.py --out {out}")
    return tuple(np.concatenate([part[name] for part in parts]) for name in ("pixels", "labels", "scenes"))


def kind_of(number: int) -> str:
    """What is shown in a scene's picture that is not a pizza."""
    return other.kind_of(draw(number))


def check(out: Path) -> dict:
    """Scenes, their identities and their pictures stand in one split only; every scene has each class once. Writes the manifest."""
    owner: dict[str, str] = {}
    identities: dict[str, int] = {}
    summary = {}
    with open(out / "manifest.jsonl", "w") as manifest:
        for split in SPLITS:
            pixels, labels, scenes = load(out, split)
            whole = hashlib.sha256()
            for number in np.unique(scenes):
                assert split_of(number) == split, (split, number)
                assert sorted(labels[scenes == number]) == list(range(-1, len(LABELS))), number
                identity = json.dumps(draw(int(number)).identity(), sort_keys=True, default=str)
                assert identities.setdefault(identity, number) == number, (number, identities[identity])
            for picture, label, number in zip(pixels, labels, scenes):
                digest = hashlib.sha256(picture.tobytes()).hexdigest()
                whole.update(bytes.fromhex(digest))
                assert owner.setdefault(digest, split) == split, (split, int(number), owner[digest])
                manifest.write(json.dumps({"split": split, "scene": int(number), "label": CLASSES[label], "sha256": digest}) + "\n")
            summary[split] = {
                "scenes": len(np.unique(scenes)),
                "first_scene": int(scenes.min()),
                "pizzas": int((labels >= 0).sum()),
                "not_a_pizza": int((labels < 0).sum()),
                "sha256": whole.hexdigest(),
            }
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--scenes", nargs="*", default=[], metavar="SPLIT=N")
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin no further shard of the train split after so many")
    parser.add_argument("--check", action="store_true", help="draw nothing")
    args = parser.parse_args()
    if args.check:
        print(json.dumps(check(args.out), indent=2))
        return
    until = time.time() + args.seconds
    args.out.mkdir(parents=True, exist_ok=True)
    counts = SCENES | {split: int(n) for split, n in (pair.split("=") for pair in args.scenes)}
    jobs = [(split, i, n, until) for split, n in sorted(counts.items(), key=lambda item: item[0] == "train") for i in range(-(-n // SHARD))]
    with ProcessPoolExecutor(args.workers) as pool:
        for future in [pool.submit(shard, args.out, *job) for job in jobs]:
            if name := future.result():
                print(name, flush=True)
    if set(counts) == set(SPLITS) and math.isinf(args.seconds):
        print(json.dumps(check(args.out), indent=2))


if __name__ == "__main__":
    main()
