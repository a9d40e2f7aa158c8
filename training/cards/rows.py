"""Elements of a card (a number, a stage badge, a set symbol) and how a row packs them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING

import numpy as np

import art
from text import Face, Style, set_line

if TYPE_CHECKING:
    from render import Plan

CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-.'&: "
SYMBOLS = ("circle", "diamond", "star", "crown")
CHAR_CLASS = {c: i for i, c in enumerate(CHARACTERS)} | {
    name: len(CHARACTERS) + i for i, name in enumerate(SYMBOLS)
}
CLASS_COUNT = len(CHARACTERS) + len(SYMBOLS)
IGNORED = 255  # the class of text that the character head need not read
RARITY_SYMBOLS = {
    "Common": ("circle",),
    "Uncommon": ("diamond",),
    "Rare": ("star",),
    "Double Rare": ("star", "star"),
    "Ultra Rare": ("star", "star", "star"),
    "Secret Rare": ("crown",),
}
STAMPS = ("1st Ed.", "1ST ED.", "1st edition", "First Ed.", "EDITION ONE", "1st print", "FIRST PRINT", "Edition 1")  # for training
TRAPS = ("level", "index", "artist", "copyright", "species", "evolves")


class Ink:
    """A card's colours, and readable text colours on what is already painted."""

    def __init__(self, rng: Random, palette: tuple[art.Colour, art.Colour, art.Colour], wide: bool = False) -> None:
        """wide: also text colours of any hue and of less contrast, for training."""
        self.light, self.main, self.dark = palette
        self._rng, self._wide = rng, wide

    def on(self, canvas: np.ndarray, box: tuple[int, int, int, int]) -> art.Colour:
        """A dark or a light colour, whichever stands out in the box."""
        x0, y0, x1, y1 = (max(0, round(v)) for v in box)
        part = canvas[y0 : y1 : 3, x0 : x1 : 7]
        luminance = part.mean() if part.size else 255.0
        if self._wide and not 85 < luminance < 170 and (form := self._rng.random()) < 0.3:
            return self._unusual(part, luminance > 128, form < 0.12)
        if luminance > 128:
            return art.mix((12, 12, 18), self.dark, self._rng.uniform(0, 0.35))
        return art.mix((255, 255, 255), self.light, self._rng.uniform(0, 0.3))

    def _unusual(self, part: np.ndarray, dark: bool, faint: bool) -> art.Colour:
        """A text colour nearer to the ground's, or of any hue but of some contrast."""
        rng, end = self._rng, (10, 10, 14) if dark else (255, 255, 255)
        if faint and part.size:
            ground = tuple(int(v) for v in part.reshape(-1, 3).mean(0))
            return art.mix(end, ground, rng.uniform(0.15, 0.42))
        hue = tuple(rng.randint(0, 120) if dark else rng.randint(140, 255) for _ in range(3))
        return art.mix(end, hue, rng.uniform(0.3, 0.9))

    def accent(self, ink: art.Colour) -> art.Colour:
        """The type's colour, moved towards a text colour."""
        return art.mix(self.main, ink, 0.35)

    def panel(self) -> art.Colour:
        """A pale or a dark ground for text."""
        if self._rng.random() < 0.6:
            return art.mix(self.light, (255, 255, 255), self._rng.uniform(0.2, 0.9))
        return art.mix(self.dark, (0, 0, 0), self._rng.uniform(0, 0.6))

    @staticmethod
    def stamp(canvas: np.ndarray, mask: np.ndarray, x: float, y: float, colour: art.Colour) -> None:
        """Blends a colour through a mask whose corner stands at (x, y)."""
        x, y = round(x), round(y)
        top, left = max(0, -y), max(0, -x)
        part = canvas[y + top : y + mask.shape[0], x + left : x + mask.shape[1]]
        m = mask[top : top + part.shape[0], left : left + part.shape[1], None].astype(np.uint16)
        m += m >> 7
        part[:] = (part * (256 - m) + np.array(colour, np.uint16) * m) >> 8


