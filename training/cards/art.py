"""Procedural pictures: skies, hills, creatures, card stock and small symbols.

Everything is drawn from a `random.Random` at the asked size, so that the same seed gives
the same picture. Only smooth shapes: they compress well and look like print.
"""

import math
from functools import lru_cache
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]

PALETTES: dict[str, tuple[Colour, Colour, Colour]] = {
    "ember": ((250, 190, 90), (214, 74, 38), (110, 24, 20)),
    "tide": ((170, 224, 244), (48, 128, 202), (16, 48, 110)),
    "leaf": ((206, 236, 140), (76, 158, 72), (22, 74, 44)),
    "volt": ((255, 240, 150), (240, 190, 40), (140, 90, 16)),
    "mind": ((240, 190, 236), (168, 84, 176), (70, 26, 96)),
    "stone": ((230, 208, 170), (176, 128, 80), (88, 56, 32)),
    "shade": ((150, 140, 176), (72, 62, 100), (24, 20, 40)),
    "steel": ((226, 232, 238), (142, 156, 172), (60, 72, 88)),
}


def mix(a: Colour, b: Colour, t: float) -> Colour:
    """The colour a fraction t of the way from a to b."""
    return tuple(round(x + (y - x) * t) for x, y in zip(a, b))


def jittered(rng: Random, colour: Colour, amount: int = 28) -> Colour:
    """A colour near another."""
    return tuple(min(255, max(0, c + rng.randint(-amount, amount))) for c in colour)


def gradient(size: tuple[int, int], top: Colour, bottom: Colour, angle: float = 0.0) -> np.ndarray:
    """A linear gradient `[h, w, 3]` uint8."""
    w, h = size
    y = np.linspace(0, 1, h, dtype=np.float32)[:, None] * math.cos(angle)
    x = np.linspace(0, 1, w, dtype=np.float32)[None, :] * math.sin(angle)
    t = np.clip(y + x, 0, 1)[..., None]
    return (np.float32(top) * (1 - t) + np.float32(bottom) * t).astype(np.uint8)


def _ridge(rng: Random, width: int, base: float, height: float) -> list[tuple[float, float]]:
    """A hill line as polygon points."""
    phases = [(rng.uniform(0, 6.28), rng.uniform(1.5, 9), rng.uniform(0.2, 1)) for _ in range(4)]
    points = []
    for i in range(0, 41):
        t = i / 40
        wave = sum(a * math.sin(f * t * 3 + p) / f for p, f, a in phases)
        points.append((t * width, base - height * wave * 1.6))
    return points


