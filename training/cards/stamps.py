"""For training: first-edition stamps of many shapes, on one line or two, often askew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from rows import IGNORED, STAMPS, Ink
from text import Style, set_line

if TYPE_CHECKING:
    from render import Plan

TEXTS = ("1st Edition", "1ST EDITION", "First Edition", "FIRST EDITION", "Edition 1", "1st EDITION", *STAMPS)
SHAPES = ("ellipse", "circle", "box", "round", "frame", "ring", "none")


def _text_mask(plan: Plan, lines: list[str], cap: float) -> np.ndarray:
    """The lines one under another, centred, `[h, w]` uint8; the first sometimes larger."""
    rng, face = plan.rng, plan.body if plan.rng.random() < 0.6 else plan.title
    style = Style(cap=cap, tracking=rng.uniform(0, 0.08), weight=rng.choice((0.0, 0.0, 0.02, 0.04)))
    grown = rng.choice((1.0, 1.0, 1.3, 1.6)) if len(lines) > 1 else 1.0
    masks = []
    for at, text in enumerate(lines):
        style.cap = cap * (grown if at == 0 else 1.0)
        mask = set_line(face, text, style).mask
        rows, columns = np.flatnonzero(mask.max(1)), np.flatnonzero(mask.max(0))
        masks.append(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    gap = round(cap * rng.uniform(0.35, 0.7))
    width = max(m.shape[1] for m in masks)
    tall = sum(m.shape[0] for m in masks) + gap * (len(masks) - 1)
    page, y = np.zeros((tall, width), np.uint8), 0
    for mask in masks:
        x = (width - mask.shape[1]) // 2
        page[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
        y += mask.shape[0] + gap
    return page


def _shape_mask(size: tuple[int, int], shape: str, line: int) -> Image.Image:
    """The stamp's ground as a mask of a size."""
    mask = Image.new("L", size)
    draw, box = ImageDraw.Draw(mask), (1, 1, size[0] - 2, size[1] - 2)
    if shape in ("ellipse", "circle"):
        draw.ellipse(box, fill=255)
    elif shape == "ring":
        draw.ellipse(box, outline=255, width=line)
    elif shape == "frame":
        draw.rectangle(box, outline=255, width=line)
    elif shape == "round":
        draw.rounded_rectangle(box, min(size) / 2.2, fill=255)
    elif shape == "box":
        draw.rectangle(box, fill=255)
    return mask


def draw_loose_stamp(plan: Plan, box: tuple[int, int, int, int]) -> None:
    """Stamps a card inside a box, wherever it fits; its characters are marked as text to be ignored."""
    rng, s = plan.rng, plan.scale
    x0, y0, x1, y1 = box
    text = rng.choice(TEXTS)
    lines = text.split(" ", 1) if rng.random() < 0.6 else [text]
    page = _text_mask(plan, lines, plan.caps["first_edition"] * s)
    shape = rng.choice(SHAPES)
    tall, wide = page.shape
    if shape in ("ellipse", "ring", "circle"):
        size = [round(1.42 * wide + 4 * s), round(1.5 * tall + 6 * s)]
        size = [max(size)] * 2 if shape == "circle" and len(lines) > 1 else size
    else:
        size = [round(wide + rng.uniform(8, 22) * s), round(tall + rng.uniform(8, 20) * s)]
    ground = _shape_mask(tuple(size), shape, max(1, round(rng.uniform(1, 3) * s)))
    letters = Image.new("L", tuple(size))
    letters.paste(Image.fromarray(page), ((size[0] - wide) // 2, (size[1] - tall) // 2))
    if rng.random() < 0.45:
        angle = rng.uniform(-28, 28)
        ground, letters = (m.rotate(angle, Image.Resampling.BILINEAR, expand=True) for m in (ground, letters))
    w, h = ground.size
    left, top = (rng.uniform(a, max(a, b - length)) for a, b, length in ((x0, x1, w), (y0, y1, h)))
    filled = shape in ("ellipse", "circle", "box", "round")
    patch = tuple(round(v) for v in (left, top, left + w, top + h))
    pale = rng.random() < 0.6
    tint = tuple(rng.randint(190, 255) if pale else rng.randint(0, 90) for _ in range(3))
    if filled:
        Ink.stamp(plan.canvas, np.asarray(ground), left, top, tint)
        ink = tuple(rng.randint(0, 70) if pale else rng.randint(215, 255) for _ in range(3))
    else:
        ink = plan.ink.on(plan.canvas, patch)
        Ink.stamp(plan.canvas, np.asarray(ground), left, top, ink)
    Ink.stamp(plan.canvas, np.asarray(letters), left, top, ink)
    step = max(6.0, 14 * s)
    for y in np.arange(patch[1], patch[3], step):
        plan.chars.extend((IGNORED, float(x), float(y)) for x in np.arange(patch[0], patch[2], step))