@dataclass
class Piece:
    """A word or a symbol inside an element."""

    text: str
    face: Face | None
    style: Style
    width: float
    symbol: str = ""
    ignored: bool = False
    gap: float = 0.0


@dataclass
class Element:
    """Pieces set on one baseline. Sizes in pixels; `height` is the largest cap height."""

    pieces: list[Piece]
    badge: bool = False
    trap: bool = False
    pad: float = 0.0
    colour: art.Colour | None = None
    height: float = field(init=False)

    def __post_init__(self) -> None:
        self.height = max(p.style.cap for p in self.pieces)

    @property
    def width(self) -> float:
        """Width with gaps and badge padding."""
        return sum(p.width + p.gap for p in self.pieces) - self.pieces[-1].gap + 2 * self.pad

    def squeeze(self, stretch: float, size: float) -> None:
        """Narrows and shrinks every piece."""
        for piece in self.pieces:
            if not piece.symbol:
                piece.style.stretch *= stretch
                piece.width *= stretch
            piece.style.cap *= size
            piece.width *= size
            piece.gap *= stretch * size
        self.pad *= stretch * size
        self.height *= size

    def draw(self, plan: Plan, x: float, baseline: float, ink: art.Colour | None = None, outline: bool = False) -> None:
        """Paints the element with its left end at x; notes every character's centre."""
        ink = self.colour or ink or (0, 0, 0)
        if self.badge:
            box = (round(x), round(baseline - 1.45 * self.height), round(x + self.width), round(baseline + 0.45 * self.height))
            fill = plan.ink.main if plan.rng.random() < 0.6 else plan.ink.dark
            plan.canvas[max(0, box[1]) : box[3], box[0] : box[2]] = fill
            ink = plan.ink.on(plan.canvas, box)
            outline = False
        x += self.pad
        for piece in self.pieces:
            if piece.symbol:
                self._symbol(plan, piece, x, baseline, ink, outline)
            else:
                self._text(plan, piece, x, baseline, ink, outline)
            x += piece.width + piece.gap

    @staticmethod
    def _symbol(plan: Plan, piece: Piece, x: float, baseline: float, ink: art.Colour, outline: bool) -> None:
        size = max(5, round(piece.width))
        y = baseline - piece.style.cap / 2 - size / 2
        if outline:
            dark = (0, 0, 0) if sum(ink) > 380 else (255, 255, 255)
            for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                plan.ink.stamp(plan.canvas, art.symbol(piece.symbol, size), x + dx, y + dy, dark)
        plan.ink.stamp(plan.canvas, art.symbol(piece.symbol, size), x, y, ink)
        if piece.symbol in CHAR_CLASS:
            plan.chars.append((CHAR_CLASS[piece.symbol], x + size / 2, y + size / 2))

    @staticmethod
    def _text(plan: Plan, piece: Piece, x: float, baseline: float, ink: art.Colour, outline: bool) -> None:
        if outline:
            piece.style.outline = piece.style.outline or 0.06
        elif not plan.wide:
            piece.style.outline = 0.0
        line = set_line(piece.face, piece.text, piece.style)
        if piece.style.shadow:
            dark = (0, 0, 0) if sum(ink) > 380 else (235, 235, 235)
            off = max(1.0, piece.style.shadow * piece.style.cap)
            cast = (line.mask >> 1) + (line.mask >> 3)
            plan.ink.stamp(plan.canvas, cast, x + line.dx + off, baseline + line.dy + off, dark)
        if line.outline is not None:
            dark = (0, 0, 0) if sum(ink) > 380 else (255, 255, 255)
            plan.ink.stamp(plan.canvas, line.outline, x + line.dx, baseline + line.dy, dark)
        plan.ink.stamp(plan.canvas, line.mask, x + line.dx, baseline + line.dy, ink)
        if piece.ignored:
            plan.chars.extend((IGNORED, x + cx, baseline + cy) for cx, cy in line.centres[::3])
            return
        for char, (cx, cy) in zip(piece.text, line.centres):
            if char != " ":
                plan.chars.append((CHAR_CLASS.get(char, IGNORED), x + cx, baseline + cy))


