"""Writes evaluation pictures and their manifest from the held-out side of the split.

usage: make_eval.py --split clean --n 120 --seed 1 --out models/eval/trading-card/clean

Each card depends on (seed, index) alone. A clean source is 360 to 1,500 pixels tall, and
never so small that the smallest printed field has capitals under 5.5 pixels; it stands
on a plain ground with a narrow margin or is cut a little short, has been resampled once
and compressed once (JPEG or WebP). Files are WebP.
"""

import argparse
import io
import json
import math
from multiprocessing import Pool
from pathlib import Path
from random import Random

from PIL import Image

from camera import photograph
from render import Card, Renderer

MIN_CAP_PIXELS = 5.5
GROUNDS = ((255, 255, 255), (24, 24, 28), (190, 190, 186), (96, 72, 52), (60, 84, 120))
_renderer: Renderer | None = None


def source_card(renderer: Renderer, seed: str) -> Card:
    """The card that a seed determines, at a legible source size."""
    rng = Random(f"{seed}/size")
    height = round(math.exp(rng.uniform(math.log(360), math.log(1000))))
    if rng.random() < 0.12:
        height = rng.randint(1000, 1500)
    aspect = rng.uniform(0.705, 0.727)
    card = renderer.card(Random(seed), (round(height * aspect), height))
    needed = math.ceil(1000 * MIN_CAP_PIXELS / card.smallest_cap)
    if height < needed:
        card = renderer.card(Random(seed), (round(needed * aspect), needed))
    return card


def mild(image: Image.Image, rng: Random) -> Image.Image:
    """The clean split's jitter: margin or small cut, one resampling, perhaps JPEG."""
    w, h = image.size
    if rng.random() < 0.6:
        sides = [rng.uniform(0, 0.035) for _ in range(4)]
        left, right = round(sides[0] * w), round(sides[1] * w)
        top, bottom = round(sides[2] * h), round(sides[3] * h)
        ground = Image.new("RGB", (w + left + right, h + top + bottom), rng.choice(GROUNDS))
        ground.paste(image, (left, top))
        image = ground
    elif rng.random() < 0.5:
        cut = rng.uniform(0, 0.008)
        image = image.crop((round(cut * w), round(cut * h), w - round(cut * w), h - round(cut * h)))
    scale = rng.uniform(0.92, 1.06)
    filters = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
    image = image.resize((round(image.width * scale), round(image.height * scale)), rng.choice(filters))
    if rng.random() < 0.4:
        packed = io.BytesIO()
        image.save(packed, "JPEG", quality=rng.randint(70, 95))
        image = Image.open(packed).convert("RGB")
    return image


def _start(fonts: str) -> None:
    global _renderer
    _renderer = Renderer(Path(fonts), test=True)


def _write(job: tuple[str, int, int, str]) -> str:
    """Renders and writes one picture; returns its manifest line."""
    split, seed, index, out = job
    key = f"{split}/{seed}/{index}"
    card = source_card(_renderer, key)
    rng = Random(f"{key}/jitter")
    image = Image.fromarray(card.image)
    if split == "clean":
        image = mild(image, rng)
    else:
        image = photograph(image, rng)
    name = f"{index:04d}.webp"
    image.save(Path(out) / name, "WEBP", quality=rng.randint(55, 82), method=5)
    return json.dumps({"image": name, "truth": card.truth})


def make(split: str, n: int, seed: int, out: Path, fonts: Path, workers: int) -> None:
    """Writes n pictures and `manifest.jsonl` into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    jobs = [(split, seed, index, str(out)) for index in range(n)]
    with Pool(workers, _start, (str(fonts),)) as pool:
        lines = pool.map(_write, jobs, chunksize=8)
    (out / "manifest.jsonl").write_text("\n".join(lines) + "\n")


def main() -> None:
    root = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", choices=("clean", "camera"), default="clean")
    parser.add_argument("--n", type=int, default=2048)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fonts", type=Path, default=root / "build" / "fonts")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    make(args.split, args.n, args.seed, args.out, args.fonts, args.workers)


if __name__ == "__main__":
    main()