def _creature(rng: Random, draw: ImageDraw.ImageDraw, cx: float, cy: float, r: float, body: Colour, dark: Colour) -> None:
    """A small symmetric invented animal around (cx, cy)."""
    light = mix(body, (255, 255, 255), 0.45)

    def oval(x, y, rx, ry, fill):
        draw.ellipse((cx + x - rx, cy + y - ry, cx + x + rx, cy + y + ry), fill=fill)

    def shape(points, fill):
        draw.polygon([(cx + x * r, cy + y * r) for x, y in points], fill=fill)

    oval(0, 1.25 * r, 1.1 * r, 0.14 * r, mix(dark, (0, 0, 0), 0.4))
    tail = rng.choice((-1, 1))
    for k in range(6):
        oval(tail * (0.5 + 0.17 * k) * r, (0.75 - 0.05 * k * k) * r, 0.2 * r, 0.2 * r, mix(body, dark, k / 6))
    extra = rng.random()
    for side in (-1, 1):
        if extra < 0.35:
            span = rng.uniform(1.1, 1.6)
            shape([(side * 0.3, 0.1), (side * span, -0.75), (side * (span + 0.1), 0.05), (side * 0.9, 0.3)], mix(light, dark, 0.25))
        oval(side * 0.38 * r, 1.08 * r, 0.22 * r, 0.16 * r, dark)
    oval(0, 0.55 * r, 0.68 * r, 0.66 * r, body)
    oval(0, 0.68 * r, 0.42 * r, 0.44 * r, light)
    ear = rng.choice(("point", "round", "horn", "fin"))
    lean = rng.uniform(0.35, 0.8)
    for side in (-1, 1):
        if ear == "round":
            oval(side * 0.52 * r, -0.85 * r, 0.26 * r, 0.26 * r, body)
            oval(side * 0.52 * r, -0.85 * r, 0.14 * r, 0.14 * r, light)
        else:
            tip = {"point": -1.35, "horn": -1.55, "fin": -1.1}[ear]
            fill = light if ear == "horn" else body
            shape([(side * 0.15, -0.75), (side * lean, tip), (side * 0.62, -0.45)], fill)
    oval(0, -0.35 * r, 0.66 * r, 0.58 * r, body)
    oval(0, -0.1 * r, 0.36 * r, 0.24 * r, light)
    eye = rng.uniform(0.11, 0.16)
    for side in (-1, 1):
        oval(side * 0.29 * r, -0.4 * r, eye * r, eye * 1.25 * r, (250, 250, 250))
        oval(side * 0.27 * r, -0.38 * r, eye * 0.6 * r, eye * 0.9 * r, (24, 20, 30))
        oval(side * 0.25 * r, -0.44 * r, eye * 0.22 * r, eye * 0.3 * r, (255, 255, 255))
        oval(side * 0.33 * r, 0.5 * r, 0.14 * r, 0.2 * r, mix(body, dark, 0.25))
    oval(0, -0.16 * r, 0.07 * r, 0.05 * r, (30, 24, 34))
    draw.arc((cx - 0.14 * r, cy - 0.16 * r, cx + 0.14 * r, cy + 0.04 * r), 20, 160, fill=(30, 24, 34), width=max(1, int(r * 0.03)))


def scene(rng: Random, size: tuple[int, int], kind: str) -> np.ndarray:
    """A landscape with a creature, `[h, w, 3]` uint8."""
    w, h = size
    light, main, dark = (jittered(rng, c) for c in PALETTES[kind])
    other = jittered(rng, PALETTES[rng.choice(list(PALETTES))][1])
    sky = gradient(size, mix(main, light, rng.uniform(0.1, 0.7)), mix(light, (255, 255, 255), 0.4), rng.uniform(-0.2, 0.3))
    image = Image.fromarray(sky)
    glow = Image.new("L", size)
    x, y, r = rng.uniform(0.1, 0.9) * w, rng.uniform(0.08, 0.45) * h, rng.uniform(0.07, 0.18) * w
    ImageDraw.Draw(glow).ellipse((x - r, y - r, x + r, y + r), fill=230)
    image.paste(mix(light, (255, 255, 240), 0.7), mask=glow.filter(ImageFilter.GaussianBlur(r / 6)))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(0, 40)):
        sx, sy, sr = rng.uniform(0, w), rng.uniform(0, 0.6 * h), rng.uniform(0.001, 0.008) * w
        draw.ellipse((sx - sr, sy - sr, sx + sr, sy + sr), fill=mix(light, (255, 255, 255), 0.6))
    layers = rng.randint(2, 4)
    for k in range(layers):
        base = h * (0.52 + 0.4 * (k + 1) / (layers + 0.5))
        points = _ridge(rng, w, base, h * rng.uniform(0.05, 0.2))
        draw.polygon([(0, h), *points, (w, h)], fill=mix(mix(light, main, 0.6), mix(dark, other, 0.3), (k + 1) / (layers + 1)))
    body = rng.choice((other, mix(main, (255, 255, 255), 0.25), mix(dark, main, 0.5)))
    _creature(rng, draw, rng.uniform(0.3, 0.7) * w, rng.uniform(0.5, 0.66) * h, rng.uniform(0.17, 0.27) * min(w, h), body, mix(body, (0, 0, 0), 0.45))
    return np.asarray(image)


