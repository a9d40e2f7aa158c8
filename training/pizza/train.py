#!/usr/bin/env python3
"""Trains one micro CNN on the drawn splits; chooses by the val split, fits the temperature on calibration, reports test.

Usage: train.py --data build/pizza --variant v1 --out build/pizza-runs/v1 [--epochs 60]
       train.py --data build/pizza --from MODEL_DIR --out DIR     continues from an exported, pruned or searched model

OUT gets config.json, preprocessor_config.json and model.safetensors (export.py), figures.json and train.log.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import dataset
import export
import figures
from model import IMAGE_SIZE, LABELS, VARIANTS, MicroPizzaNet, Shape, check, cost, parameters
from preprocess import to_float

ACCEPT = 0.7  # tasks/pizza.toml


GROUPS = 8  # of a batch; each is mirrored, turned and moved as one, which costs a copy and nothing else


def augmented(x: Tensor, random: torch.Generator, jitter: float = 1.0, shift: int = 3) -> Tensor:
    """A fresh copy of a batch: mirrored, turned by quarters and moved by up to `shift` pixels; `jitter` scales other light and noise."""
    device, parts = x.device, []
    for part in x.chunk(GROUPS):
        flip, turn, down, right = (int(v) for v in torch.randint(0, 420, (4,)))
        part = torch.rot90(part.flip(3) if flip % 2 else part, turn % 4, (2, 3))
        if shift:
            part = F.pad(part, (shift, shift, shift, shift), mode="reflect")
            part = part[:, :, down % (2 * shift + 1) :, right % (2 * shift + 1) :][:, :, :IMAGE_SIZE, :IMAGE_SIZE]
        parts.append(part)
    x = torch.cat(parts)
    if jitter == 0:
        return x

    def about(centre: float, reach: float, *shape: int) -> Tensor:
        return centre + (torch.rand(shape, generator=random, device=device) * 2 - 1) * (reach * jitter)

    n = len(x)
    contrast = about(1, 0.06, n, 1, 1, 1)
    gain = about(1, 0.08, n, 1, 1, 1) * about(1, 0.03, n, 3, 1, 1)
    x = torch.addcmul((gain - 1 + about(0, 0.04, n, 1, 1, 1)) * contrast, x, gain * contrast)
    at = int(torch.randint(0, NOISE, (1,)))
    x.addcmul_(_noise(device)[at : at + x.numel()].view(x.shape), about(0, 0.03, n, 1, 1, 1))
    return x.clamp_(-1, 127 / 128)


NOISE = 1 << 20
_NOISES: dict[torch.device, Tensor] = {}


def _noise(device: torch.device) -> Tensor:
    """Normal numbers to begin anywhere in: drawing fresh ones would cost as much as a network."""
    if device not in _NOISES:
        _NOISES[device] = torch.randn(NOISE + 512 * 3 * IMAGE_SIZE**2, generator=torch.Generator().manual_seed(0)).to(device)
    return _NOISES[device]


def answers(network: MicroPizzaNet, pixels: Tensor, batch: int = 512) -> Tensor:
    network.eval()
    device = next(network.parameters()).device
    with torch.no_grad():
        return torch.cat([network(to_float(part.to(device))).cpu() for part in pixels.split(batch)])


SOFTNESS = 2.0  # of a teacher's answers


def loss_of(logits: Tensor, labels: Tensor, smoothing: float, outliers: float, taught: Tensor | None = None) -> Tensor:
    """Cross entropy of the pizzas; what is none should look like nothing in particular (Hendrycks et al. 2019). Where a
    teacher's logits are given, seven tenths of it are to answer as softly as the teacher (Hinton et al. 2015)."""
    pizza = labels >= 0
    loss = F.cross_entropy(logits[pizza], labels[pizza], label_smoothing=smoothing)
    if taught is not None:
        soft = F.softmax(taught[pizza] / SOFTNESS, 1)
        loss = 0.3 * loss - 0.7 * SOFTNESS**2 * (soft * F.log_softmax(logits[pizza] / SOFTNESS, 1)).sum(1).mean()
    if outliers > 0 and not bool(pizza.all()):
        loss = loss - outliers * F.log_softmax(logits[~pizza], 1).mean()
    return loss


class Split:
    def __init__(self, data: Path, name: str, pizzas_only: bool = False) -> None:
        pixels, labels, scenes = dataset.load(data, name)
        keep = labels >= 0 if pizzas_only else slice(None)
        self.pixels, self.labels = torch.from_numpy(pixels[keep]), torch.from_numpy(labels[keep])
        self.scenes = scenes[keep]


def accuracy(network: MicroPizzaNet, split: Split) -> float:
    pizza = split.labels >= 0
    return float((answers(network, split.pixels[pizza]).argmax(1) == split.labels[pizza]).float().mean())


