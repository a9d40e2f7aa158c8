#!/usr/bin/env python3
"""Writes pictures of the test split and their manifest.jsonl, for `fovea evaluate`.

Usage: make_eval.py --set test --n 216 --longest 72 --quality 75 --out models/eval/pizza/test          (as committed)
       make_eval.py --set not-a-pizza --n 54 --longest 72 --quality 75 --out models/eval/pizza/not-a-pizza
       make_eval.py --set test --n 3000 --out FOLDER        for figures; not-a-pizza and shifted likewise; calibration for fovea quantize and prune

Every picture depends on the set and its index alone. The label is null where the picture shows no pizza.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image

import render
from model import LABELS
from scene import first_of

SETS = ("test", "shifted", "calibration", "not-a-pizza")


def make(out: Path, which: str, index: int, longest: int, quality: int) -> dict:
    if which == "not-a-pizza":
        number, state = first_of("test") + index, render.NOT_A_PIZZA
    else:
        number, state = first_of(which) + index // len(LABELS), LABELS[index % len(LABELS)]
    picture = render.photo(number, state)
    if longest and max(picture.size) > longest:
        share = longest / max(picture.size)
        picture = picture.resize(tuple(round(side * share) for side in picture.size), Image.BOX)
    name = f"{index:04d}.webp"
    picture.save(out / name, "WEBP", quality=quality, method=6)
    return {"image": name, "truth": {"label": state if state in LABELS else None}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", dest="which", choices=SETS, required=True)
    parser.add_argument("--n", type=int, required=True)
    parser.add_argument("--longest", type=int, default=0, help="the longer side at most, in pixels")
    parser.add_argument("--quality", type=int, default=80)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(args.workers) as pool:
        made = [pool.submit(make, args.out, args.which, i, args.longest, args.quality) for i in range(args.n)]
        lines = [json.dumps(one.result()) for one in made]
    (args.out / "manifest.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
