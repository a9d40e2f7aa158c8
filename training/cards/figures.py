"""The figures of a model card, from what `fovea recognize --json` read and the truth beside the pictures.

usage: figures.py --data FOLDER --answers READ.jsonl [--before OTHER.jsonl] [--without 512 768] [--limit N]
Prints whole cards with their Wilson interval, every field, whole cards by the pictures' height, how often cards are wrong
whose fields are all sure, and what the errors have in common; with --before the paired difference (Newcombe's interval).
"""

import argparse
import json
from collections import Counter
from math import sqrt
from pathlib import Path

from PIL import Image

import fields
from evaluate import wilson

HEIGHTS = (0, 400, 500, 700, 1000, 1 << 20)
LEAST_SURE = (0.5, 0.8, 0.9, 0.95)


def read_answers(path: Path) -> dict[str, dict]:
    """Answers by the picture's file name."""
    return {Path(answer["file"]).name: answer for answer in map(json.loads, path.open())}


def right(answer: dict, truth: dict) -> bool:
    """Every field as it is printed."""
    return answer["ok"] and answer["fields"] == truth


def percent(k: int, n: int) -> str:
    low, high = wilson(k, n)
    return f"{100 * k / n:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def paired(gained: int, lost: int, k_before: int, k_after: int, n: int) -> tuple[float, float]:
    """Newcombe's interval (1998, method 10) of the difference of two proportions of the same cards."""
    p1, p2 = k_after / n, k_before / n
    (l1, u1), (l2, u2) = wilson(k_after, n), wilson(k_before, n)
    both = k_before - lost
    neither = n - both - gained - lost
    spread = k_after * (n - k_after) * k_before * (n - k_before)
    phi = (both * neither - gained * lost) / sqrt(spread) if spread else 0.0
    low = sqrt(max(0.0, (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2))
    high = sqrt(max(0.0, (u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2))
    return p1 - p2 - low, p1 - p2 + high


def one_apart(read: str, printed: str) -> tuple[str, str] | None:
    """The two letters, where one is taken for another and nothing else differs."""
    if len(read) != len(printed):
        return None
    pairs = [(a, b) for a, b in zip(read, printed) if a != b]
    return tuple(sorted(pairs[0])) if len(pairs) == 1 else None


def show_errors(answers: dict[str, dict], truths: dict[str, dict]) -> None:
    """Wrong fields by name, and the letters taken for one another."""
    wrong, letters, told, unseen = Counter(), Counter(), Counter(), Counter()
    for name, truth in truths.items():
        for field in fields.FIELDS:
            read = answers[name]["fields"][field] if answers[name]["ok"] else None
            if read == truth[field]:
                continue
            wrong[field] += 1
            told[field] += truth[field] is None
            unseen[field] += read is None
            if read is not None and truth[field] is not None and (pair := one_apart(str(read), str(truth[field]))):
                letters[pair] += 1
    print("wrong fields:", sum(wrong.values()), dict(wrong.most_common()))
    print("told where the card shows none:", dict(+told), " not seen:", dict(+unseen))
    print("one letter for another:", sum(letters.values()), [f"{a}/{b} {n}" for (a, b), n in letters.most_common(8)])


def show_confidence(answers: dict[str, dict], truths: dict[str, dict]) -> None:
    """Of the cards whose most doubtful field is at least so sure: how many there are, and how many of them are wrong."""
    cards = [(min(answers[n]["confidence"].values()), right(answers[n], t)) for n, t in truths.items() if answers[n]["ok"]]
    all_wrong = sum(not ok for _, ok in cards)
    for least in LEAST_SURE:
        sure = [ok for confidence, ok in cards if confidence >= least]
        found = all_wrong - sure.count(False)
        print(f"every field at least {least}: {100 * len(sure) / len(truths):.1f} % of the cards, of these wrong "
              f"{percent(sure.count(False), max(1, len(sure)))}, wrong cards below it {100 * found / max(1, all_wrong):.0f} %")
    each = [(answers[n]["confidence"][f], answers[n]["fields"][f] == t[f]) for n, t in truths.items() if answers[n]["ok"] for f in fields.FIELDS]
    bins = [[pair for pair in each if at <= pair[0] * 10 < at + 1 or (at == 9 and pair[0] == 1)] for at in range(10)]
    error = sum(abs(sum(c for c, _ in b) - sum(ok for _, ok in b)) for b in bins) / len(each)
    print(f"calibration error of all fields, ten bins: {100 * error:.2f} %")


def show(data: Path, answers: dict[str, dict], truths: dict[str, dict]) -> None:
    """All figures of one set of cards."""
    n = len(truths)
    print(f"whole card {percent(sum(right(answers[name], t) for name, t in truths.items()), n)}, n {n}")
    for field in fields.FIELDS:
        count = sum(answers[name]["ok"] and answers[name]["fields"][field] == t[field] for name, t in truths.items())
        print(f"  {field} {100 * count / n:.1f}")
    heights = {name: Image.open(data / name).size[1] for name in truths}
    for low, high in zip(HEIGHTS, HEIGHTS[1:]):
        some = [right(answers[name], truths[name]) for name in truths if low <= heights[name] < high]
        if some:
            print(f"  height {low} to {high - 1}: {100 * sum(some) / len(some):.1f} % (n {len(some)})")
    show_confidence(answers, truths)
    show_errors(answers, truths)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="pictures and manifest.jsonl")
    parser.add_argument("--answers", type=Path, required=True, help="JSON lines of fovea recognize")
    parser.add_argument("--before", type=Path, help="those of another model, to compare card by card")
    parser.add_argument("--without", type=int, nargs=2, metavar=("FROM", "TO"), help="leave out cards FROM to TO - 1")
    parser.add_argument("--limit", type=int, help="only the first cards")
    args = parser.parse_args()
    lines = [json.loads(line) for line in (args.data / "manifest.jsonl").open()][: args.limit]
    if args.without:
        del lines[slice(*args.without)]
    answers = read_answers(args.answers)
    truths = {line["image"]: line["truth"] for line in lines}
    missing = [name for name in truths if name not in answers]
    if missing:
        raise SystemExit(f"{args.answers} has no answer for {len(missing)} of {len(truths)} pictures, the first {missing[0]}")
    show(args.data, answers, truths)
    if args.before:
        before = read_answers(args.before)
        gained = sum(right(answers[name], t) and not right(before[name], t) for name, t in truths.items())
        lost = sum(right(before[name], t) and not right(answers[name], t) for name, t in truths.items())
        count = sum(right(before[name], t) for name, t in truths.items())
        low, high = paired(gained, lost, count, count + gained - lost, len(truths))
        print(f"before {percent(count, len(truths))}; {100 * (gained - lost) / len(truths):+.1f} points "
              f"({100 * low:+.1f} to {100 * high:+.1f}; {gained} gained, {lost} lost)")


if __name__ == "__main__":
    main()