def measure(plan: Plan, text: str, face: Face, cap: float, colour: art.Colour, limit: float, shear: float = 0.0, ignored: bool = False) -> Element:
    """A one-piece element of a colour, squeezed to a width limit."""
    style = Style(cap=cap, shear=shear)
    piece = Piece(text, face, style, face.width(text, style), ignored=ignored)
    element = Element([piece], trap=True, colour=colour)
    if element.width > limit > 0:
        stretch = max(0.7, limit / element.width)
        element.squeeze(stretch, 1.0)
        element.squeeze(1.0, min(1.0, limit / element.width))
    return element


def _word(plan: Plan, text: str, face: Face, cap: float, gap: float = 0.0) -> Piece:
    rng = plan.rng
    style = Style(cap=cap, stretch=plan.rng.uniform(*plan.stretch))
    if rng.random() < 0.12:
        style.shear = rng.uniform(0.1, 0.25)
    if rng.random() < 0.15:
        style.tracking = rng.uniform(0.01, 0.08)
    if plan.wide:
        _widen(rng, style)
    return Piece(text, face, style, face.width(text, style), gap=gap)


def _widen(rng: Random, style: Style) -> None:
    """Training's wider variety of one piece of text: weight, proportions, spacing, digits, outline, shadow."""
    if rng.random() < 0.18:
        style.weight = rng.choice((0.015, 0.03, 0.045))
    if rng.random() < 0.3:
        style.x_height = rng.uniform(0.8, 1.22)
    if rng.random() < 0.25:
        style.upright, style.level = rng.uniform(-0.02, 0.06), rng.uniform(-0.015, 0.04)
    style.flat_three = rng.random() < 0.15
    if rng.random() < 0.2:
        style.tracking = rng.uniform(-0.035, 0.2) if rng.random() < 0.5 else rng.uniform(-0.03, 0.1)
    if rng.random() < 0.06:
        style.shear = rng.uniform(-0.12, 0.35)
    if rng.random() < 0.14:
        style.old_digits = True
    if rng.random() < 0.06:
        style.jitter = rng.uniform(0.02, 0.06)
    if rng.random() < 0.07:
        style.outline = rng.choice((0.04, 0.06, 0.09))
    if rng.random() < 0.08:
        style.shadow = rng.uniform(0.04, 0.14)


def _small_caps(plan: Plan, text: str, face: Face, cap: float) -> list[Piece]:
    """A text whose small letters are drawn as small capitals: pieces of equal size, without gaps."""
    first = _word(plan, "X", face, cap)
    pieces: list[Piece] = []
    ratio = plan.rng.uniform(0.7, 0.84)
    for small, run in itertools.groupby(text, key=str.islower):
        style = replace(first.style, cap=cap * ratio if small else cap)
        drawn = "".join(run).upper()
        pieces.append(Piece(drawn, face, style, face.width(drawn, style)))
    return pieces


def _title(plan: Plan, text: str, face: Face, cap: float) -> list[Piece]:
    """A name or a set name: one piece, in training now and then in small capitals."""
    if plan.wide and plan.rng.random() < 0.06 and any(c.islower() for c in text):
        return _small_caps(plan, text, face, cap)
    return [_word(plan, text, face, cap)]


def _mark(name: str, cap: float, size: float, gap: float = 0.0) -> Piece:
    return Piece("", None, Style(cap=cap), size * cap, symbol=name, gap=gap)


def _emblem_name(plan: Plan) -> str:
    """Which symbol stands for a set; in training mostly one of many more shapes."""
    if plan.wide and plan.rng.random() < 0.65:
        return f"shape-{plan.rng.randint(0, 2000)}"
    return f"emblem-{plan.rng.randint(0, 400)}"


def _cased(rng: Random, text: str, p: float) -> str:
    return text.upper() if rng.random() < p else text


