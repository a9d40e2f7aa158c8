"""Draws a card: content + layout + fonts -> picture, the truth and every character's place."""

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

import art
from content import Content, draw_content
from layouts import Layout, pick_layout
from rows import IGNORED, Element, Ink, draw_row, element_for, measure
from stacks import draw_stack, labelled, paint_ground, stack_height
from stamps import draw_loose_stamp
from text import Face, FontBook, Style

TRAIN_SIZE = (640, 896)
MAX_CHARS = 384


@dataclass
class Card:
    """A rendered card. `chars` is `[n, 3]` float: class, x, y as fractions of the picture."""

    image: np.ndarray
    truth: dict
    chars: np.ndarray
    smallest_cap: float
    layout: str
    families: tuple[str, ...]


@dataclass
class Plan:
    """What stays the same over one card: sizes, faces, colours."""

    rng: Random
    scale: float
    content: Content
    title: Face
    body: Face
    fine: Face
    caps: dict[str, float]
    canvas: np.ndarray
    ink: Ink
    stretch: tuple[float, float] = (0.9, 1.1)
    wide: bool = False  # training's wider variety of type
    labelled: bool = False  # training: fields in rows have a small label before them
    chars: list[tuple[int, float, float]] = field(default_factory=list)


class Renderer:
    """Draws cards of one side of the split. Keeps a stock of backgrounds between cards."""

    def __init__(self, fonts: Path, test: bool, reuse: int = 0) -> None:
        """reuse: how many pictures and backgrounds to keep and draw again (0: none)."""
        self.test = test
        self.books = FontBook(fonts, "test" if test else "train")
        self.reuse = reuse
        self._scenes: deque[np.ndarray] = deque(maxlen=max(reuse, 1))
        self._stocks: deque[np.ndarray] = deque(maxlen=max(reuse, 1))

    def _scene(self, rng: Random, size: tuple[int, int], kind: str) -> np.ndarray:
        """A picture of the size; with reuse, often a new cut of an older one."""
        w, h = size
        if not self.reuse:
            return art.scene(rng, size, kind)
        if len(self._scenes) < self.reuse or rng.random() < 0.03:
            self._scenes.append(art.scene(rng, (448, 400), kind))
        old = Image.fromarray(rng.choice(self._scenes))
        aspect = w / h
        bw = min(448.0, 400 * aspect) * rng.uniform(0.6, 1)
        bh = bw / aspect
        x, y = rng.uniform(0, 448 - bw), rng.uniform(0, 400 - bh)
        cut = old.resize(size, Image.Resampling.BILINEAR, (x, y, x + bw, y + bh))
        return np.asarray(cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else cut)

    def _stock(self, rng: Random, size: tuple[int, int], kind: str) -> np.ndarray:
        """A card background of the size."""
        if not self.reuse:
            return art.card_stock(rng, size, kind)
        if len(self._stocks) < self.reuse or rng.random() < 0.02:
            self._stocks.append(art.card_stock(rng, size, kind))
        return rng.choice(self._stocks).copy()

    def card(self, rng: Random, size: tuple[int, int] = TRAIN_SIZE) -> Card:
        """Draws the card that rng determines at a size (width, height) in pixels."""
        content = draw_content(rng, self.test)
        layout = pick_layout(rng, self.test)
        plan = self._plan(rng, content, size)
        zones = _zones(rng, layout, content, plan, size)
        _paint_base(self, plan, layout, zones, size)
        unstamped = layout.place("first_edition") is None
        for zone, (x0, y0, x1, y1) in zones.items():
            if zone == "body":
                _draw_body(plan, (x0, y0, x1, y1))
            elif zone in layout.stacks:
                below = draw_stack(plan, layout.stacks[zone], (x0, y0, x1, y1), zone == "column")
                if zone == "column" and unstamped and y1 - below > 0.2 * size[1] and rng.random() < 0.5:
                    _draw_stamp(plan, (x0, round(below), x1, y1))
                    unstamped = False
            elif zone == "art":
                if unstamped:
                    _draw_stamp(plan, (x0, y0, x1, y1))
            else:
                elements = _elements(plan, layout.rows.get(zone, ((), (), ())))
                over_art = layout.full_art and zone == "header"
                draw_row(plan, elements, (x0, y0, x1, y1), over_art)
        _round_corners(plan, size)
        fields = ("hp", "collector_number", "set_name", "rarity", "stage")
        shown = [plan.caps[f] for f in fields if content.truth[f] is not None]
        return Card(
            image=plan.canvas,
            truth=content.truth,
            chars=_char_table(plan, size),
            smallest_cap=min(shown, default=30.0),
            layout=layout.name,
            families=(plan.title.family, plan.body.family, plan.fine.family),
        )

    def _plan(self, rng: Random, content: Content, size: tuple[int, int]) -> Plan:
        small = rng.uniform(0.95, 1.08)
        caps = {
            "name": rng.uniform(24, 33),
            "hp": rng.uniform(21, 31),
            "collector_number": rng.uniform(13.5, 19) * small,
            "set_name": rng.uniform(13.5, 19) * small,
            "rarity": rng.uniform(13, 18) * small,
            "stage": rng.uniform(13, 19) * small,
            "first_edition": rng.uniform(12, 18) * small,
            "attack": rng.uniform(15, 20),
            "rules": rng.uniform(8.5, 11),
        }
        caps |= {trap: rng.uniform(8.5, 13) for trap in ("artist", "species", "index", "evolves", "level")}
        caps["copyright"] = rng.uniform(7, 9.5)
        if not self.test:
            _widen_caps(rng, caps)
        body = self.books.pick(rng, "text")
        plan = Plan(
            rng=rng,
            scale=size[1] / 1000,
            content=content,
            title=self.books.pick(rng, "text", "display") if rng.random() < 0.6 else body,
            body=body,
            fine=self.books.pick(rng, "text", "text", "mono") if rng.random() < 0.5 else body,
            caps=caps,
            canvas=self._stock(rng, size, content.kind),
            ink=Ink(rng, art.PALETTES[content.kind], not self.test),
            stretch=(0.9, 1.1) if self.test else (0.74, 1.16),
            wide=not self.test,
            labelled=not self.test and rng.random() < 0.12,
        )
        return plan


