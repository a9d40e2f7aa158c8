#!/usr/bin/env python3
"""Writes one sample a class, and two that are no pizza, in the formats that the program reads.

Usage: make_samples.py --scenes 3 8 … (one a class, of the test split) --other 5 9 --out models/samples/pizza
"""

import argparse
import json
from pathlib import Path

import render
from model import LABELS
from scene import first_of

FORMATS = (("jpg", "JPEG", {"quality": 82}), ("webp", "WEBP", {"quality": 80}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, nargs=len(LABELS), required=True)
    parser.add_argument("--other", type=int, nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    wanted = [*zip(LABELS, args.scenes), *((render.NOT_A_PIZZA, number) for number in args.other)]
    lines = []
    for i, (state, number) in enumerate(wanted):
        suffix, kind, options = FORMATS[i % len(FORMATS)]
        stem = state if state in LABELS else f"{state}-{i + 1 - len(LABELS)}"
        render.photo(first_of("test") + number, state).save(args.out / f"{stem}.{suffix}", kind, **options)
        lines.append(json.dumps({"image": f"{stem}.{suffix}", "truth": {"label": state if state in LABELS else None}}))
    (args.out / "manifest.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
