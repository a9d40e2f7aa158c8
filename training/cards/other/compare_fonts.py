"""Prints, for every face of the second renderer, the face of the first whose shapes are nearest.

usage: compare_fonts.py [--fonts build/fonts-other] [--known build/fonts]
The share is the median over 29 characters of intersection over union, at equal cap height: two cuts of one family
reach 0.9 and more, unrelated families of one style 0.6 to 0.8.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

CHARACTERS = "RGSQJKMWaegkrstyfx0123456789&"
CAP = 40


def shapes(path: Path) -> np.ndarray:
    """`[characters, 72, 80]` floats in 0..1, centred, at one cap height."""
    basic = ImageFont.Layout.BASIC
    cap = -ImageFont.truetype(str(path), 200, layout_engine=basic).getbbox("H", anchor="ls")[1]
    font = ImageFont.truetype(str(path), max(8, round(200 * CAP / cap)), layout_engine=basic)
    drawn = []
    for char in CHARACTERS:
        image = Image.new("L", (80, 72))
        left, _, right, _ = font.getbbox(char, anchor="ls")
        ImageDraw.Draw(image).text((40 - (right + left) / 2, 52), char, 255, font, "ls")
        drawn.append(np.asarray(image, np.float32) / 255)
    return np.stack(drawn)


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Median intersection over union of two faces' shapes."""
    union = np.maximum(a, b).sum((1, 2)) + 1e-6
    return float(np.median(np.minimum(a, b).sum((1, 2)) / union))


def main() -> None:
    root = Path(__file__).resolve().parents[3]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fonts", type=Path, default=root / "build" / "fonts-other")
    parser.add_argument("--known", type=Path, default=root / "build" / "fonts")
    args = parser.parse_args()
    known = {path.stem: shapes(path) for path in sorted(args.known.iterdir())}
    for path in sorted(args.fonts.iterdir()):
        own = shapes(path)
        share, nearest = max((likeness(own, other), name) for name, other in known.items())
        print(f"{path.stem:28} {share:.2f} {nearest}")


if __name__ == "__main__":
    main()
