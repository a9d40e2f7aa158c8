#!/usr/bin/env python3
"""Trains many shapes briefly, all on the same batches, and draws the frontier of accuracy against cost.

Usage: search.py --data build/pizza --out build/pizza-runs/search [--epochs 10] [--scenes 1000] [--part 0/2]

Every shape must fit an RP2040 with int8 weights and activations: flash at most 180 KB, arena at most 100 KB, as model.cost counts.
OUT/search-PART.json has a row a shape; `search.py --draw OUT` puts the parts together: search.json and frontier.svg.
"""

import argparse
import json
import math
from pathlib import Path

import torch

import figures
import train
from model import MicroPizzaNet, Shape, cost, parameters

FLASH, RAM = 180 * 1024, 100 * 1024


def _separable(stem: int, *blocks: int, squeeze: int = 0) -> Shape:
    squeezed = tuple(max(1, c // squeeze) for c in (stem, *blocks)) if squeeze else ()
    return Shape(stem=stem, blocks=blocks, squeeze=squeezed)


def _inverted(stem: int, *blocks: tuple[int, int], squeeze: int = 0) -> Shape:
    after = tuple(b for _, b in blocks)
    squeezed = tuple(max(1, c // squeeze) for c in (stem, *after)) if squeeze else ()
    return Shape("inverted_residual", stem, after, tuple(h for h, _ in blocks), squeezed, "relu6")


SHAPES = {
    "sep 4-8": _separable(4, 8),
    "sep 8-16 (v1)": _separable(8, 16),
    "sep 8-32": _separable(8, 32),
    "sep 16-32": _separable(16, 32),
    "sep 4-8-16": _separable(4, 8, 16),
    "sep 8-16-32 (3block)": _separable(8, 16, 32),
    "sep 12-24-48": _separable(12, 24, 48),
    "sep 16-32-64": _separable(16, 32, 64),
    "sep 24-48-96": _separable(24, 48, 96),
    "sep 8-16-32-64": _separable(8, 16, 32, 64),
    "sep 16-32-64-64": _separable(16, 32, 64, 64),
    "sep 8-16 se/4 (se4)": _separable(8, 16, squeeze=4),
    "sep 8-16 se/8 (se8)": _separable(8, 16, squeeze=8),
    "sep 12-24-48 se/4": _separable(12, 24, 48, squeeze=4),
    "inv 8-(48)16 (v2)": _inverted(8, (48, 16)),
    "inv 8-(32)16-(64)32": _inverted(8, (32, 16), (64, 32)),
    "inv 12-(36)24-(96)48": _inverted(12, (36, 24), (96, 48)),
    "inv 8-(32)16-(64)32 se/4": _inverted(8, (32, 16), (64, 32), squeeze=4),
}


def search(args: argparse.Namespace) -> list[dict]:
    part, parts = (int(v) for v in args.part.split("/"))
    names = list(SHAPES)[part::parts]
    data, val = train.Split(args.data, "train"), train.Split(args.data, "val")
    keep = torch.from_numpy(data.scenes < data.scenes.min() + args.scenes)
    pixels, labels = data.pixels[keep].permute(0, 3, 1, 2).contiguous(), data.labels[keep]
    networks, optimizers, schedules = {}, {}, {}
    steps = args.epochs * (len(labels) // args.batch)
    for name in names:
        torch.manual_seed(args.seed)
        networks[name] = MicroPizzaNet(SHAPES[name]).to(memory_format=torch.channels_last)
        price = cost(SHAPES[name])
        assert price.flash <= FLASH and price.arena <= RAM, name
        optimizers[name] = torch.optim.AdamW(networks[name].parameters(), args.rate, weight_decay=1e-4)
        schedules[name] = torch.optim.lr_scheduler.OneCycleLR(
            optimizers[name], args.rate, total_steps=steps + 1, pct_start=0.2, div_factor=10, final_div_factor=100
        )
    random = torch.Generator().manual_seed(args.seed)
    for epoch in range(args.epochs):
        order = torch.randperm(len(labels), generator=random)
        for i in range(len(labels) // args.batch):
            index = order[i * args.batch : (i + 1) * args.batch]
            x = train.augmented((pixels[index].float() - 128) / 128, random).contiguous(memory_format=torch.channels_last)
            for name, network in networks.items():
                loss = train.loss_of(network(x), labels[index], 0.0, args.outliers)
                optimizers[name].zero_grad()
                loss.backward()
                optimizers[name].step()
                schedules[name].step()
        print(f"epoch {epoch + 1}", flush=True)
    rows = []
    pizza = val.labels >= 0
    for name, network in networks.items():
        right = int((train.answers(network, val.pixels[pizza]).argmax(1) == val.labels[pizza]).sum())
        price, found = cost(SHAPES[name]), figures.share(right, int(pizza.sum()))
        rows.append(
            {"name": name, "shape": {k: v for k, v in SHAPES[name].config().items() if "channels" in k or k in ("block", "activation")},
             "parameters": parameters(SHAPES[name]), "macs": price.macs, "flash": price.flash, "arena": price.arena,
             "val_accuracy": round(found["share"], 4), "interval95": [round(v, 4) for v in found["interval95"]]}
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def frontier(rows: list[dict], by: str) -> list[str]:
    """Names of the shapes that no cheaper one matches."""
    best, names = -1.0, []
    for row in sorted(rows, key=lambda r: (r[by], -r["val_accuracy"])):
        if row["val_accuracy"] > best:
            best = row["val_accuracy"]
            names.append(row["name"])
    return names


def _panel(rows: list[dict], by: str, title: str, left: int) -> list[str]:
    width, height, top = 430, 340, 50
    low, high = math.log(min(r[by] for r in rows) * 0.85), math.log(max(r[by] for r in rows) * 1.35)
    floor = math.floor(min(r["interval95"][0] for r in rows) * 20) / 20

    def place(row: dict, accuracy: float) -> tuple[float, float]:
        return left + (math.log(row[by]) - low) / (high - low) * width, top + (1 - accuracy) / (1 - floor) * height

    out = [f'<text x="{left + width / 2}" y="{top - 18}" text-anchor="middle" font-size="14">{title}</text>',
           f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#888"/>']
    for i in range(round((1 - floor) * 20) + 1):
        y = top + i * 0.05 / (1 - floor) * height
        out.append(f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
                   f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" font-size="11">{100 - 5 * i} %</text>')
    for decade in range(2, 7):
        for digit in (1, 2, 5):
            value = digit * 10**decade
            if low <= math.log(value) <= high:
                x = left + (math.log(value) - low) / (high - low) * width
                text = "1M" if value == 10**6 else f"{value // 1000}k" if value >= 1000 else str(value)
                out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + height}" stroke="#eee"/>'
                           f'<text x="{x:.1f}" y="{top + height + 16}" text-anchor="middle" font-size="11">{text}</text>')
    edge = frontier(rows, by)
    line = [place(r, r["val_accuracy"]) for r in sorted(rows, key=lambda r: r[by]) if r["name"] in edge]
    out.append('<polyline fill="none" stroke="#c33" stroke-width="1.5" points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in line) + '"/>')
    for row in rows:
        x, y = place(row, row["val_accuracy"])
        (_, upper), (_, lower) = place(row, row["interval95"][1]), place(row, row["interval95"][0])
        colour = "#27a" if row["name"].startswith("sep") else "#2a7"
        weight = "bold" if row["name"] in edge else "normal"
        # Neighbours' numbers stand on two sides; those of shapes that cost and reach nearly the same, in a row.
        near = [place(r, r["val_accuracy"]) for r in rows[: rows.index(row)]]
        aside = 13 * sum(abs(x - u) < 8 and abs(y - v) < 24 for u, v in near)
        lift = 4 if aside else 13 if rows.index(row) % 2 else -7
        out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{upper:.1f}" y2="{lower:.1f}" stroke="{colour}" opacity="0.35"/>'
                   f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
                   f'<text x="{x + aside:.1f}" y="{y + lift:.1f}" text-anchor="middle" font-size="10" font-weight="{weight}">{rows.index(row) + 1}</text>')
    return out


def draw(rows: list[dict]) -> str:
    body = _panel(rows, "macs", "accuracy on val against multiply-adds", 60) + _panel(rows, "parameters", "against parameters", 560)
    for i, row in enumerate(rows):
        text = f"{i + 1}  {row['name']}, {100 * row['val_accuracy']:.1f} %"
        body.append(f'<text x="1010" y="{56 + 18 * i}" font-size="11">{text}</text>')
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1210 430" font-family="sans-serif" fill="#222">\n'
            '<rect width="1210" height="430" fill="#fff"/>\n' + "\n".join(body) + "\n</svg>\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("build/pizza"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=0.015)
    parser.add_argument("--outliers", type=float, default=0.03)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", default="0/1")
    parser.add_argument("--draw", type=Path, metavar="OUT")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.draw:
        rows = [row for path in sorted(args.draw.glob("search-*.json")) for row in json.loads(path.read_text())]
        rows.sort(key=lambda row: row["macs"])
        found = {"frontier_by_macs": frontier(rows, "macs"), "frontier_by_parameters": frontier(rows, "parameters"), "shapes": rows}
        (args.draw / "search.json").write_text(json.dumps(found, indent=1) + "\n")
        (args.draw / "frontier.svg").write_text(draw(rows))
        return
    args.out.mkdir(parents=True, exist_ok=True)
    rows = search(args)
    (args.out / f"search-{args.part.replace('/', '-of-')}.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
