"""Writes evaluation pictures and their manifest from the held-out side of the split.

usage: make_eval.py --split clean --n 120 --seed 1 --out models/eval/trading-card/clean

Each card depends on (seed, index) alone. A clean source is 360 to 1,500 pixels tall, and
never so small that the smallest printed field has capitals under 5.5 pixels; it stands
on a plain ground with a narrow margin or is cut a little short, has been resampled once
and compressed once (JPEG or WebP). The camera split photographs the same kind of card
(camera.py); the other split has its own renderer and its own faults (other/). Files are
WebP.
"""

import argparse
import io
import json
import math
from multiprocessing import Pool
from pathlib import Path
from random import Random

from PIL import Image

from camera import MIN_CAP_PIXELS, photograph
from other.browser import Browser
from other.scan import scanned
from render import Card, Renderer

SQUEEZED = 0.9  # a full row prints its text smaller than planned; one card in twenty goes below this
GROUNDS = ((255, 255, 255), (24, 24, 28), (190, 190, 186), (96, 72, 52), (60, 84, 120))
SHEET = 8  # cards of the other split that one run of Chromium draws
_renderer: Renderer | None = None
_browser: Browser | None = None


def source_card(renderer: Renderer, seed: str, least: float = MIN_CAP_PIXELS) -> Card:
    """The card that a seed determines, at a source size where the smallest capitals have `least` pixels."""
    rng = Random(f"{seed}/size")
    height = round(math.exp(rng.uniform(math.log(360), math.log(1000))))
    if rng.random() < 0.12:
        height = rng.randint(1000, 1500)
    aspect = rng.uniform(0.705, 0.727)
    card = renderer.card(Random(seed), (round(height * aspect), height))
    needed = math.ceil(1000 * least / card.smallest_cap)
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
    rng = Random(f"{key}/jitter")
    if split == "clean":
        card = source_card(_renderer, key)
        image = mild(Image.fromarray(card.image), rng)
    else:
        card = source_card(_renderer, key, MIN_CAP_PIXELS / SQUEEZED)
        cap = SQUEEZED * card.smallest_cap * len(card.image) / 1000
        image = photograph(Image.fromarray(card.image), rng, cap)
    name = f"{index:04d}.webp"
    image.save(Path(out) / name, "WEBP", quality=rng.randint(55, 82), method=5)
    return json.dumps({"image": name, "truth": card.truth})


def _start_other(fonts: str) -> None:
    global _browser
    _browser = Browser(Path(fonts))


def _write_others(job: tuple[int, range, str]) -> list[str]:
    """Draws one sheet of the second renderer's cards, scans and writes them; returns their manifest lines."""
    seed, indices, out = job
    lines = []
    for index, card in zip(indices, _browser.cards([f"other/{seed}/{index}" for index in indices])):
        rng = Random(f"other/{seed}/{index}/scan")
        name = f"{index:04d}.webp"
        image = scanned(card.image, card.cap, rng)
        image.save(Path(out) / name, "WEBP", quality=rng.randint(32, 56), method=6)
        lines.append(json.dumps({"image": name, "truth": card.truth}))
    return lines


def make(split: str, n: int, seed: int, out: Path, fonts: Path, workers: int) -> None:
    """Writes n pictures and `manifest.jsonl` into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "manifest.jsonl", "w", buffering=1) as manifest:
        if split == "other":
            sheets = [(seed, range(at, min(at + SHEET, n)), str(out)) for at in range(0, n, SHEET)]
            with Pool(workers, _start_other, (str(fonts),)) as pool:
                manifest.writelines(f"{line}\n" for lines in pool.imap(_write_others, sheets) for line in lines)
        else:
            jobs = [(split, seed, index, str(out)) for index in range(n)]
            with Pool(workers, _start, (str(fonts),)) as pool:
                manifest.writelines(f"{line}\n" for line in pool.imap(_write, jobs, chunksize=8))


def main() -> None:
    root = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", choices=("clean", "camera", "other"), default="clean")
    parser.add_argument("--n", type=int, default=2048)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fonts", type=Path, help="default: build/fonts, for the other split build/fonts-other")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    fonts = args.fonts or root / "build" / ("fonts-other" if args.split == "other" else "fonts")
    make(args.split, args.n, args.seed, args.out, fonts, args.workers)


if __name__ == "__main__":
    main()