def fit(network: MicroPizzaNet, train: Split, val: Split, args: argparse.Namespace, log) -> MicroPizzaNet:
    """One cycle of AdamW; the last weights are the result."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device, memory_format=torch.channels_last)
    teacher = export.load(args.teacher).to(device, memory_format=torch.channels_last) if args.teacher else None
    random = torch.Generator(device=device).manual_seed(args.seed)
    shuffle = torch.Generator().manual_seed(args.seed)
    pixels, labels = train.pixels.permute(0, 3, 1, 2).contiguous().to(device), train.labels.to(device)
    decayed = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": args.decay}, {"params": others, "weight_decay": 0.0}], lr=args.rate)
    steps = args.epochs * (len(labels) // args.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, args.rate, total_steps=steps + 1, pct_start=args.warmup, div_factor=10, final_div_factor=100
    )
    started = time.time()
    for epoch in range(args.epochs):
        network.train()
        order = torch.randperm(len(labels), generator=shuffle)
        total, right, seen = 0.0, 0, 0
        for i in range(len(labels) // args.batch):
            index = order[i * args.batch : (i + 1) * args.batch].to(device)
            x = augmented((pixels[index].float() - 128) / 128, random, args.jitter).contiguous(memory_format=torch.channels_last)
            y = labels[index]
            logits = network(x)
            with torch.no_grad():
                taught = teacher(x) if teacher else None
            loss = loss_of(logits, y, args.smoothing, args.outliers, taught)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total, right, seen = total + loss.item(), right + int((logits.argmax(1) == y).sum()), seen + int((y >= 0).sum())
        if epoch % args.every == args.every - 1 or epoch == args.epochs - 1:
            found = accuracy(network, val)
            log(f"epoch {epoch + 1} loss {total / max(i + 1, 1):.4f} train {right / seen:.4f} val {found:.4f} {time.time() - started:.0f} s")
    return network.to("cpu", memory_format=torch.contiguous_format).eval()


def best_start(shape: Shape, train: Split, val: Split, args: argparse.Namespace, log) -> MicroPizzaNet:
    """The best on val of `tries` short runs from as many seeds."""
    best, network = -1.0, MicroPizzaNet(shape)
    for k in range(args.tries):
        torch.manual_seed(args.seed * 1000 + k)
        short = argparse.Namespace(**vars(args) | {"epochs": args.try_epochs, "every": args.try_epochs, "seed": args.seed * 1000 + k})
        found = fit(MicroPizzaNet(shape), train, val, short, log)
        if accuracy(found, val) > best:
            best, network = accuracy(found, val), found
    return network


def report(network: MicroPizzaNet, data: Path) -> tuple[float, dict]:
    """The temperature, and the figures of every split that judges."""
    calibration = Split(data, "calibration", pizzas_only=True)
    t = figures.temperature(answers(network, calibration.pixels), calibration.labels)
    out = {"temperature": t, "accept": ACCEPT}
    for name in ("val", "test", "shifted"):
        split = Split(data, name)
        out[name] = figures.judge(answers(network, split.pixels), split.labels, t, ACCEPT)
        out[name]["ece_before_temperature"] = figures.judge(answers(network, split.pixels), split.labels, 1.0, ACCEPT)["ece"]
        kinds = np.array([dataset.kind_of(int(n)) for n in split.scenes[split.labels.numpy() < 0]])
        top = F.softmax(answers(network, split.pixels[split.labels < 0]).double() / t, 1).max(1).values.numpy()
        out[name]["refused_by_kind"] = {k: figures.share(int((top[kinds == k] < ACCEPT).sum()), int((kinds == k).sum())) for k in np.unique(kinds)}
    return t, out


def log_figures(log, name: str, found: dict) -> None:
    f = found[name]
    log(f"{name}: accuracy {f['accuracy']['share']:.4f} ece {f['ece']:.4f} (before {f['ece_before_temperature']:.4f}) T {found['temperature']:.3f} "
        f"accepted {f['accepted']['share']:.3f} refused {f['not_a_pizza_refused']['share']:.3f} "
        + " ".join(f"{label} {f['by_class'][label]['recall']['share']:.3f}" for label in LABELS))


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("build/pizza"))
    parser.add_argument("--variant", choices=VARIANTS)
    parser.add_argument("--shape", help="a Shape as JSON, such as '{\"stem\": 12, \"blocks\": [24, 48]}'")
    parser.add_argument("--from", dest="source", type=Path, metavar="DIR", help="continue from a model in Hugging Face layout")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--warmup", type=float, default=0.2)
    parser.add_argument("--decay", type=float, default=1e-4)
    parser.add_argument("--smoothing", type=float, default=0.0)
    parser.add_argument("--outliers", type=float, default=0.1, help="weight of what is not a pizza")
    parser.add_argument("--tries", type=int, default=0, help="begin with the best of so many short runs, by val: small networks lose units to a bad start")
    parser.add_argument("--try-epochs", type=int, default=8)
    parser.add_argument("--teacher", type=Path, metavar="DIR", help="a larger trained model to learn from as well")
    parser.add_argument("--jitter", type=float, default=1.0, help="how much other light and noise")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--every", type=int, default=5)
    return parser


def main() -> None:
    args = arguments().parse_args()
    if (args.variant is None) + (args.shape is None) + (args.source is None) != 2:
        raise SystemExit("give one of --variant, --shape, --from")
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    check()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.source:
        network = export.load(args.source)
    elif args.shape:
        given = json.loads(args.shape)
        network = MicroPizzaNet(Shape(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}))
    else:
        network = MicroPizzaNet(VARIANTS[args.variant])
    with open(args.out / "train.log", "w") as file:

        def log(line: str) -> None:
            print(line, flush=True)
            print(line, file=file, flush=True)

        log(json.dumps({k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}))
        train, val = Split(args.data, "train", pizzas_only=args.outliers == 0), Split(args.data, "val")
        assert not set(train.scenes) & set(val.scenes)
        log(f"{parameters(network.shape)} parameters, {cost(network.shape).macs} MACs, {len(train.labels)} pictures")
        if args.source:
            log(f"before: val {accuracy(network, val):.4f}")
        if args.tries:
            network = best_start(network.shape, train, val, args, log)
        network = fit(network, train, val, args, log)
        t, found = report(network, args.data)
        export.write(network, args.out, t)
        (args.out / "figures.json").write_text(json.dumps(found, indent=1) + "\n")
        for name in ("val", "test", "shifted"):
            log_figures(log, name, found)


if __name__ == "__main__":
    main()
