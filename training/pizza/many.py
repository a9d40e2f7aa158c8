#!/usr/bin/env python3
"""Trains many networks of one shape at once, in the time of a few on a GPU, and keeps the one that does best on pictures kept back.

Usage: many.py --data build/pizza --plan PLAN.jsonl --out DIR [--kept-scenes 1000]

A line of the plan is a job: {"name": …, "variant" or "shape" or "from": …, "nets": 48, "steps": 20000} and what JOB names. The nets of
a job differ in their seed, and in turn through its `rates`, `taught` (the teacher's share of the loss) and `outliers`; they see the
same batches. The best of them on val and the last `kept-scenes` scenes (a quarter at most) of the train split, which none is trained on, is
judged once on test and written to DIR/NAME as train.py does; figures.json there also has every net's settings and accuracies.

All nets' parameters are one matrix [nets, parameters], and their layers run as one layer of `nets` times the channels: the stem as a
dense convolution (the picture is the same for all), depthwise ones as they are, pointwise and linear ones as batched products.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

import export
import figures
import train
from model import VARIANTS, MicroPizzaNet, Shape, parameters

JOB = {
    "nets": 48, "steps": 20000, "seconds": 0.0, "batch": 256, "rates": [0.02], "warmup": 0.1, "decay": 1e-4,
    "taught": [0.0], "outliers": [0.03], "jitter": 0.0, "shift": 0, "seed": 100, "teacher": "", "reports": 8,
}  # fmt: skip
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # AdamW


class Many:
    """`nets` networks of one shape. `values` [nets, parameters] and `norms` [nets, statistics] hold them, a row each."""

    def __init__(self, networks: list[MicroPizzaNet], device: torch.device) -> None:
        self.shape, self.nets = networks[0].shape, len(networks)
        self.eps = next(m.eps for m in networks[0].modules() if hasattr(m, "running_var"))
        named = dict(networks[0].named_parameters())
        statistics = {k: v for k, v in networks[0].named_buffers() if "running" in k}
        self.sizes = {name: tuple(p.shape) for name, p in named.items()}
        self.norm_sizes = {name: tuple(b.shape) for name, b in statistics.items()}
        self.decayed = torch.cat([torch.full((p.numel(),), float(p.dim() > 1)) for p in named.values()]).to(device)
        rows = [torch.cat([p.detach().flatten() for p in network.parameters()]) for network in networks]
        self.values = torch.stack(rows).to(device).requires_grad_(True)
        norms = [torch.cat([b.flatten() for k, b in network.named_buffers() if "running" in k]) for network in networks]
        self.norms = torch.stack(norms).to(device)

    @staticmethod
    def _parts(matrix: Tensor, sizes: dict[str, tuple]) -> dict[str, Tensor]:
        parts = matrix.split([math.prod(size) for size in sizes.values()], 1)
        return {name: part.reshape(len(matrix), *sizes[name]) for name, part in zip(sizes, parts)}

    def network(self, i: int) -> MicroPizzaNet:
        """The i-th, for itself, on the processor."""
        out = MicroPizzaNet(self.shape)
        for module in out.modules():
            if hasattr(module, "running_var"):
                module.eps = self.eps
        tensors = self._parts(self.values.detach()[i : i + 1].cpu(), self.sizes) | self._parts(self.norms[i : i + 1].cpu(), self.norm_sizes)
        out.restore({name: tensor[0].clone() for name, tensor in tensors.items()})
        return out.eval()

    def __call__(self, x: Tensor, training: bool) -> Tensor:
        """[N, 3, 48, 48] -> logits [N, nets, 6]; in training from the batch's statistics, whose running means it updates."""
        n, nets, shape = len(x), self.nets, self.shape
        p = self._parts(self.values, self.sizes)
        norms = {name: part.flatten().contiguous() for name, part in self._parts(self.norms, self.norm_sizes).items()}

        def norm(x: Tensor, name: str) -> Tensor:
            mean, var = norms[f"{name}.running_mean"], norms[f"{name}.running_var"]
            return F.batch_norm(x, mean, var, p[f"{name}.weight"].flatten(), p[f"{name}.bias"].flatten(), training, 0.1, self.eps)

        def active(x: Tensor) -> Tensor:
            return F.relu6(x) if shape.activation == "relu6" else F.relu(x)

        def depthwise(x: Tensor, name: str, stride: int) -> Tensor:
            weight = p[f"{name}.weight"].flatten(0, 1)
            return F.conv2d(x, weight, None, stride, 1, groups=len(weight))

        def pointwise(x: Tensor, name: str) -> Tensor:
            side, weight = x.shape[2:], p[f"{name}.weight"].flatten(2)  # [nets, out, in]
            return torch.matmul(weight, x.reshape(n, nets, weight.shape[2], -1)).reshape(n, -1, *side)

        def squeezed(x: Tensor, name: str) -> Tensor:
            if not shape.squeeze:
                return x
            means = x.mean((2, 3)).view(n, nets, -1)
            small = F.relu(torch.einsum("nkc,ksc->nks", means, p[f"{name}.se.0.weight"]))
            gates = torch.sigmoid(torch.einsum("nks,kcs->nkc", small, p[f"{name}.se.2.weight"]))
            return x * gates.reshape(n, -1, 1, 1)

        x = active(norm(F.conv2d(x, p["block1.0.weight"].flatten(0, 1), None, 2, 1), "block1.1"))
        x = F.max_pool2d(squeezed(x, "block1"), 2)
        for i in range(len(shape.blocks)):
            name = f"block{2 + i}"
            if shape.block == "separable":
                x = active(norm(depthwise(x, f"{name}.0", 1), f"{name}.1"))
                x = active(norm(pointwise(x, f"{name}.3"), f"{name}.4"))
                x = F.max_pool2d(squeezed(x, name), 2)
            else:
                x = active(norm(pointwise(x, f"{name}.0"), f"{name}.1"))
                x = active(norm(depthwise(x, f"{name}.3", 2), f"{name}.4"))
                x = squeezed(norm(pointwise(x, f"{name}.6"), f"{name}.7"), name)
        if training:
            self.norms = torch.cat([norms[name].view(nets, -1) for name in self.norm_sizes], 1)
        x = x.mean((2, 3)).view(n, nets, -1)
        return torch.einsum("nkc,koc->nko", x, p["classifier.2.weight"]) + p["classifier.2.bias"]