def card_stock(rng: Random, size: tuple[int, int], kind: str) -> np.ndarray:
    """The printed background of a card, `[h, w, 3]` uint8: a gradient with a faint pattern."""
    w, h = size
    light, main, dark = (jittered(rng, c, 40) for c in PALETTES[kind])
    pale = rng.random() < 0.6
    a = mix(light, (255, 255, 255), rng.uniform(0.1, 0.6)) if pale else mix(main, dark, rng.uniform(0, 0.8))
    b = mix(a, main if pale else dark, rng.uniform(0.1, 0.7))
    image = gradient(size, a, b, rng.uniform(-0.6, 0.6)).astype(np.int16)
    style = rng.choice(("plain", "stripes", "waves", "dots", "plain"))
    y, x = np.mgrid[0:h, 0:w].astype(np.float32) / h
    strength, f = rng.uniform(3, 12), rng.uniform(8, 40)
    if style == "stripes":
        image += (strength * np.sign(np.sin(f * (x + y * rng.uniform(-1.5, 1.5)))))[..., None].astype(np.int16)
    elif style == "waves":
        image += (strength * np.sin(f * x + 3 * np.sin(f * 0.4 * y)))[..., None].astype(np.int16)
    elif style == "dots":
        image += (strength * (np.sin(f * 2 * x) * np.sin(f * 2 * y) > 0.5))[..., None].astype(np.int16)
    return np.clip(image, 0, 255).astype(np.uint8)


