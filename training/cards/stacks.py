"""For training: fields one under another, in a table or a column beside the picture, and labels before them."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import art
from content import Content
from rows import Element, Piece, element_for
from text import Style

if TYPE_CHECKING:
    from render import Plan

LABELS = {
    "hp": ("Health", "Points", "Life"),
    "collector_number": ("No", "No.", "Card", "Number", "Card no.", "Nr", "Collector no.", "Print"),
    "set_name": ("Set", "Series", "Expansion", "Set name", "From", "Edition", "Part of"),
    "rarity": ("Rarity", "Class", "Grade", "Kind"),
    "stage": ("Stage", "Form", "Phase"),
    "artist": ("Art", "Artist", "Illus."),
    "evolves": ("From", "Before", "Line"),
    "species": ("Species", "Kind", "About"),
}


def stack_height(rng: Random, names: tuple[str, ...], content: Content) -> float:
    """Thousandths of the card's height that a table of these elements takes."""
    shown = sum(bool(content.truth.get(name)) or name in content.traps for name in names)
    return 8 + shown * rng.uniform(27, 40)


def paint_ground(plan: Plan, box: tuple[int, int, int, int], over_art: bool) -> None:
    """Often a panel under a stack; over art always, so that it can be read."""
    rng = plan.rng
    if not over_art and rng.random() < 0.4:
        return
    art.blend_rect(plan.canvas, box, plan.ink.panel(), rng.uniform(0.8, 1.0))


def _label_piece(plan: Plan, name: str, cap: float) -> Piece:
    """A small label, which is not answered."""
    rng = plan.rng
    text = rng.choice(LABELS[name]) + rng.choice(("", "", ":"))
    text = text.upper() if rng.random() < 0.25 else text.lower() if rng.random() < 0.15 else text
    face = plan.fine if rng.random() < 0.6 else plan.body
    style = Style(cap=cap * rng.uniform(0.55, 1.0))
    return Piece(text, face, style, face.width(text, style), ignored=True, gap=cap * rng.uniform(0.4, 0.9))


def labelled(plan: Plan, name: str, element: Element) -> Element:
    """The element of a row, on some cards with a label before it."""
    if plan.labelled and name in LABELS and not element.badge and name != "hp" and plan.rng.random() < 0.7:
        element.pieces.insert(0, _label_piece(plan, name, element.height))
    return element


def _two_lines(element: Element) -> list[Element]:
    """The element broken at the space nearest to its longest text's middle; itself where there is none."""
    at = max(range(len(element.pieces)), key=lambda i: element.pieces[i].width)
    piece = element.pieces[at]
    spaces = [i for i, char in enumerate(piece.text) if char == " "]
    if element.badge or not spaces:
        return [element]
    cut = min(spaces, key=lambda i: abs(i - len(piece.text) / 2))
    halves = []
    for text in (piece.text[:cut], piece.text[cut + 1 :]):
        style = replace(piece.style)
        halves.append(replace(piece, text=text, style=style, width=piece.face.width(text, style)))
    halves[0].gap = 0.0
    return [Element([*element.pieces[:at], halves[0]]), Element([halves[1], *element.pieces[at + 1 :]])]


def draw_stack(plan: Plan, names: tuple[str, ...], box: tuple[int, int, int, int], column: bool) -> float:
    """Draws the shown elements from top to bottom: in a table evenly, in a column with space below. Returns the y below them."""
    x0, y0, x1, y1 = box
    rng, s = plan.rng, plan.scale
    shown = [(name, e) for name in names if (e := element_for(plan, name)) is not None]
    if not shown:
        return y0
    pad = rng.uniform(5, 16) * s
    width = x1 - x0 - 2 * pad
    ink = plan.ink.on(plan.canvas, box)
    with_labels = rng.random() < (0.25 if column else 0.7)
    above = with_labels and column and rng.random() < 0.7
    tab = width * rng.uniform(0.2, 0.42) if with_labels and rng.random() < 0.7 else 0.0
    side = 0.0 if tab or above else rng.choice((0.0, 0.0, 0.0, 0.5, 1.0))
    ruled = rng.random() < 0.4
    lines: list[tuple[Element, float, bool]] = []  # element, its share of a line's height, whether a rule follows
    for name, element in shown:
        label = _label_piece(plan, name, element.height) if with_labels and name in LABELS and not element.badge else None
        if label and above:
            label.style.cap *= 0.75
            label.width *= 0.75
            lines.append((Element([label]), 0.6, False))
        elif label:
            label.gap = max(label.gap, tab - label.width)
            element.pieces.insert(0, label)
        parts = _two_lines(element) if column and element.width > width * rng.uniform(1.05, 1.5) else [element]
        lines += [(part, 0.8 if len(parts) > 1 else 1.0, part is parts[-1]) for part in parts]
    total = sum(share for _, share, _ in lines)
    pitch = (y1 - y0) / total if not column else min(rng.uniform(36, 90) * s, 0.94 * (y1 - y0) / total)
    y = y0 + (rng.uniform(0, 1) ** 2 * (y1 - y0 - pitch * total) if column else 0)
    for element, share, last in lines:
        element.squeeze(1.0, min(1.0, 0.66 * share * min(pitch, 44 * s) / element.height))
        if element.width > width:
            element.squeeze(max(0.72, width / element.width), 1.0)
            element.squeeze(1.0, min(1.0, width / element.width))
        middle = y + share * pitch / 2
        element.draw(plan, x0 + pad + side * (width - element.width), middle + element.height / 2, ink)
        y += share * pitch
        if ruled and last:
            art.fill_rect(plan.canvas, (round(x0 + pad), round(y), round(x1 - pad), round(y) + 1), plan.ink.main)
    return y