def loss_of(logits: Tensor, labels: Tensor, outliers: Tensor, share: Tensor, taught: Tensor | None) -> Tensor:
    """train.loss_of of every net, summed: `outliers` and the teacher's `share` are [nets]."""
    pizza = (labels >= 0).float()[:, None]  # products rather than choices: a GPU need not be waited for
    per_pizza, per_other = pizza / pizza.sum().clamp(min=1), (1 - pizza) / (1 - pizza).sum().clamp(min=1)
    logs = F.log_softmax(logits, 2)
    hard = -(logs.gather(2, labels.clamp(min=0)[:, None, None].expand(-1, logs.shape[1], 1))[:, :, 0] * per_pizza).sum(0)
    loss = hard
    if taught is not None:
        soft = F.softmax(taught / train.SOFTNESS, 1)[:, None]
        softly = -(train.SOFTNESS**2) * ((soft * F.log_softmax(logits / train.SOFTNESS, 2)).sum(2) * per_pizza).sum(0)
        loss = (1 - share) * hard + share * softly
    loss = loss - outliers * (logs.mean(2) * per_other).sum(0)
    return loss.sum()


def accuracies(many: Many, pixels: Tensor, labels: Tensor, batch: int = 512) -> Tensor:
    """[nets], of pictures [n, 3, 48, 48] as bytes; pizzas only."""
    right = torch.zeros(many.nets, device=pixels.device)
    pixels, labels = pixels[labels >= 0], labels[labels >= 0]
    with torch.no_grad():
        for x, y in zip(pixels.split(batch), labels.split(batch)):
            right += (many((x.float() - 128) / 128, False).argmax(2) == y[:, None]).sum(0)
    return right / len(labels)


