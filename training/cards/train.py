"""Trains the card reader for a fixed time and exports it.

usage: train.py --seconds 420 --fonts build/fonts --out OUT [--resume DIR_OR_CHECKPOINT]
The schedule follows the clock: warm-up by steps, full rate, then a linear decay to zero
over the last part of the time. --resume starts from exported or saved weights and their
shapes; a checkpoint has the optimizers' state too, exported weights start it anew.
--until ends training at a number of seconds after the program's start, --end-at at a
moment in seconds of the epoch, whatever the set-up took. Several processes with RANK and
WORLD_SIZE set train one model together (ranks.py); --batch is then each one's.
"""

import argparse
import json
import os
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import evaluate
import export
import fields
import safetensors_io
from augment import Augmenter, character_targets, normalised
from clock import Clock
from graphs import RecordedUpdate
from model import MEDIUM, CardReader, CharacterHead, Config
from muon import Muon
from pool import CardPool, Workers
from ranks import Ranks
from rows import CLASS_COUNT

RESYNC = 500  # steps after which ranks get rank 0's weights again, should rounding have driven them apart


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=420, help="of training")
    parser.add_argument("--until", type=float, default=1e9, help="seconds from the start to the end of training")
    parser.add_argument("--end-at", type=float, default=1e12, help="when training ends, in seconds of the epoch")
    parser.add_argument("--size", choices=("s", "m"), default="s", help="shapes of a model that starts anew")
    parser.add_argument("--fonts", type=Path, default=Path("build/fonts"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--data", type=Path, action="append", default=[], help="evaluation folder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--pool", type=int, default=16384)
    parser.add_argument("--workers", type=int, default=14)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--weight-decay", type=float, default=0.05)
    parser.add_argument("--warmup", type=int, default=150)
    parser.add_argument("--decay-share", type=float, default=0.45)
    parser.add_argument("--groups", type=int, default=2, help="a batch is augmented in this many groups")
    parser.add_argument("--camera-groups", type=int, default=0, help="how many of them get camera effects")
    parser.add_argument("--camera-from", type=float, default=0.05, help="share of the time before camera effects grow")
    parser.add_argument("--turned-from", type=float, default=0.7, help="share of camera pictures turned at the start")
    parser.add_argument("--turned-to", type=float, default=0.4, help="the same from 60 % of the time on")
    parser.add_argument("--aux", type=float, default=0.5, help="weight of the character loss; it falls to a tenth")
    parser.add_argument("--teacher", type=Path, help="exported model whose answers' distributions are learned too")
    parser.add_argument("--soft", type=float, default=0.5, help="weight of the teacher's distributions")
    parser.add_argument("--halfway", type=int, default=256, help="cards of each folder to read half-way; 0: none")
    parser.add_argument("--keep-every", type=float, default=120, help="seconds between two savings")
    parser.add_argument("--max-steps", type=int, default=10**9)
    parser.add_argument("--clock", action="store_true", help="print what steps 70 to 170 cost the host and the GPU")
    parser.add_argument("--no-record", action="store_true", help="start every update's kernels one by one on a GPU too")
    parser.add_argument("--no-compile", action="store_true")
    return parser.parse_args()


class Trainer:
    """Model, optimizers and the loss of one batch."""

    def __init__(self, args: argparse.Namespace, device: torch.device, ranks: Ranks) -> None:
        self.args, self.device, self.ranks = args, device, ranks
        self.dtype = torch.float16 if device.type == "cuda" else torch.float32
        torch.manual_seed(args.seed)
        self.config = {"s": Config(), "m": MEDIUM}[args.size]
        self.kept: dict | None = None  # the optimizers' state, which only a checkpoint has
        self.first_step, reader, head = self._resume() if args.resume else (0, None, None)
        self.reader = CardReader(self.config)
        self.head = CharacterHead(self.config, CLASS_COUNT)
        if reader:
            self.reader.load_state_dict(reader)
        self.new_head = not head or head["proj.weight"].shape != self.head.proj.weight.shape
        if not self.new_head:
            self.head.load_state_dict(head)
        print(f"{sum(p.numel() for p in self.reader.parameters()):,} parameters, new head: {self.new_head}", flush=True)
        self.reader.to(device)
        self.head.to(device)
        layers = [p for n, p in self.reader.named_parameters() if p.ndim == 2 and (".layers." in n or "connector" in n)]
        chosen = {id(p) for p in layers}
        rest = [p for p in [*self.reader.parameters(), *self.head.parameters()] if id(p) not in chosen]
        self.muon = Muon(layers, decay=args.weight_decay)
        decayed = [p for p in rest if p.ndim > 1]
        plain = [p for p in rest if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": args.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        fused = {"fused": True, "capturable": True} if device.type == "cuda" else {}  # arguments that older versions lack
        self.adam = torch.optim.AdamW(groups, lr=args.rate, betas=(0.9, 0.98), **fused)
        if self.kept:
            self.adam.load_state_dict(self.kept["adam"])
            for (_, buffer), old in zip(self.muon.groups, self.kept["muon"], strict=True):
                buffer.copy_(old)
        self.parameters = [*self.reader.parameters(), *self.head.parameters()]
        ranks.same(self.parameters)
        self.none_weight = torch.ones(self.head.width, device=device)
        self.none_weight[CLASS_COUNT] = 0.1
        self.teacher = evaluate.load_model(args.teacher, device).requires_grad_(False) if args.teacher else None
        self.score, self.normalised = self._score, normalised
        recorded = device.type == "cuda" and not args.no_record
        self.recorded = RecordedUpdate(self.backward, self.optimise, self.parameters, ranks) if recorded else None
        if not args.no_compile:
            self.score, self.normalised = torch.compile(self._score), torch.compile(normalised)
            for reader in [self.reader] + ([self.teacher] if self.teacher else []):
                trunk = reader.model
                trunk.vision_model.embeddings.compile()
                for layer in [*trunk.vision_model.encoder["layers"], *trunk.text_model.layers]:
                    layer.compile()  # Equal layers share one compiled graph: a quarter of the start-up.

    def _resume(self) -> tuple[int, dict, dict | None]:
        """The step of the saved weights, the reader's and, where they were kept, the head's; sets the shapes."""
        path = self.args.resume
        if path.is_dir():
            self.config = Config.of_folder(path)
            kept = path / export.HEAD_FILE
            head = safetensors_io.load(kept) if kept.exists() else None
            step = json.loads((path / "training.json").read_text())["step"]
            return step, safetensors_io.load(path / "model.safetensors"), head
        saved = torch.load(path, map_location="cpu")
        self.config = Config(**saved["config"])
        self.kept = saved.get("optimizers")
        return saved["step"], saved["reader"], saved["head"]

    def warm_up(self, batch: int, augmenter: Augmenter, pool: CardPool) -> None:
        """Compiles the step on noise, which costs no training time while the first cards are drawn."""
        c, device = self.config, self.device
        pixels = torch.rand(batch, 3, c.image_size, c.image_size, device=device).to(self.dtype) * 255
        rows = torch.arange(batch, device=device)
        for _ in range(3 if device.type == "cuda" else 0):
            began = time.time()
            for _ in range(4):
                augmenter.batch(pool.pictures[rows], pool.chars[rows], 1.0, self.args.groups)
            if device.type == "cuda":
                torch.cuda.synchronize()
            print(f"augmentation {(time.time() - began) * 250:.0f} ms a batch", flush=True)
        answers = torch.randint(c.vocab, (batch, fields.MAX_ANSWER), device=device)
        targets = torch.randint(CLASS_COUNT, (batch, c.grid * c.grid, self.head.slots), device=device)
        text, aux, _ = self.loss(pixels, answers, targets, False)
        (text + aux).backward()
        for p in self.parameters:
            p.grad = None

    def loss(self, pixels: Tensor, answers: Tensor, targets: Tensor, apart: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Answer loss, character loss, and the share of answers right in every token.

        apart: the character head learns alone, without moving the patches.
        """
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda", cache_enabled=False):
            inputs = self.normalised(pixels)
            logits, patches = self.reader(inputs, answers)
            characters = self.head(patches.detach() if apart else patches)
            taught = None
            if self.teacher:
                with torch.no_grad():
                    taught = self.teacher(inputs, answers)[0]
        return self.score(logits, characters, answers, targets, taught)

    def _score(
        self, logits: Tensor, characters: Tensor, answers: Tensor, targets: Tensor, taught: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        text = F.cross_entropy(logits.float().flatten(0, 1), answers.flatten(), ignore_index=fields.PAD_ID)
        if taught is not None:
            learned, given = logits.float().log_softmax(-1), taught.float().log_softmax(-1)
            each = F.kl_div(learned, given, reduction="none", log_target=True)
            known = answers != fields.PAD_ID
            text = text + self.args.soft * (each.sum(-1) * known).sum() / known.sum()
        aux = F.cross_entropy(characters.float().flatten(0, 2), targets.flatten(), self.none_weight)
        right = (logits.argmax(-1) == answers) | (answers == fields.PAD_ID)
        return text, aux, right.all(1).float().mean()

    def snapshot(self) -> CardReader:
        """A copy for evaluation, not compiled."""
        copy = CardReader(self.config).to(self.device)
        copy.load_state_dict(self.reader.state_dict())
        return copy

    def step(
        self, pixels: Tensor, answers: Tensor, targets: Tensor, rate: float, apart: bool, aux_weight: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One update; returns the losses and the share of answers right under teacher forcing."""
        if self.recorded and not apart:
            return self.recorded(pixels, answers, targets, aux_weight, rate)
        losses = self.backward(pixels, answers, targets, aux_weight, apart)
        flat = self.ranks.gathered(self.parameters)
        self.ranks.reduce(flat)
        self.ranks.spread(flat, self.parameters)
        self.optimise(rate)
        for p in self.parameters:
            p.grad = None
        return losses

    def backward(
        self, pixels: Tensor, answers: Tensor, targets: Tensor, aux_weight: float | Tensor, apart: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Fills the gradients; the losses and the share of answers right under teacher forcing."""
        text, aux, exact = self.loss(pixels, answers, targets, apart)
        (text + aux_weight * aux).backward()
        return text.detach(), aux.detach(), exact.detach()

    def optimise(self, rate: float | Tensor) -> None:
        """Moves the weights by their gradients."""
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.step()
        self.muon.step(rate)

    def save(self, out: Path, step: int, record: dict) -> None:
        """Writes the exported model and a checkpoint that training resumes from."""
        export.write_model(self.reader, out / "model.part", record | {"step": step}, self.head)
        if (out / "model").exists():
            shutil.rmtree(out / "model.old", ignore_errors=True)
            os.rename(out / "model", out / "model.old")
        os.rename(out / "model.part", out / "model")
        weights = {"reader": self.reader.state_dict(), "head": self.head.state_dict(), "step": step}
        optimizers = {"adam": self.adam.state_dict(), "muon": [buffer for _, buffer in self.muon.groups]}
        torch.save(weights | {"config": asdict(self.config), "optimizers": optimizers}, out / "checkpoint.part")
        os.replace(out / "checkpoint.part", out / "checkpoint.pt")


def rate_at(args: argparse.Namespace, step: int, share: float) -> float:
    """The learning rate at a step and a share (0 to 1) of the time."""
    warm = min(1.0, (step + 1) / args.warmup)
    fall = min(1.0, (1 - share) / args.decay_share)
    return args.rate * warm * max(fall, 0.0)


def digest(trainer: Trainer) -> str:
    """The sums of the weights and of their sizes, to compare ranks."""
    with torch.no_grad():
        sums = [(p.double().sum(), p.double().abs().sum()) for p in trainer.parameters]
    return f"{sum(float(a) for a, _ in sums):.12g} {sum(float(b) for _, b in sums):.12g}"


def evaluate_all(trainer: Trainer, folders: list[Path], limit: int | None, lines: int) -> dict:
    """Scores on the evaluation folders whose pictures are ready."""
    results = {}
    for folder in folders:
        if not evaluate.pixels_file(folder, trainer.config).exists():
            print(f"{folder}: pictures not ready", flush=True)
            continue
        pixels, truths = evaluate.load_data(folder, trainer.config)
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
    ranks = Ranks()
    seed = args.seed + 1000 * ranks.rank  # of what a rank draws; the weights start from args.seed
    workers = Workers(args.fonts, args.workers, seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = True
    ranks.join(device)
    pool = CardPool(workers, args.pool, device)
    trainer = Trainer(args, device, ranks)
    compiled = device.type == "cuda" and not args.no_compile
    if compiled:
        import torch._dynamo.config as compiler

        compiler.suppress_errors = True  # What cannot be compiled runs as it stands.
        compiler.cache_size_limit = 64
        compiler.automatic_dynamic_shapes = False  # A teacher's layers have sizes of their own, and keep them.
    augmenter = Augmenter(trainer.config, device, trainer.dtype, seed, args.camera_groups, compiled)
    trainer.warm_up(args.batch, augmenter, pool)
    print(f"compiled after {time.time() - began:.0f} s", flush=True)
    while pool.received < min(4 * args.batch, args.pool):
        time.sleep(0.5)
    print(f"ready after {time.time() - began:.0f} s, {pool.received} cards", flush=True)

    started, step, saved, halfway = time.time(), 0, time.time(), False
    seconds_given = max(1.0, min(args.seconds, args.until - (started - began), args.end_at - started))
    clock = Clock(device) if args.clock else None
    while (share := ranks.share(step, (time.time() - started) / seconds_given)) < 1 and step < args.max_steps:
        if clock:
            clock.note(step)
        rows = pool.sample(args.batch, augmenter.generator)
        strength = min(1.0, max(0.0, (share - args.camera_from) / 0.1))
        turned = args.turned_from + (args.turned_to - args.turned_from) * min(1.0, share / 0.6)
        pixels, chars = augmenter.batch(pool.pictures[rows], pool.chars[rows], strength, args.groups, turned)
        targets = character_targets(chars, trainer.config.grid, trainer.head.slots, CLASS_COUNT)
        if clock:
            clock.note(step)
        rate = rate_at(args, step, share)
        apart = trainer.new_head and step < args.warmup
        text, aux, exact = trainer.step(pixels, pool.answers[rows], targets, rate, apart, args.aux * (1 - 0.9 * share))
        if clock:
            clock.note(step)
        step += 1
        if clock:
            clock.show(step)
        if step % RESYNC == 0:
            ranks.same(trainer.parameters)
        if ranks.first and (step % 100 == 0 or step == args.max_steps):
            seconds = time.time() - started
            print(
                f"step {step} {seconds:.0f} s rate {rate:.5f} text {text:.4f} aux {aux:.4f} exact {exact:.3f} "
                f"{step * args.batch * ranks.count / seconds:.0f} images/s, {pool.received / (time.time() - began):.0f} cards/s",
                flush=True,
            )
        if ranks.first and time.time() - saved > args.keep_every:
            saved = time.time()
            trainer.save(args.out, trainer.first_step + step, {"seed": args.seed})
        if ranks.first and args.halfway and not halfway and share > 0.5:
            halfway = True
            evaluate_all(trainer, args.data, args.halfway, 0)
    pool.stop()
    trained = time.time() - started
    print(f"rank {ranks.rank}: step {step}, {pool.received} cards, weights {digest(trainer)}", flush=True)
    if not ranks.first:
        ranks.leave()
        return
    total = trainer.first_step + step
    trainer.save(args.out, total, {"seed": args.seed})
    results = evaluate_all(trainer, args.data, None, 40)
    images = step * args.batch * ranks.count
    seen = {"steps": step, "images": images, "cards": pool.received * ranks.count}
    summary = {"step": total, "seconds": trained, **seen, "results": results}
    (args.out / "summary.json").write_text(json.dumps(summary, indent=1))
    ranks.leave()


if __name__ == "__main__":
    main()