def element_for(plan: Plan, name: str) -> Element | None:
    """Builds an element of this card, or None where the card does not show it."""
    rng, truth, cap = plan.rng, plan.content.truth, plan.caps[name] * plan.scale
    if name == "kind":
        return Element([_mark(plan.content.kind if rng.random() < 0.5 else _emblem_name(plan), cap, rng.uniform(0.9, 1.5))], trap=True)
    if name in TRAPS:
        text = plan.content.traps.get(name)
        return None if text is None else Element([_word(plan, text, plan.fine, cap)], trap=True)
    value = truth[name]
    if value is None or value is False:
        return None
    badge, pad = False, 0.0
    if name == "name":
        pieces = _title(plan, value, plan.title, cap)
    elif name == "hp":
        text = "HP" if not plan.wide or rng.random() < 0.8 else rng.choice(("Hp", "hp", "HP:", "H.P."))
        label = _word(plan, text, plan.title, cap * rng.uniform(0.45, 1.0 if plan.wide else 0.8), 0.25 * cap)
        digits = _word(plan, str(value), plan.title, cap, 0.25 * cap)
        pieces = [label, digits] if rng.random() < 0.6 else [digits, label]
    elif name == "collector_number":
        pieces = [_word(plan, value, plan.fine, cap)]
    elif name == "set_name":
        pieces = _title(plan, value, plan.fine, cap)
        form = rng.random()
        if form < 0.55:
            pieces.insert(0, _mark(_emblem_name(plan), cap, rng.uniform(1.3, 1.9), 0.5 * cap))
        elif form < 0.8:
            pieces.append(_mark(_emblem_name(plan), cap, rng.uniform(1.3, 1.9)))
            pieces[-2].gap = 0.5 * cap
    elif name == "rarity":
        symbols = RARITY_SYMBOLS.get(value)
        if symbols and plan.content.rarity_form == "symbol":
            pieces = [_mark(s, cap, 1.25, 0.2 * cap) for s in symbols]
        else:
            pieces = [_word(plan, _cased(rng, value, 0.4), plan.fine, cap)]
            badge = rng.random() < 0.15
    elif name == "stage":
        pieces = [_word(plan, _cased(rng, value, 0.4), plan.body, cap)]
        badge = rng.random() < 0.4
    else:
        text = rng.choice(("1st Edition", "1ST EDITION", "First Edition", "FIRST EDITION", "EDITION 1"))
        if plan.wide and rng.random() < 0.25:
            text = rng.choice(STAMPS)
        pieces = [_word(plan, text, plan.body, cap)]
        badge = rng.random() < 0.4
    if badge:
        pad = 0.6 * cap
    return Element(pieces, badge=badge, pad=pad)


def draw_row(plan: Plan, sides: list[list[Element]], box: tuple[int, int, int, int], over_art: bool) -> None:
    """Packs left, centre and right groups into a row without overlap and paints them."""
    x0, y0, x1, y1 = box
    s = plan.scale
    gap, pad = 16 * s, plan.rng.uniform(4, 14) * s
    available = x1 - x0 - 2 * pad

    def total() -> float:
        return sum(e.width + gap for side in sides for e in side)

    for element in (e for side in sides for e in side):
        element.squeeze(1.0, min(1.0, 0.62 * (y1 - y0) / element.height))
    while total() > available:
        traps = [(side, e) for side in sides for e in side if e.trap]
        if traps:
            traps[0][0].remove(traps[0][1])
            continue
        ratio = available / total()
        for side in sides:
            for element in side:
                element.squeeze(max(ratio, 0.8), 1.0)
        if (ratio := available / total()) < 1:
            for side in sides:
                for element in side:
                    element.squeeze(1.0, ratio * 0.97)
    widths = [sum(e.width + gap for e in side) for side in sides]
    left_end, right_start = x0 + pad + widths[0], x1 - pad - widths[2]
    centre = (x0 + x1 - widths[1] + gap) / 2
    centre = min(max(centre, left_end), right_start - widths[1] + gap)
    ink = plan.ink.on(plan.canvas, box)
    outline = over_art and plan.rng.random() < 0.7
    middle = (y0 + y1) / 2 + plan.rng.uniform(-2, 2) * s
    for start, side in ((x0 + pad, sides[0]), (centre, sides[1]), (right_start + gap, sides[2])):
        for element in side:
            element.draw(plan, start, middle + element.height / 2, ink, outline)
            start += element.width + gap
