"""Tesseract 5 and fovea on the same pictures: whole cards and fields with Wilson intervals, and milliseconds a card.

usage: compare.py [all|tune|accuracy|time|table] [--data FOLDER] [--model models/card-reader-s] [--n 512] ...

`all` is accuracy, time and table. What was measured is kept in --out, so that the parts can be run apart. `tune`
prints how the settings below were chosen; it wants another seed's pictures than the ones measured on.
"""

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[3]
SPLITS = ("clean", "camera", "other")
FIELDS = ("name", "hp", "collector_number", "set_name", "rarity", "stage", "first_edition")
Z = 1.959963984540054


def wilson(right: int, n: int) -> tuple[float, float]:
    """95 % Wilson interval of a share."""
    p = right / n
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def examples(folder: Path, n: int) -> list[dict]:
    """The first n lines of a folder's manifest."""
    lines = (folder / "manifest.jsonl").read_text().splitlines()[:n]
    return [json.loads(line) for line in lines]


def subset(folder: Path, chosen: list[dict], to: Path) -> None:
    """A data folder of some pictures, for fovea."""
    for example in chosen:
        (to / example["image"]).symlink_to((folder / example["image"]).resolve())
    (to / "manifest.jsonl").write_text("".join(json.dumps(example) + "\n" for example in chosen))


def fovea(args: argparse.Namespace, folder: Path) -> list[dict]:
    """`results` of fovea evaluate."""
    command = [str(args.fovea), "evaluate", "--model", args.model, "--data", str(folder), "--json"]
    done = subprocess.run([*command, "--threads", str(args.threads)], capture_output=True, text=True, check=False)
    if not done.stdout:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-1000:]}")
    return json.loads(done.stdout)["results"]


def counts(records: list[dict], chosen: list[dict]) -> dict:
    """Whole cards and fields that are right."""

    def same(a: object, b: object) -> bool:
        return a == b and type(a) is type(b)

    pairs = [(record, example["truth"]) for record, example in zip(records, chosen)]
    right = {key: sum(same(r[key], t[key]) for r, t in pairs) for key in FIELDS}
    return {"n": len(pairs), "whole": sum(all(same(r[k], t[k]) for k in FIELDS) for r, t in pairs), "fields": right}


def read_all(args: argparse.Namespace, split: str, settings: object, chosen: list[dict]) -> tuple[dict, float]:
    """Tesseract's counts on some pictures, and its median milliseconds."""
    from rules import fields

    records, took = [], []
    for example in chosen:
        begin = time.perf_counter()
        records.append(fields(args.engine.read(args.data / split / example["image"], settings)))
        took.append(1000 * (time.perf_counter() - begin))
    return counts(records, chosen), median(took)


def tune(args: argparse.Namespace) -> None:
    """Tries page-segmentation modes, then scalings, contrast and turns, keeping the best each time."""
    from engine import Settings

    for split in args.splits:
        chosen = examples(args.data / split, args.n)
        best, best_score = Settings(), (-1, -1)
        steps = (
            [{"psm": v} for v in (3, 4, 6, 11, 12)],
            [{"height": v} for v in (1000, 1800)],
            [{"contrast": True}],
            [{"turns": True}, {"turns": True, "psm": 11}],
        )
        for step in steps:
            kept = best
            for change in step:
                settings = replace(kept, **change)
                found, took = read_all(args, split, settings, chosen)
                score = (sum(found["fields"].values()), found["whole"])
                print(split, asdict(settings), found["whole"], found["fields"], f"{took:.0f} ms", flush=True)
                if score > best_score:
                    best, best_score = settings, score
        print(f"best for {split}: {asdict(best)}", flush=True)


def accuracy(args: argparse.Namespace, found: dict) -> None:
    """Both on every split."""
    from engine import Settings

    kept = json.loads((Path(__file__).parent / "settings.json").read_text())
    for split in args.splits:
        chosen = examples(args.data / split, args.n)
        if args.only != "fovea":
            counted, _ = read_all(args, split, Settings(**kept[split]), chosen)
            found.setdefault(split, {})["Tesseract"] = counted
        if args.only != "tesseract":
            with tempfile.TemporaryDirectory() as folder:
                subset(args.data / split, chosen, Path(folder))
                for result in fovea(args, Path(folder)):
                    n = result["n"]
                    right = {key: round(share * n) for key, share in result["fields"].items()}
                    counted = {"n": n, "whole": round(result["accuracy"] * n), "fields": right}
                    found.setdefault(split, {})[result["model"]] = counted
        keep(args, found)


