"""From Tesseract's words to the seven fields, by rules that use position, size, patterns and closed vocabularies.

The rules know what the task says of a card (which words a stage or a rarity is, what a number looks like, that the
name is the largest text) and nothing of a layout. Nothing is corrected towards the truth.
"""

import re
from dataclasses import dataclass
from statistics import median

from engine import Word

RARITIES = ("Double Rare", "Ultra Rare", "Secret Rare", "Uncommon", "Common", "Promo", "Rare")
SUFFIXES = ("V", "EX", "GX", "VMAX")
STAGES = ("Stage 1", "Stage 2", "Basic")
NUMBER = re.compile(r"(?<![\d/])(\d{1,3}/\d{1,3})(?![\d/])")
PROMO = re.compile(r"(?<![A-Za-z0-9])([A-Z]{2,4}-?\d{3})(?![A-Za-z0-9])")
HP = re.compile(r"(?:\bH[PpeFR]\s*[:.]?\s*(\d{1,3})\b)|(?:\b(\d{1,3})\s*H[PpeFR]\b)", re.IGNORECASE)
FIRST = re.compile(r"\b(?:[1il|]st|first)\s+edition\b|\bedition\s+1\b", re.IGNORECASE)
STARS = re.compile(r"^[*\u2605\u2606\u2b50]{1,3}$")
LEVEL = re.compile(r"^(?:lv|level)[.,:]?\d*$", re.IGNORECASE)
NOT_A_SET = re.compile(
    r"l[ul]s[.,]?$|^.?us[.,]$|illus|^art\b|artwork|drawn|\u00a9|^\(?c\)|evolves|weak|resist|retreat|"
    r"edition|^no[.,]|^nr[.,]|index|height|games|press|"
    r"^(?:set|card|rarity|stage)$|^hp$",
    re.IGNORECASE,
)
SURE = 50  # Tesseract's confidence in per cent; below it, a word of a picture's noise is as likely as one of print
SET_WORD = re.compile(r"^(?:[A-Z][a-z]{2,}|of|the|and|in|The|&)$")


@dataclass
class Piece:
    """Words of a line without a wide gap between them."""

    words: list[Word]

    @property
    def text(self) -> str:
        """The words with single spaces."""
        return " ".join(w.text for w in self.words)

    @property
    def size(self) -> float:
        """Median height of its words that have a letter."""
        heights = [w.height for w in self.words if any(c.isalpha() for c in w.text)]
        return median(heights) if heights else 0.0

    @property
    def confidence(self) -> float:
        """Mean confidence of its words in per cent."""
        return sum(w.confidence for w in self.words) / len(self.words)

    @property
    def middle(self) -> tuple[float, float]:
        """The centre of its box."""
        top, bottom = min(w.top for w in self.words), max(w.top + w.height for w in self.words)
        return (self.words[0].left + self.words[-1].right) / 2, (top + bottom) / 2


def pieces(words: list[Word]) -> list[Piece]:
    """Lines cut where the gap between two words is wider than a letter is high."""
    lines: dict[tuple[int, ...], list[Word]] = {}
    for word in words:
        lines.setdefault(word.line, []).append(word)
    found = []
    for line in lines.values():
        line.sort(key=lambda w: w.left)
        current = [line[0]]
        for before, word in zip(line, line[1:]):
            if word.left - before.right > 1.1 * max(before.height, word.height):
                found.append(Piece(current))
                current = []
            current.append(word)
        found.append(Piece(current))
    return found


def _closed(parts: list[Piece], vocabulary: tuple[str, ...]) -> str | None:
    """The first word of a vocabulary in a short piece of text, whatever its capitals."""
    for value in vocabulary:
        pattern = re.compile(r"(?<![a-z])" + value.replace(" ", r"\s*") + r"(?![a-z])", re.IGNORECASE)
        if any(len(part.words) <= 5 and pattern.search(part.text) for part in parts):
            return value
    return None


