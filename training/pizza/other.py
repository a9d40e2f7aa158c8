"""What is not a pizza, on the same grounds under the same camera."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from canvas import PIXEL, SIDE, X, Y, blend, noise, stamp, step
from scene import Scene, random_of

TRAINED = ("empty", "plate", "cookies", "coins", "disc", "shapes", "texture", "fruit", "bread", "glove", "bowl")
HELD_OUT = ("wheel", "clock", "label", "salad", "tools")  # only in the test splits


def kind_of(scene: Scene) -> str:
    """Test scenes draw from the kinds that were trained on and the others, half and half."""
    random = random_of(scene.number, 2)
    kinds = HELD_OUT if scene.split in ("test", "shifted") and random.random() < 0.5 else TRAINED
    return kinds[random.integers(len(kinds))]


def _round(cx: float, cy: float, radius: float) -> tuple[np.ndarray, np.ndarray]:
    r = np.hypot(X - cx, Y - cy) / radius
    return r, step(1 - r, 0, 1.5 * PIXEL / radius)


def _shadow(ground: np.ndarray, inside: np.ndarray) -> np.ndarray:
    return ground * (1 - 0.35 * np.roll(inside, (3, 3), (0, 1)))[..., None]


def paint(kind: str, ground: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return globals()[f"_{kind}"](ground.copy(), random)


def _empty(ground, random):
    return ground


def _plate(ground, random):
    cx, cy = random.normal(0, 0.08, 2)
    r, inside = _round(cx, cy, random.uniform(0.5, 0.88))
    base = np.float32(((238, 238, 236), (60, 64, 70), (90, 120, 150), (225, 205, 170), (180, 60, 50))[random.integers(5)])
    well = random.uniform(0.6, 0.8)
    tone = 1 - 0.14 * step(np.abs(r - well), 0.06, 0.0) + 0.05 * (X + Y) * random.normal()
    return blend(_shadow(ground, inside), base * tone[..., None], inside)


def _cookies(ground, random):
    base = np.float32(((205, 160, 100), (150, 100, 60), (225, 200, 150))[random.integers(3)])
    one = random.random() < 0.4
    for _ in range(1 if one else int(random.integers(3, 12))):
        size = random.uniform(0.45, 0.8) if one else random.uniform(0.14, 0.32)
        cx, cy = random.normal(0, 0.06, 2) if one else random.uniform(-0.85, 0.85, 2)
        r, inside = _round(cx, cy, size)
        tone = base * (1 + 0.04 * noise(random, 50) - 0.22 * np.clip(r, 0, 1) ** 4)[..., None]
        ground = blend(_shadow(ground, inside), tone, inside)
        for _ in range(int(random.integers(4, 14))):
            a, d = random.uniform(0, 6.28), size * 0.85 * np.sqrt(random.random())
            stamp(ground, "lump", cx + d * np.cos(a), cy + d * np.sin(a), size * random.uniform(0.06, 0.13), a, (60, 38, 28))
    return ground


def _coins(ground, random):
    for _ in range(int(random.integers(1, 14))):
        size = random.uniform(0.1, 0.4)
        cx, cy = random.uniform(-0.8, 0.8, 2)
        base = np.float32(((205, 170, 80), (190, 190, 192), (176, 112, 70))[random.integers(3)])
        r, inside = _round(cx, cy, size)
        tone = 1 + 0.2 * step(np.abs(r - 0.88), 0.08, 0.02) + 0.12 * (noise(random, 24) > 0.4) * (r < 0.7)
        ground = blend(_shadow(ground, inside), base * tone[..., None], inside)
    return ground


def _disc(ground, random):
    cx, cy = random.normal(0, 0.1, 2)
    r, inside = _round(cx, cy, random.uniform(0.4, 0.88))
    colour = np.float32(random.uniform(20, 240, 3))
    if random.random() < 0.5:  # rings
        colour = colour + (np.float32(random.uniform(20, 240, 3)) - colour) * (np.floor(r * random.integers(2, 6)) % 2)[..., None].astype(np.float32)
    return blend(_shadow(ground, inside), colour, inside)


def _shapes(ground, random):
    image = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(int(random.integers(1, 9))):
        cx, cy = random.uniform(0, SIDE, 2)
        reach = random.uniform(0.08, 0.5) * SIDE
        corners = int(random.integers(3, 7))
        at = [(cx + reach * np.cos(a), cy + reach * random.uniform(0.4, 1) * np.sin(a)) for a in np.sort(random.uniform(0, 6.28, corners))]
        pen.polygon(at, fill=tuple(int(v) for v in random.uniform(10, 245, 3)))
    return np.asarray(image, np.float32)


def _texture(ground, random):
    first, second = np.float32(random.uniform(10, 245, 3)), np.float32(random.uniform(10, 245, 3))
    a = random.uniform(0, np.pi)
    u = X * np.cos(a) + Y * np.sin(a)
    way = random.integers(4)
    if way == 0:
        mix = step(np.sin(u * random.uniform(6, 70)), -0.2, 0.2)
    elif way == 1:
        mix = step(noise(random, int(random.integers(4, 70))), -0.6, 0.6)
    elif way == 2:
        k = random.uniform(2, 14)
        mix = ((np.floor(X * k) + np.floor(Y * k)) % 2).astype(np.float32)
    else:
        mix = random.random(X.shape).astype(np.float32)
    return first + (second - first) * mix[..., None]


def _fruit(ground, random):
    for _ in range(int(random.integers(1, 7))):
        size = random.uniform(0.2, 0.6)
        cx, cy = random.uniform(-0.7, 0.7, 2)
        base = np.float32(((205, 45, 35), (90, 150, 50), (240, 150, 30), (245, 215, 60), (110, 50, 100))[random.integers(5)])
        r, inside = _round(cx, cy, size)
        light = np.exp(-(((X - cx + 0.3 * size) ** 2 + (Y - cy + 0.3 * size) ** 2) / (0.1 * size * size)))
        tone = base * (1.05 - 0.5 * np.clip(r, 0, 1) ** 3)[..., None] + 90 * light[..., None]
        ground = blend(_shadow(ground, inside), tone, inside)
    return ground


def _bread(ground, random):
    a, long, wide = random.uniform(0, np.pi), random.uniform(0.55, 0.95), random.uniform(0.2, 0.42)
    p, q = (X * np.cos(a) + Y * np.sin(a)) / long, (Y * np.cos(a) - X * np.sin(a)) / wide
    r = (np.abs(p) ** 2.6 + np.abs(q) ** 2.6) ** (1 / 2.6)
    inside = step(1 - r, 0, 0.04)
    cuts = step(np.abs(np.sin((p + 0.3 * q) * random.uniform(5, 9))), 0.25, 0.05) * step(0.75 - r, 0, 0.2)
    tone = np.float32([188, 128, 70]) * (1.1 - 0.45 * np.clip(r, 0, 1) ** 3 + 0.04 * noise(random, 40))[..., None]
    return blend(_shadow(ground, inside), blend(tone, (232, 205, 160), cuts), inside)


def _glove(ground, random):
    """A hand in a glove reaches into the picture."""
    a = random.uniform(0, 2 * np.pi)
    c, s = np.cos(a), np.sin(a)
    colour = np.float32(((70, 120, 200), (235, 235, 232), (40, 42, 46), (222, 170, 140))[random.integers(4)])
    shape = np.zeros_like(X)
    for finger in range(5):
        tilt = a + (finger - 2) * 0.28
        fx, fy = -0.1 * c, -0.1 * s
        along, across = (X - fx) * np.cos(tilt) + (Y - fy) * np.sin(tilt), (Y - fy) * np.cos(tilt) - (X - fx) * np.sin(tilt)
        reach = (0.5, 0.68, 0.72, 0.66, 0.5)[finger]
        shape = np.maximum(shape, step(0.085 - np.hypot(along - np.clip(along, 0, reach), across), 0, PIXEL * 2))
    along, across = X * c + Y * s, Y * c - X * s
    shape = np.maximum(shape, step(0.27 - np.hypot(along - np.clip(along, -2, 0.05), across), 0, PIXEL * 2))
    return blend(_shadow(ground, shape), colour * (1 + 0.06 * noise(random, 12))[..., None], shape)


def _bowl(ground, random):
    """Soup, porridge or sauce in a bowl: one colour inside."""
    ground = _plate(ground, random)
    r, inside = _round(0, 0, random.uniform(0.4, 0.6))
    colour = np.float32(((200, 80, 40), (235, 220, 190), (120, 80, 50), (150, 160, 70))[random.integers(4)])
    return blend(ground, colour * (1 + 0.05 * noise(random, 20))[..., None], inside)


def _wheel(ground, random):
    cx, cy = random.normal(0, 0.06, 2)
    r, inside = _round(cx, cy, random.uniform(0.6, 0.9))
    theta = np.arctan2(Y - cy, X - cx)
    spokes = step(np.cos(theta * random.integers(4, 12)), 0.2, 0.6) * (r < 0.66) + (r < 0.16)
    tone = np.where((r > 0.68)[..., None], np.float32([32, 32, 34]), np.float32([70, 72, 76]) + np.clip(spokes, 0, 1)[..., None] * 110)
    return blend(_shadow(ground, inside), tone, inside)


def _clock(ground, random):
    r, inside = _round(*random.normal(0, 0.06, 2), random.uniform(0.55, 0.88))
    out = blend(_shadow(ground, inside), random.uniform(200, 250, 3), inside)
    theta = np.arctan2(Y, X)
    marks = step(np.cos(theta * 12), 0.8, 0.95) * (r > 0.75) * (r < 0.9) + (r > 0.94) * (r < 1)
    for length in (0.45, 0.7):
        a = random.uniform(0, 2 * np.pi)
        along, across = X * np.cos(a) + Y * np.sin(a), Y * np.cos(a) - X * np.sin(a)
        marks = marks + (np.abs(across) < 0.02) * (along > 0) * (r < length)
    return blend(out, (30, 30, 34), np.clip(marks, 0, 1).astype(np.float32))


def _label(ground, random):
    """A printed label or a page."""
    image = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    x0, y0 = (int(v) for v in random.uniform(10, 45, 2))
    pen.rectangle((x0, y0, SIDE - x0, SIDE - y0), fill=tuple(int(v) for v in random.uniform(200, 250, 3)))
    font = ImageFont.load_default()
    for y in range(y0 + 5, SIDE - y0 - 10, 11):
        text = "".join(chr(int(c)) for c in random.integers(65, 91, int(random.integers(3, (SIDE - 2 * x0) // 7 + 4))))
        pen.text((x0 + 5, y), text, fill=(30, 30, 40), font=font)
    return np.asarray(image, np.float32)


def _salad(ground, random):
    ground = _plate(ground, random)
    for _ in range(int(random.integers(50, 110))):
        a, d = random.uniform(0, 6.28), 0.5 * np.sqrt(random.random())
        green = np.float32([70, 130, 50]) * random.uniform(0.6, 1.6)
        colour = green if random.random() < 0.8 else ((210, 50, 40), (240, 230, 200), (230, 160, 50))[random.integers(3)]
        stamp(ground, ("leaf", "lump", "strip")[random.integers(3)], d * np.cos(a), d * np.sin(a), random.uniform(0.07, 0.17), a, colour)
    return ground


def _tools(ground, random):
    for _ in range(int(random.integers(2, 6))):
        a = random.uniform(0, np.pi)
        off = random.uniform(-0.7, 0.7)
        along, across = X * np.cos(a) + Y * np.sin(a), Y * np.cos(a) - X * np.sin(a) - off
        reach, thick = random.uniform(0.4, 0.9), random.uniform(0.025, 0.07)
        shape = step(thick - np.abs(across), 0, 2 * PIXEL) * step(reach - np.abs(along), 0, 2 * PIXEL)
        head = step(random.uniform(0.1, 0.2) - np.hypot(along - reach, across), 0, 2 * PIXEL)
        tone = np.where((along < 0)[..., None], np.float32(random.uniform(20, 200, 3)), np.float32([170, 172, 176]))
        ground = blend(_shadow(ground, np.maximum(shape, head)), tone, np.maximum(shape, head))
    return ground