class Pictures:
    """The splits where they are trained on."""

    def __init__(self, data: Path, kept: int, device: torch.device) -> None:
        train_split, val = train.Split(data, "train"), train.Split(data, "val")
        scenes = torch.from_numpy(train_split.scenes)
        kept = min(kept, len(scenes.unique()) // 4)
        back = scenes >= scenes.unique()[-kept] if kept else torch.zeros(len(scenes), dtype=torch.bool)

        def placed(pixels: Tensor) -> Tensor:
            return pixels.to(device).permute(0, 3, 1, 2).contiguous()

        self.pixels, self.labels = placed(train_split.pixels[~back]), train_split.labels[~back].to(device)
        self.judging = placed(torch.cat([val.pixels, train_split.pixels[back]]))
        self.judged = torch.cat([val.labels, train_split.labels[back]]).to(device)
        self.val = len(val.labels)


def nets_of(job: dict) -> list[MicroPizzaNet]:
    if "from" in job:
        return [export.load(Path(job["from"])) for _ in range(job["nets"])]
    if "variant" in job:
        shape = VARIANTS[job["variant"]]
    else:
        shape = Shape(**{k: tuple(v) if isinstance(v, list) else v for k, v in job["shape"].items()})
    out = []
    for i in range(job["nets"]):
        torch.manual_seed(job["seed"] + i)
        out.append(MicroPizzaNet(shape))
    return out


def fit(many: Many, job: dict, data: Pictures, log) -> tuple[int, Tensor]:
    """One warm-up and half a cosine of AdamW, over `steps` or, where `seconds` says so, as many as fit. Returns them and the settings."""
    device, nets = many.values.device, many.nets

    def turn(name: str, every: int = 1) -> Tensor:
        return torch.tensor([job[name][i // every % len(job[name])] for i in range(nets)], device=device)

    taught = turn("taught")
    rates = turn("rates", len(job["taught"]))
    outliers = turn("outliers", len(job["taught"]) * len(job["rates"]))
    teacher = export.load(Path(job["teacher"])).to(device) if float(taught.max()) > 0 else None
    random = torch.Generator(device=device).manual_seed(job["seed"])
    torch.manual_seed(job["seed"])
    first, second = torch.zeros_like(many.values), torch.zeros_like(many.values)
    started, step, done, reported, order, at = time.time(), 0, 0.0, 0, None, 0
    while done < 1:
        if order is None or at + job["batch"] > len(order):
            order, at = torch.randperm(len(data.labels), generator=random, device=device), 0
        index, at = order[at : at + job["batch"]], at + job["batch"]
        x = train.augmented((data.pixels[index].float() - 128) / 128, random, job["jitter"], job["shift"])
        with torch.no_grad():
            soft = teacher(x) if teacher else None
        loss = loss_of(many(x, True), data.labels[index], outliers, taught, soft)
        (slope,) = torch.autograd.grad(loss, many.values)
        step += 1
        done = step / job["steps"]
        if job["seconds"]:
            done = max(done, (time.time() - started) / job["seconds"])
        warm = min(1.0, done / job["warmup"]) if job["warmup"] else 1.0
        rate = rates[:, None] * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, done - job["warmup"]) / (1 - job["warmup"]))))
        with torch.no_grad():
            first.lerp_(slope, 1 - BETA1)
            second.lerp_(slope * slope, 1 - BETA2)
            way = (first / (1 - BETA1**step)) / ((second / (1 - BETA2**step)).sqrt() + EPSILON)
            many.values.sub_(rate * (way + job["decay"] * many.decayed * many.values))
        if int(done * job["reports"]) > reported or done >= 1:
            reported = int(done * job["reports"])
            found = accuracies(many, data.judging, data.judged)
            log(f"step {step} loss {float(loss) / nets:.4f} kept back {float(found.min()):.4f} to {float(found.max()):.4f} {time.time() - started:.0f} s")
    return step, torch.stack([rates, taught, outliers], 1)


def run(job: dict, data: Pictures, folder: Path, args: argparse.Namespace) -> None:
    """Trains a job's nets, chooses, judges, writes."""
    unknown = set(job) - set(JOB) - {"name", "variant", "shape", "from"}
    if unknown:
        raise SystemExit(f"plan: {job.get('name')}: unknown keys {sorted(unknown)}")
    job = JOB | job
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "train.log", "w") as file:

        def log(line: str) -> None:
            print(f"{job['name']}: {line}", flush=True)
            print(line, file=file, flush=True)

        log(json.dumps(job))
        many = Many(nets_of(job), data.pixels.device)
        log(f"{many.nets} nets of {parameters(many.shape)} parameters, {len(data.labels)} pictures, {len(data.judged)} kept back with val's")
        steps, settings = fit(many, job, data, log)
        kept = accuracies(many, data.judging, data.judged)
        on_val = accuracies(many, data.judging[: data.val], data.judged[: data.val])
        best = int(kept.argmax())
        network = many.network(best)
        t, found = train.report(network.to(data.pixels.device), args.data)
        test = train.Split(args.data, "test", pizzas_only=True)
        device = data.pixels.device
        on_test = accuracies(many, test.pixels.to(device).permute(0, 3, 1, 2).contiguous(), test.labels.to(device))
        found["many"] = {
            "job": job, "steps": steps, "pictures": len(data.labels), "kept_back": int((data.judged >= 0).sum()), "best": best,
            "nets": [
                {"rate": round(r, 6), "taught": round(s, 6), "outliers": round(o, 6), "kept_back": round(k, 5), "val": round(v, 5), "test": round(x, 5)}
                for (r, s, o), k, v, x in zip(settings.tolist(), kept.tolist(), on_val.tolist(), on_test.tolist())
            ],
        }  # fmt: skip
        if "from" in job:
            found["before"] = figures.judge(train.answers(export.load(Path(job["from"])), test.pixels), test.labels, 1.0, train.ACCEPT)["accuracy"]
        export.write(network.to("cpu"), folder, t)
        (folder / "figures.json").write_text(json.dumps(found, indent=1) + "\n")
        spread = on_test.sort().values
        log(f"best {best} {settings[best].tolist()}: kept back {kept[best]:.4f} val {on_val[best]:.4f}; test of all nets: "
            f"{spread[0]:.4f} to {spread[-1]:.4f}, median {spread[len(spread) // 2]:.4f}")
        if "before" in found:
            log(f"test before: {found['before']['share']:.4f}")
        for name in ("val", "test", "shifted"):
            train.log_figures(log, name, found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kept-scenes", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.backends.cudnn.benchmark = True
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = Pictures(args.data, args.kept_scenes, device)
    for line in args.plan.read_text().splitlines():
        job = json.loads(line)
        run(job, data, args.out / job["name"], args)


if __name__ == "__main__":
    main()
