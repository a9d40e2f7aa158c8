"""Whole-card and per-field accuracy of a model folder or a model in memory.

usage: evaluate.py --model models/card-reader-s --data FOLDER [--workers 2] [--wrong 20]
Pictures go through the served pipeline's resizes with Pillow, then greedy decoding.
"""

import argparse
import json
import math
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import fields
import safetensors_io
from model import CardReader, Config


def served_picture(path: Path, longest_edge: int, tile: int) -> np.ndarray:
    """A picture as the processor feeds it: `[tile, tile, 3]` uint8."""
    image = Image.open(path).convert("RGB")
    w, h = image.size
    if w >= h:
        w1, h1 = longest_edge, int(longest_edge / (w / h))
        h1 += h1 % 2
    else:
        w1, h1 = int(longest_edge * (w / h)), longest_edge
        w1 += w1 % 2
    lanczos = Image.Resampling.LANCZOS
    return np.asarray(image.resize((w1, h1), lanczos).resize((tile, tile), lanczos))


def pixels_file(folder: Path, config: Config) -> Path:
    """Where a folder's pictures are kept as a model of these shapes is fed them."""
    return folder / f"pixels-{config.longest_edge}-{config.image_size}.npy"


def load_data(folder: Path, config: Config, workers: int = 1) -> tuple[np.ndarray, list[dict]]:
    """Pictures `[n, tile, tile, 3]` uint8 and truths."""
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    kept = pixels_file(folder, config)
    if kept.exists():
        return np.load(kept, mmap_mode="r"), [line["truth"] for line in lines]
    jobs = [(folder / line["image"], config.longest_edge, config.image_size) for line in lines]
    with Pool(workers) as pool:
        pixels = np.stack(pool.starmap(served_picture, jobs, chunksize=16))
    return pixels, [line["truth"] for line in lines]


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % Wilson interval of a share."""
    z, p = 1.959964, hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - half, middle + half


@torch.no_grad()
def read(model: CardReader, pixels: np.ndarray, device: torch.device, batch: int = 128) -> list[str]:
    """Answer texts, computed in float32."""
    model.eval()
    texts = []
    for at in range(0, len(pixels), batch):
        part = torch.from_numpy(np.array(pixels[at : at + batch])).to(device)
        x = part.permute(0, 3, 1, 2).float() / 127.5 - 1
        texts += [fields.decode(ids) for ids in model.generate(x)]
    model.train()
    return texts


def score(texts: list[str], truths: list[dict]) -> dict:
    """Shares of exact cards and fields, with the interval of the whole."""
    n = len(truths)
    records = [fields.parse_answer(text) or {} for text in texts]
    whole = sum(record == truth for record, truth in zip(records, truths))
    shares = {
        key: sum(key in r and r[key] == t[key] and type(r[key]) is type(t[key]) for r, t in zip(records, truths)) / n
        for key in fields.FIELDS
    }
    low, high = wilson(whole, n)
    return {"n": n, "accuracy": whole / n, "interval95": [low, high], "fields": shares}


def wrong(texts: list[str], truths: list[dict], limit: int) -> list[str]:
    """Lines `index field: read / truth` of the first mistakes."""
    lines = []
    for index, (text, truth) in enumerate(zip(texts, truths)):
        record = fields.parse_answer(text)
        if record is None:
            lines.append(f"{index} not an answer: {text}")
            continue
        lines += [f"{index} {k}: {record[k]!r} / {truth[k]!r}" for k in fields.FIELDS if record[k] != truth[k]]
    return lines[:limit]


def load_model(folder: Path, device: torch.device) -> CardReader:
    """The model of an exported folder, in float32."""
    model = CardReader(Config.of_folder(folder))
    model.load_state_dict(safetensors_io.load(folder / "model.safetensors"))
    return model.to(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--prepare", action="store_true", help="only keep the resized pictures in --data")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--wrong", type=int, default=0)
    args = parser.parse_args()
    config = Config.of_folder(args.model) if args.model else Config()
    pixels, truths = load_data(args.data, config, args.workers)
    if args.prepare:
        np.save(args.data / "pixels.tmp.npy", pixels)
        (args.data / "pixels.tmp.npy").rename(pixels_file(args.data, config))
        return
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    texts = read(load_model(args.model, device), pixels, device)
    print(json.dumps(score(texts, truths), indent=1))
    print("\n".join(wrong(texts, truths, args.wrong)))


if __name__ == "__main__":
    main()
