#!/usr/bin/env python3
"""Draws a contact sheet: a row a state (and one of what is not a pizza), a column a scene.

Usage: sheet.py --split val --n 10 --out sheet.png [--small]   (--small: as the network sees them)
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import render
from model import LABELS
from preprocess import shrink
from scene import SPLITS, first_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", choices=SPLITS, default="val")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--n", type=int, default=10)
    parser.add_argument("--cell", type=int, default=112)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    states = (*LABELS, render.NOT_A_PIZZA)
    sheet = Image.new("RGB", (args.n * args.cell, len(states) * args.cell))
    for column in range(args.n):
        for row, state in enumerate(states):
            picture = render.pixels(first_of(args.split) + args.first + column, state)
            if args.small:
                image = Image.fromarray(shrink(picture)).resize((args.cell, args.cell), Image.NEAREST)
            else:
                image = Image.fromarray(np.ascontiguousarray(picture))
                image.thumbnail((args.cell, args.cell))
            sheet.paste(image, (column * args.cell, row * args.cell))
    sheet.save(args.out)


if __name__ == "__main__":
    main()