def fill_rect(canvas: np.ndarray, box: tuple[int, int, int, int], colour: Colour) -> None:
    """Paints a rectangle of the canvas; parts outside are left out."""
    x0, y0, x1, y1 = box
    part = canvas[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    part[:] = np.tile(np.uint8(colour), (part.shape[1], 1))


def blend_rect(canvas: np.ndarray, box: tuple[int, int, int, int], colour: Colour, alpha: float) -> None:
    """Mixes a colour into a rectangle of the canvas."""
    x0, y0, x1, y1 = box
    part = canvas[max(0, y0) : y1, max(0, x0) : x1]
    a = round(alpha * 256)
    row = np.tile(np.array(colour, np.uint16) * a, (part.shape[1], 1))
    part[:] = (part * np.uint16(256 - a) + row) >> 8


def _star(points: int, inner: float, turn: float = -math.pi / 2) -> list[tuple[float, float]]:
    steps = 2 * points
    radii = [1.0 if i % 2 == 0 else inner for i in range(steps)]
    return [(r * math.cos(turn + math.pi * i / points), r * math.sin(turn + math.pi * i / points)) for i, r in enumerate(radii)]


@lru_cache(maxsize=None)
def _symbol_master(name: str) -> Image.Image:
    """A symbol drawn once, 96 x 96, as a mask."""
    image = Image.new("L", (96, 96))
    draw = ImageDraw.Draw(image)

    def poly(points, fill=255, scale=44.0):
        draw.polygon([(48 + scale * x, 48 + scale * y) for x, y in points], fill=fill)

    if name == "circle":
        draw.ellipse((10, 10, 86, 86), fill=255)
    elif name == "diamond":
        poly([(0, -1), (0.9, 0), (0, 1), (-0.9, 0)])
    elif name == "star":
        poly(_star(5, 0.42))
    elif name == "crown":
        poly([(-1, -0.6), (-0.5, 0.05), (0, -0.9), (0.5, 0.05), (1, -0.6), (0.8, 0.75), (-0.8, 0.75)])
    elif name.startswith("shape"):
        _loose_shape(Random(name), draw)
    else:
        _emblem(Random(name), draw, poly)
    return image


def _loose_shape(rng: Random, draw: ImageDraw.ImageDraw) -> None:
    """For training: an emblem of any make, some parts over one another and others cut out of them.

    The last is always cut out: a plain disc or diamond would be a rarity's symbol.
    """
    parts = rng.randint(2, 4)
    for part in range(parts):
        fill = 0 if part == parts - 1 or part and rng.random() < 0.4 else 255
        x, y = (rng.uniform(32, 64) if part else 48 for _ in range(2))
        w, h = (rng.uniform(0.3, 0.95) * (46 if part == 0 else 30) for _ in range(2))
        form = rng.choice(("ellipse", "box", "polygon", "polygon", "blob", "pie", "bars"))
        box = (x - w, y - h, x + w, y + h)
        if form == "ellipse":
            draw.ellipse(box, fill=fill)
        elif form == "box":
            draw.rounded_rectangle(box, rng.choice((0, 0, 6, 12)), fill=fill)
        elif form == "pie":
            start = rng.choice((0, 90, 180, 270)) + rng.choice((0, 45))
            draw.pieslice(box, start, start + rng.choice((90, 120, 180, 270)), fill=fill)
        elif form == "bars":
            for k in range(-1, 2):
                at = x + 0.6 * w * k
                draw.rectangle((at - 0.18 * w, y - h, at + 0.18 * w, y + h * rng.uniform(0.3, 1)), fill=fill)
        else:
            corners, turn = rng.randint(3, 8), rng.choice((-math.pi / 2, 0, rng.uniform(0, 6.3)))
            radii = [rng.uniform(0.5, 1) if form == "blob" else 1 for _ in range(corners)]
            angles = [turn + 2 * math.pi * k / corners for k in range(corners)]
            draw.polygon([(x + r * w * math.cos(a), y + r * h * math.sin(a)) for r, a in zip(radii, angles)], fill=fill)


def _emblem(rng: Random, draw: ImageDraw.ImageDraw, poly) -> None:
    """An invented set symbol: an outer shape with another cut out of it."""
    outer = rng.choice(("hex", "shield", "burst", "drop", "moon", "leaf", "gear"))
    if outer == "hex":
        poly([(math.cos(a * math.pi / 3), math.sin(a * math.pi / 3)) for a in range(6)])
    elif outer == "shield":
        poly([(-0.85, -0.9), (0.85, -0.9), (0.85, 0.1), (0, 1), (-0.85, 0.1)])
    elif outer == "burst":
        poly(_star(rng.choice((8, 12)), 0.7))
    elif outer == "drop":
        draw.ellipse((18, 34, 78, 94), fill=255)
        poly([(0, -1), (0.6, 0.2), (-0.6, 0.2)])
    elif outer == "moon":
        draw.ellipse((6, 6, 90, 90), fill=255)
        draw.ellipse((32, 0, 100, 72), fill=0)
    elif outer == "leaf":
        draw.pieslice((-30, 8, 90, 128), 270, 360, fill=255)
        draw.pieslice((6, -32, 126, 88), 90, 180, fill=255)
    else:
        poly(_star(9, 0.78))
        draw.ellipse((16, 16, 80, 80), fill=255)
    cut = rng.choice(("bolt", "ring", "bars", "slash", "peak"))
    if cut == "bolt":
        poly([(0.15, -0.6), (-0.35, 0.1), (0, 0.1), (-0.15, 0.6), (0.35, -0.1), (0, -0.1)], 0)
    elif cut == "ring":
        draw.ellipse((32, 32, 64, 64), fill=0)
        draw.ellipse((40, 40, 56, 56), fill=255)
    elif cut == "bars":
        for x in (-0.35, 0, 0.35):
            poly([(x - 0.08, -0.5), (x + 0.08, -0.5), (x + 0.08, 0.5), (x - 0.08, 0.5)], 0)
    elif cut == "slash":
        poly([(-0.7, 0.3), (0.6, -0.6), (0.7, -0.35), (-0.6, 0.55)], 0)
    else:
        poly([(0, -0.5), (0.5, 0.4), (-0.5, 0.4)], 0)


@lru_cache(maxsize=4096)
def symbol(name: str, size: int) -> np.ndarray:
    """A symbol's mask `[size, size]` uint8. Unknown names give an invented emblem."""
    return np.asarray(_symbol_master(name).resize((size, size), Image.Resampling.BOX if size < 48 else Image.Resampling.BILINEAR))
