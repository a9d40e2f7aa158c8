"""Trains the card reader for a fixed time and exports it.

usage: train.py --seconds 420 --fonts build/fonts --out OUT [--resume DIR_OR_CHECKPOINT]
The schedule follows the clock: warm-up by steps, full rate, then a linear decay to zero
over the last part of the time. --resume starts from exported or saved weights; the
optimizer starts anew with its warm-up.
"""

import argparse
import json
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import evaluate
import export
import fields
import safetensors_io
from augment import Augmenter, character_targets
from model import CardReader, CharacterHead, Config
from muon import Muon
from pool import CardPool, Workers
from rows import CLASS_COUNT


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=420)
    parser.add_argument("--fonts", type=Path, default=Path("build/fonts"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--data", type=Path, action="append", default=[], help="evaluation folder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--pool", type=int, default=24576)
    parser.add_argument("--workers", type=int, default=14)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--weight-decay", type=float, default=0.05)
    parser.add_argument("--warmup", type=int, default=150)
    parser.add_argument("--decay-share", type=float, default=0.45)
    parser.add_argument("--groups", type=int, default=2, help="a batch is augmented in this many groups")
    parser.add_argument("--camera-groups", type=int, default=0, help="how many of them get camera effects")
    parser.add_argument("--aux", type=float, default=0.5, help="weight of the character loss")
    parser.add_argument("--max-steps", type=int, default=10**9)
    parser.add_argument("--no-compile", action="store_true")
    return parser.parse_args()


class Trainer:
    """Model, optimizers and the loss of one batch."""

    def __init__(self, args: argparse.Namespace, device: torch.device) -> None:
        self.args, self.device = args, device
        torch.manual_seed(args.seed)
        self.config = Config()
        self.reader = CardReader(self.config)
        self.head = CharacterHead(self.config, CLASS_COUNT)
        self.first_step = self._resume() if args.resume else 0
        self.reader.to(device)
        self.head.to(device)
        layers = [p for n, p in self.reader.named_parameters() if p.ndim == 2 and (".layers." in n or "connector" in n)]
        chosen = {id(p) for p in layers}
        rest = [p for p in [*self.reader.parameters(), *self.head.parameters()] if id(p) not in chosen]
        self.muon = Muon(layers, decay=args.weight_decay)
        decayed = [p for p in rest if p.ndim > 1]
        plain = [p for p in rest if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": args.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.adam = torch.optim.AdamW(groups, lr=args.rate, betas=(0.9, 0.98), fused=device.type == "cuda")
        self.parameters = [*self.reader.parameters(), *self.head.parameters()]
        self.none_weight = torch.ones(CLASS_COUNT + 1, device=device)
        self.none_weight[-1] = 0.1
        self.score = self._score if args.no_compile else torch.compile(self._score)
        if not args.no_compile:
            trunk = self.reader.model
            for layer in [*trunk.vision_model.encoder["layers"], *trunk.text_model.layers]:
                layer.compile()  # Equal layers share one compiled graph: a quarter of the start-up.

    def _resume(self) -> int:
        """Loads weights; returns the step they were saved at."""
        path = self.args.resume
        if path.is_dir():
            self.reader.load_state_dict(safetensors_io.load(path / "model.safetensors"))
            return json.loads((path / "training.json").read_text())["step"]
        saved = torch.load(path, map_location="cpu")
        self.reader.load_state_dict(saved["reader"])
        self.head.load_state_dict(saved["head"])
        return saved["step"]

    def loss(self, pixels: Tensor, answers: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Answer loss, character loss, and the share of answers right in every token."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            logits, patches = self.reader(pixels, answers)
            characters = self.head(patches)
        return self.score(logits, characters, answers, targets)

    def _score(self, logits: Tensor, characters: Tensor, answers: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        text = F.cross_entropy(logits.float().flatten(0, 1), answers.flatten(), ignore_index=fields.PAD_ID)
        aux = F.cross_entropy(characters.float().flatten(0, 2), targets.flatten(), self.none_weight)
        right = (logits.argmax(-1) == answers) | (answers == fields.PAD_ID)
        return text, aux, right.all(1).float().mean()

    def snapshot(self) -> CardReader:
        """A copy for evaluation, not compiled."""
        copy = CardReader(self.config).to(self.device)
        copy.load_state_dict(self.reader.state_dict())
        return copy

    def step(self, pixels: Tensor, answers: Tensor, targets: Tensor, rate: float) -> tuple[Tensor, Tensor, Tensor]:
        """One update; returns the losses and the share of answers right under teacher forcing."""
        text, aux, exact = self.loss(pixels, answers, targets)
        (text + self.args.aux * aux).backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.step()
        self.muon.step(rate)
        for p in self.parameters:
            p.grad = None
        return text.detach(), aux.detach(), exact.detach()

    def save(self, out: Path, step: int, record: dict) -> None:
        """Writes the exported model and a checkpoint that training resumes from."""
        export.write_model(self.reader, out / "model", record | {"step": step})
        weights = {"reader": self.reader.state_dict(), "head": self.head.state_dict(), "step": step}
        torch.save(weights, out / "checkpoint.pt")


def rate_at(args: argparse.Namespace, step: int, share: float) -> float:
    """The learning rate at a step and a share (0 to 1) of the time."""
    warm = min(1.0, (step + 1) / args.warmup)
    fall = min(1.0, (1 - share) / args.decay_share)
    return args.rate * warm * max(fall, 0.0)


def evaluate_all(trainer: Trainer, folders: list[Path], limit: int | None, lines: int) -> dict:
    """Scores on the evaluation folders whose pictures are ready."""
    results = {}
    for folder in folders:
        if not (folder / "pixels.npy").exists():
            print(f"{folder}: pictures not ready", flush=True)
            continue
        pixels, truths = evaluate.load_data(folder)
        texts = evaluate.read(trainer.snapshot(), pixels[:limit], trainer.device)
        result = evaluate.score(texts, truths[:limit])
        results[folder.name] = result
        print(folder.name, json.dumps(result), flush=True)
        print("\n".join(evaluate.wrong(texts, truths[:limit], lines)), flush=True)
    return results


def main() -> None:
    args = parse_arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    began = time.time()
    workers = Workers(args.fonts, args.workers, args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = True
    pool = CardPool(workers, args.pool, device)
    trainer = Trainer(args, device)
    half = torch.float16 if device.type == "cuda" else torch.float32
    augmenter = Augmenter(device, half, args.seed, args.camera_groups)
    while pool.received < 4 * args.batch:
        time.sleep(0.5)
    print(f"ready after {time.time() - began:.0f} s, {pool.received} cards", flush=True)

    started, step, saved, halfway = time.time(), 0, time.time(), False
    while (share := (time.time() - started) / args.seconds) < 1 and step < args.max_steps:
        rows = pool.sample(args.batch, augmenter.generator)
        strength = min(1.0, max(0.0, (share - 0.05) / 0.1)) if not args.resume else 1.0
        pixels, chars = augmenter.batch(pool.pictures[rows], pool.chars[rows], strength, args.groups)
        targets = character_targets(chars, trainer.config.grid, trainer.head.slots, CLASS_COUNT)
        rate = rate_at(args, step, share)
        text, aux, exact = trainer.step(pixels.float(), pool.answers[rows], targets, rate)
        step += 1
        if step == 1:
            torch.cuda.synchronize() if device.type == "cuda" else None
            print(f"first step {time.time() - started:.0f} s", flush=True)
            started = time.time()
        if step % 100 == 0 or step == args.max_steps:
            seconds = time.time() - started
            print(
                f"step {step} {seconds:.0f} s rate {rate:.5f} text {text:.4f} aux {aux:.4f} exact {exact:.3f} "
                f"{step * args.batch / seconds:.0f} images/s, {pool.received / (time.time() - began):.0f} cards/s",
                flush=True,
            )
        if time.time() - saved > 60:
            saved = time.time()
            trainer.save(args.out, trainer.first_step + step, {"seed": args.seed})
        if not halfway and share > 0.5:
            halfway = True
            evaluate_all(trainer, args.data, 256, 0)
    pool.stop()
    trained = time.time() - started
    total = trainer.first_step + step
    trainer.save(args.out, total, {"seed": args.seed})
    results = evaluate_all(trainer, args.data, None, 40)
    summary = {"step": total, "seconds": trained, "cards": pool.received, "results": results}
    (args.out / "summary.json").write_text(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