def _widen_caps(rng: Random, caps: dict[str, float]) -> None:
    """Training's wider variety of sizes, each field's by itself."""
    for field_name, low, high in (
        ("name", 17, 40),
        ("hp", 17, 36),
        ("collector_number", 12, 22),
        ("set_name", 12, 22),
        ("rarity", 12, 20),
        ("stage", 12, 21),
    ):
        if rng.random() < 0.35:
            caps[field_name] = rng.uniform(low, high)
    if rng.random() < 0.4:
        caps["attack"] = rng.uniform(12, 25)
    for trap in ("artist", "species", "index", "evolves", "level"):
        if rng.random() < 0.15:
            caps[trap] = rng.uniform(11, 17)
    caps["kind"] = caps["hp"]


def _elements(plan: Plan, row) -> list[list[Element]]:
    """The row's elements that this card shows, by side."""
    return [[labelled(plan, name, e) for name in side if (e := element_for(plan, name)) is not None] for side in row]


def _zones(rng: Random, layout: Layout, content: Content, plan: Plan, size: tuple[int, int]) -> dict[str, tuple[int, int, int, int]]:
    """Pixel boxes (x0, y0, x1, y1) of the zones, from top to bottom."""
    border = rng.choice((0, 14, 22, 28, 34)) + rng.uniform(0, 4)
    heights = {
        "top": rng.uniform(29, 37),
        "header": rng.uniform(52, 70),
        "under": rng.uniform(30, 40),
        "foot1": rng.uniform(30, 38),
        "foot2": rng.uniform(29, 37),
        "body": rng.uniform(150, 230) + 50 * len(content.attacks),
    }
    for zone in ("top", "under", "foot1", "foot2"):
        if not any(content.truth.get(e) or e in content.traps for side in layout.rows.get(zone, ()) for e in side):
            heights[zone] = 8.0 if zone in ("top", "under") else 12.0
    if "table" in layout.stacks:
        heights["table"] = stack_height(rng, layout.stacks["table"], content)
    inner = 1000 - 2 * border
    heights["art"] = inner - sum(heights[z] for z in layout.order if z != "art") - 12
    side = border + rng.uniform(8, 22)
    width = size[0] / plan.scale
    left, right = side, width - side
    zones, y = {}, border + 6.0
    if "column" in layout.stacks:
        share, at_left = rng.uniform(0.27, 0.4), rng.random() < 0.6
        split = left + share * (right - left) if at_left else right - share * (right - left)
        column = (left, split - 6) if at_left else (split + 6, right)
        left, right = (split, right) if at_left else (left, split)
        zones["column"] = tuple(round(v * plan.scale) for v in (column[0], y, column[1], 1000 - border - 6))
    for zone in layout.order:
        box = (left, y, right, y + heights[zone])
        zones[zone] = tuple(round(v * plan.scale) for v in box)
        y += heights[zone]
    return zones