def timing(args: argparse.Namespace, found: dict) -> None:
    """Milliseconds a card, one picture at a time: rounds of both in turn on the same pictures, median of all."""
    from engine import Settings

    kept = json.loads((Path(__file__).parent / "settings.json").read_text())
    took: dict[tuple[str, str], list[float]] = {}
    for split in args.splits:
        chosen = examples(args.data / split, args.pictures)
        args.engine.read(args.data / split / chosen[0]["image"], Settings(**kept[split]))
        with tempfile.TemporaryDirectory() as folder:
            subset(args.data / split, chosen, Path(folder))
            for _ in range(args.rounds):
                _, ms = read_all(args, split, Settings(**kept[split]), chosen)
                took.setdefault((split, "Tesseract"), []).append(ms)
                for result in fovea(args, Path(folder)):
                    took.setdefault((split, result["model"]), []).append(result["latency_ms"]["p50"])
    for (split, model), values in took.items():
        found.setdefault("ms", {}).setdefault(split, {})[model] = median(values)
    found["timing"] = {"threads": args.threads, "pictures": args.pictures, "rounds": args.rounds, "cpu": processor()}
    keep(args, found)


def processor() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def keep(args: argparse.Namespace, found: dict) -> None:
    """Writes what was measured so far."""
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(found, indent=1) + "\n")


def percent(right: int, n: int) -> str:
    """`74.8 (72.8 to 76.6)`."""
    low, high = wilson(right, n)
    return f"{100 * right / n:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def table(found: dict) -> None:
    """Prints one Markdown table."""
    print("| split | reader | n | whole card % | " + " | ".join(FIELDS) + " | ms a card |")
    print("|---|---|---|---|" + "---|" * (len(FIELDS) + 1))
    for split in SPLITS:
        for model, counted in found.get(split, {}).items():
            n = counted["n"]
            shares = " | ".join(percent(counted["fields"][key], n) for key in FIELDS)
            took = found.get("ms", {}).get(split, {}).get(model)
            whole, ms = percent(counted["whole"], n), f"{took:.0f}" if took else "-"
            print(f"| {split} | {model} | {n} | {whole} | {shares} | {ms} |")
    if "timing" in found:
        t = found["timing"]
        rounds = f"{t['rounds']} rounds of {t['pictures']} pictures"
        print(f"\n{t['cpu']}, {t['threads']} thread(s); times: median over {rounds} of the median picture.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("all", "tune", "accuracy", "time", "table"), default="all")
    committed = ROOT / "models" / "eval" / "trading-card"
    parser.add_argument("--data", type=Path, default=committed, help="a folder with the splits' folders")
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=list(SPLITS))
    parser.add_argument("--model", default=str(ROOT / "models" / "card-reader-s"), help="fovea's models, with commas")
    parser.add_argument("--fovea", type=Path, default=ROOT / "build" / "release" / "fovea")
    parser.add_argument("--n", type=int, default=512, help="pictures of each split")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=("fovea", "tesseract"), help="measure the accuracy of one of the two")
    parser.add_argument("--pictures", type=int, default=8, help="pictures a round of timing")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "tesseract.json")
    args = parser.parse_args()
    os.environ["OMP_THREAD_LIMIT"] = str(args.threads)
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    found = json.loads(args.out.read_text()) if args.out.exists() else {}
    if args.what != "table":
        from engine import Tesseract

        if args.what != "tune" and shutil.which(str(args.fovea)) is None:
            parser.error(f"{args.fovea}: not there; make build")
        args.engine = Tesseract()
    if args.what == "tune":
        tune(args)
        return
    if args.what in ("all", "accuracy"):
        accuracy(args, found)
    if args.what in ("all", "time"):
        timing(args, found)
    table(found)


if __name__ == "__main__":
    main()