def _name(parts: list[Piece]) -> tuple[str | None, Piece | None]:
    """The largest text with a word of three letters, without what belongs to other fields."""
    best, best_text = None, None
    for part in parts:
        kept = []
        for word in part.words:
            text = word.text.strip("|_~=\u2014\u2018\"[](){}<>*.,:;")
            if text.upper() in ("", "HP") or LEVEL.match(text) or any(c.isdigit() for c in text):
                continue
            if kept or sum(c.isalpha() for c in text) >= 2:
                kept.append(text.upper() if text.upper() in SUFFIXES else text.replace("\u2019", "'"))
        text = " ".join(kept)
        if part.confidence < SURE or _beside_damage(part, parts) or any(NOT_A_SET.search(w.text) for w in part.words):
            continue
        if not re.search(r"[A-Za-z]{3}", text) or FIRST.search(text) or _closed([part], STAGES + RARITIES):
            continue
        if best is None or part.size > best.size:
            best, best_text = part, text
    return best_text, best


def _set_name(parts: list[Piece], name: Piece | None, number: Piece | None) -> str | None:
    """Capitalised words that are nothing else, nearest to the number, or else nearest to the top or bottom edge."""
    candidates = []
    bottom = max((p.middle[1] for p in parts), default=0)
    for part in parts:
        texts = [w.text.strip("|_~=\u2014\u2018\".,:;*()[]{}<>") for w in part.words]
        texts = [t for t in texts if t == "&" or sum(c.isalpha() for c in t) >= 2]
        while texts and texts[0] == "&":
            texts.pop(0)
        if part is name or part.confidence < SURE or not 1 <= len(texts) <= 4:
            continue
        text = " ".join(texts)
        if part.text.endswith((".", ",")) or not all(SET_WORD.match(t) for t in texts):
            continue
        if any(NOT_A_SET.search(w.text) for w in part.words):
            continue
        if _closed([part], RARITIES) or _closed([part], STAGES) or _beside_damage(part, parts):
            continue
        x, y = part.middle
        if number is not None:
            far = abs(y - number.middle[1]) + 0.2 * abs(x - number.middle[0])
        else:
            far = min(y, bottom - y)
        candidates.append((far, text))
    return min(candidates)[1] if candidates else None


def _beside_damage(part: Piece, parts: list[Piece]) -> bool:
    """Whether a number alone stands at the right on the same height: then the text is an attack."""
    x, y = part.middle
    beside = (other for other in parts if other.middle[0] > x and abs(other.middle[1] - y) < part.size)
    return any(re.fullmatch(r"\d{2,3}[+x\u00d7*]?", other.text) for other in beside)


def _number_beside(name: Piece | None, parts: list[Piece]) -> int | None:
    """Where no HP was read: a number of two or three digits on the name's own height."""
    for part in parts:
        match = re.search(r"(?<![\d/])(\d{2,3})(?![\d/])", part.text)
        if name is not None and part is not name and match and len(part.words) <= 3:
            if abs(part.middle[1] - name.middle[1]) < name.size and not NUMBER.search(part.text):
                return int(match.group(1))
    return None


def fields(words: list[Word]) -> dict:
    """The record that the rules find in a card's words."""
    parts = pieces(words)
    texts = [part.text for part in parts]
    lines: dict[tuple[int, ...], list[str]] = {}
    for word in words:
        lines.setdefault(word.line, []).append(word.text)
    whole = [" ".join(line) for line in lines.values()]
    number_part, number = None, None
    for pattern in (NUMBER, PROMO):
        for part in parts:
            if number is None and (match := pattern.search(part.text)):
                number_part, number = part, match.group(1)
    name, name_part = _name(parts)
    match = next((m for line in whole if (m := HP.search(line))), None)
    hp = int(match.group(1) or match.group(2)) if match else _number_beside(name_part, parts)
    rarity = _closed(parts, RARITIES)
    if rarity is None:
        stars = max((len(w.text) for w in words if STARS.match(w.text)), default=0)
        rarity = (None, "Rare", "Double Rare", "Ultra Rare")[stars]
    return {
        "name": name,
        "hp": hp,
        "collector_number": number,
        "set_name": _set_name(parts, name_part, number_part),
        "rarity": rarity,
        "stage": _closed(parts, STAGES),
        "first_edition": any(FIRST.search(text) for text in (*texts, *whole, " ".join(texts))),
    }