def _paint_base(renderer: Renderer, plan: Plan, layout: Layout, zones: dict, size: tuple[int, int]) -> None:
    """Border, art and panels under the text."""
    rng, canvas, s = plan.rng, plan.canvas, plan.scale
    w, h = size
    edge = rng.choice(((246, 214, 70), (214, 220, 226), (30, 30, 34), (250, 250, 248), plan.ink.main, plan.ink.dark))
    x0, y0, x1, y1 = zones["art"]
    frame = max(0, round(rng.uniform(0, 5) * s))
    border = max(0, min(zone[0] for zone in zones.values()) - round(rng.uniform(6, 14) * s))
    if layout.full_art:
        canvas[:] = renderer._scene(rng, size, plan.content.kind)
        bottom = zones["body"]
        if rng.random() < 0.75:
            pale = rng.random() < 0.6
            art.blend_rect(canvas, (border, bottom[1], w - border, bottom[3]), (250, 248, 240) if pale else (20, 20, 30), rng.uniform(0.55, 0.85))
    else:
        if frame:
            line = plan.ink.dark if rng.random() < 0.7 else edge
            art.fill_rect(canvas, (x0 - frame, y0 - frame, x1 + frame, y1 + frame), line)
        canvas[y0:y1, x0:x1] = renderer._scene(rng, (x1 - x0, y1 - y0), plan.content.kind)
        if plan.wide and rng.random() < 0.5:
            _draw_sky(plan, (x0, y0, x1, y1))
    for zone, (zx0, zy0, zx1, zy1) in zones.items():
        if zone in layout.stacks:
            paint_ground(plan, (zx0, zy0, zx1, zy1), layout.full_art)
        if plan.wide and rng.random() < 0.1:
            art.fill_rect(canvas, (zx0, zy1 - 1, zx1, zy1 + rng.randint(0, 2)), plan.ink.main)
        if zone in ("art", "body") or zone in layout.stacks or zy1 - zy0 < 20 * s:
            continue
        small = zone != "header"
        if rng.random() < (0.3 if not layout.full_art else 1.0 if small else 0.9):
            art.blend_rect(canvas, (zx0, zy0, zx1, zy1), plan.ink.panel(), rng.uniform(0.78 if small else 0.6, 1.0))
    if border:
        for box in ((0, 0, w, border), (0, h - border, w, h), (0, 0, border, h), (w - border, 0, w, h)):
            art.fill_rect(canvas, box, edge)


def _draw_sky(plan: Plan, box: tuple[int, int, int, int]) -> None:
    """Moons, stars and other plain shapes in a picture: no stamp, since nothing is written on them, and no rarity."""
    x0, y0, x1, y1 = box
    rng, pale = plan.rng, plan.rng.random() < 0.7
    for _ in range(rng.randint(1, 3)):
        side = round(min(rng.uniform(16, 150) * plan.scale, 0.5 * (x1 - x0), 0.5 * (y1 - y0)))
        if side < 6:
            return
        shape = rng.choice(("circle", "circle", "circle", "star", "diamond", "crown", f"shape-{rng.randint(0, 2000)}"))
        mask = (art.symbol(shape, side) * rng.uniform(0.35, 1.0)).astype(np.uint8)
        tint = tuple(rng.randint(0, 255) for _ in range(3))
        colour = art.mix((250, 248, 240) if pale else (24, 24, 30), tint, rng.uniform(0, 0.5))
        plan.ink.stamp(plan.canvas, mask, rng.uniform(x0, x1 - side), rng.uniform(y0, y1 - side), colour)


