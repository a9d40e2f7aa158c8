"""Writes the sample cards that the README and `make run` show, with their manifest.

usage: make_samples.py --indices 3 8 21 30 41 55 --out models/samples/trading-card
Held-out cards of one seed, chosen by index for their looks, not by whether they are read
rightly; JPEG, WebP and PNG in turn, without further faults.
"""

import argparse
import json
from pathlib import Path
from random import Random

from PIL import Image

from render import Renderer

SIZE = (508, 710)
FORMATS = (("jpg", "JPEG", {"quality": 82}), ("webp", "WEBP", {"quality": 80}), ("png", "PNG", {"optimize": True}))
PNG_COLOURS = 96


def main() -> None:
    root = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--indices", type=int, nargs="+", required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fonts", type=Path, default=root / "build" / "fonts")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    renderer = Renderer(args.fonts, test=True)
    lines = []
    for number, index in enumerate(args.indices):
        card = renderer.card(Random(f"samples/{args.seed}/{index}"), SIZE)
        suffix, kind, options = FORMATS[number % len(FORMATS)]
        image = Image.fromarray(card.image)
        if kind == "PNG":
            image = image.quantize(PNG_COLOURS)
        name = f"card-{number + 1}.{suffix}"
        image.save(args.out / name, kind, **options)
        lines.append(json.dumps({"image": name, "truth": card.truth}))
    (args.out / "manifest.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