def _draw_body(plan: Plan, box: tuple[int, int, int, int]) -> None:
    """Attacks with damage, rules, flavour and the weakness row."""
    x0, y0, x1, y1 = box
    rng, s = plan.rng, plan.scale
    pad, y = 14 * s, y0 + 16 * s
    ink = plan.ink.on(plan.canvas, box)
    discs = plan.wide and rng.random() < 0.45  # of the cost, which say nothing of the rarity
    for title, damage, rules in plan.content.attacks:
        cap = plan.caps["attack"] * s
        if y + 2.2 * cap > y1:
            break
        x = x0 + pad
        for _ in range(rng.randint(1, 3) if damage else rng.randint(1, 4)):
            size = max(6, round(1.5 * cap))
            if discs:
                plan.ink.stamp(plan.canvas, art.symbol("circle", size), x, y - 0.1 * cap, plan.ink.accent(ink))
                inner = art.symbol(plan.content.kind, max(4, round(0.6 * size)))
                plan.ink.stamp(plan.canvas, inner, x + 0.2 * size, y - 0.1 * cap + 0.2 * size, plan.ink.light)
            else:
                plan.ink.stamp(plan.canvas, art.symbol(plan.content.kind, size), x, y - 0.1 * cap, plan.ink.accent(ink))
            x += 1.8 * cap
        measure(plan, title, plan.body, cap, ink, min(x1 - x - 120 * s, 380 * s)).draw(plan, x + 6 * s, y + 1.1 * cap)
        if damage:
            number = measure(plan, damage, plan.title, 1.15 * cap, ink, 110 * s)
            number.draw(plan, x1 - pad - number.width, y + 1.1 * cap)
        y += 2.4 * cap
        if rules:
            y = _paragraph(plan, rules, (x0 + pad, y, x1 - pad, y1), ink, 0.0)
        y += 10 * s
    if plan.content.flavor and y + 40 * s < y1:
        y = _paragraph(plan, plan.content.flavor, (x0 + pad, y + 6 * s, x1 - pad, y1), ink, 0.2)
    if rng.random() < 0.6 and y1 - y > 34 * s:
        cap = rng.uniform(8, 11) * s
        texts = (f"weakness \u00d7{rng.choice((2, 2, 3))}", f"resistance -{rng.choice((10, 20, 30))}", "retreat " + "\u2022" * rng.randint(0, 4))
        for k, text in enumerate(texts):
            measure(plan, text, plan.fine, cap, ink, 190 * s).draw(plan, x0 + pad + k * (x1 - x0 - 2 * pad) / 3, y1 - 8 * s)


def _paragraph(plan: Plan, text: str, box: tuple[float, float, float, float], ink: art.Colour, shear: float) -> float:
    """Small running text, which the reader must ignore. Returns the y below it."""
    x0, y, x1, y1 = box
    cap = plan.caps["rules"] * plan.scale
    style = Style(cap=cap, shear=shear)
    words, line = text.split(), ""
    lines = []
    for word in words:
        if line and plan.body.width(f"{line} {word}", style) > x1 - x0:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    for line in [*lines, line]:
        if y + 1.6 * cap > y1:
            break
        measure(plan, line, plan.body, cap, ink, x1 - x0, shear, ignored=True).draw(plan, x0, y + 1.2 * cap)
        y += 2.1 * cap
    return y


def _draw_stamp(plan: Plan, art_box: tuple[int, int, int, int]) -> None:
    """The first-edition stamp in a corner of the art."""
    if plan.wide and plan.content.truth["first_edition"] and plan.rng.random() < 0.5:
        draw_loose_stamp(plan, art_box)
        return
    element = element_for(plan, "first_edition")
    if element is None:
        return
    x0, y0, x1, y1 = art_box
    s, rng = plan.scale, plan.rng
    w, h = element.width, 2.2 * element.height
    x = rng.choice((x0 + 14 * s, x1 - 14 * s - w))
    y = rng.choice((y0 + 12 * s, y1 - 12 * s - h))
    pale = rng.random() < 0.7
    box = (round(x - 6 * s), round(y), round(x + w + 6 * s), round(y + h))
    art.blend_rect(plan.canvas, box, (252, 250, 244) if pale else (24, 22, 28), rng.uniform(0.75, 1))
    ink = (24, 22, 28) if pale else (252, 250, 244)
    element.draw(plan, x, y + h / 2 + element.height / 2, ink, False)


def _round_corners(plan: Plan, size: tuple[int, int]) -> None:
    """Often cuts the corners round, over a plain ground."""
    rng = plan.rng
    if rng.random() < 0.4:
        return
    w, h = size
    r = round(rng.uniform(18, 34) * plan.scale)
    ground = rng.choice(((255, 255, 255), (20, 20, 24), (120, 122, 126), (238, 236, 230)))
    y, x = np.mgrid[0:r, 0:r] + 0.5
    cover = np.clip(np.hypot(r - x, r - y) - r + 0.5, 0, 1)[..., None]
    for ys, xs, part in (
        (slice(0, r), slice(0, r), cover),
        (slice(0, r), slice(w - r, w), cover[:, ::-1]),
        (slice(h - r, h), slice(0, r), cover[::-1]),
        (slice(h - r, h), slice(w - r, w), cover[::-1, ::-1]),
    ):
        corner = plan.canvas[ys, xs]
        corner[:] = (corner * (1 - part) + np.array(ground) * part).astype(np.uint8)


def _char_table(plan: Plan, size: tuple[int, int]) -> np.ndarray:
    """Characters with a known class, at most MAX_CHARS, as fractions of the picture."""
    table = np.array(plan.chars, np.float32).reshape(-1, 3)
    if len(table) > MAX_CHARS:
        table = table[table[:, 0] != IGNORED][:MAX_CHARS]
    table[:, 1:] /= np.array(size, np.float32)
    return table
