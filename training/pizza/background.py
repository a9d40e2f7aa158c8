"""What a pizza lies on: tables, conveyors, trays, paper, and what lies about."""

import numpy as np

from canvas import PIXEL, SIDE, X, Y, blend, noise, stamp, step

TRAINED = ("wood", "belt", "mesh", "tray", "paper", "stone", "board", "cloth", "steel", "pan")
SHIFTED = ("marble", "slats", "painted")  # only in the shifted test


def _flat(colour) -> np.ndarray:
    return np.broadcast_to(np.asarray(colour, np.float32), (SIDE, SIDE, 3)).copy()


def _turned(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    a = random.uniform(0, np.pi)
    return X * np.cos(a) + Y * np.sin(a), Y * np.cos(a) - X * np.sin(a)


def paint(kind: str, random: np.random.Generator) -> np.ndarray:
    u, v = _turned(random)
    grain = noise(random, 40)[..., None]
    wide = noise(random, 5)[..., None]
    if kind == "wood":
        base = _flat(((150, 105, 65), (96, 62, 38), (188, 150, 105), (120, 96, 78))[random.integers(4)])
        plank = random.uniform(0.25, 0.7)
        which = np.floor(v / plank)
        tone = np.sin(which * 12.9898) * 14
        lines = noise(random, 3, 90) * 9 if random.random() < 0.5 else noise(random, 90, 3) * 9
        base += (tone + lines + 8 * np.sin(v * 40 + noise(random, 4) * 3))[..., None]
        return blend(base, (45, 30, 20), step(np.abs(v / plank - np.round(v / plank)), 0.02, 0.0) * 0.7)
    if kind == "belt":
        base = _flat(((42, 45, 48), (30, 60, 92), (180, 184, 180), (24, 96, 72), (95, 95, 98))[random.integers(5)])
        pitch = random.uniform(0.12, 0.4)
        return base * (1 - 0.3 * step(np.abs(u / pitch - np.round(u / pitch)), 0.09, 0.03))[..., None] + 5 * grain + 5 * wide
    if kind == "mesh":
        base = _flat(((28, 26, 25), (70, 66, 60), (15, 15, 18))[random.integers(3)])
        pitch = random.uniform(0.08, 0.18)
        wires = np.maximum(step(np.abs(u / pitch - np.round(u / pitch)), 0.2, 0.1), step(np.abs(v / pitch - np.round(v / pitch)), 0.2, 0.1))
        return blend(base, _flat(random.uniform(110, 190)) + 12 * grain, wires)
    if kind in ("tray", "pan"):
        tone = random.uniform(130, 205) if kind == "tray" else random.uniform(25, 62)
        base = _flat((tone, tone, tone * random.uniform(0.95, 1.03))) + 5 * grain + 7 * wide
        r = np.hypot(X - random.uniform(-0.1, 0.1), Y - random.uniform(-0.1, 0.1))
        edge = random.uniform(0.8, 1.25)
        base *= (1 + 0.25 * np.sin((r - edge) * 60) * step(np.abs(r - edge), 0.09, 0.03))[..., None]
        around = paint(("wood", "stone", "steel")[random.integers(3)], random)
        return blend(base, around, step(r, edge + 0.05, edge + 0.07))
    if kind == "paper":
        base = _flat(((232, 226, 212), (205, 180, 140), (245, 245, 242))[random.integers(3)])
        return base + 5 * wide + 9 * np.abs(noise(random, 9))[..., None] - 3 * np.abs(noise(random, 18))[..., None]
    if kind == "stone":
        base = _flat(((120, 116, 110), (172, 164, 150), (80, 80, 84), (150, 120, 98))[random.integers(4)])
        return base + 12 * grain + 9 * wide + 7 * noise(random, 90)[..., None]
    if kind == "board":
        base = paint("wood", random) * 0.4 + np.float32([120, 98, 66])
        flour = step(noise(random, 4) + 0.5 * noise(random, 30), 0.3, 1.6) * random.uniform(0.2, 0.8)
        return blend(base, (240, 236, 226), flour)
    if kind == "cloth":
        pitch = random.uniform(0.2, 0.5)
        pair = ((200, 40, 45), (45, 80, 160), (60, 120, 60), (150, 140, 130))[random.integers(4)]
        a = (np.floor(u / pitch) % 2).astype(np.float32) * 0.5 + (np.floor(v / pitch) % 2).astype(np.float32) * 0.5
        return blend(_flat((236, 232, 226)), pair, a * 0.9) + 4 * grain + 5 * wide
    if kind == "steel":
        base = _flat(random.uniform(120, 200))
        return base + (noise(random, 2, 120) * 7)[..., None] + 12 * wide
    if kind == "marble":
        veins = step(np.abs(noise(random, 4) + 0.4 * noise(random, 10)), 0.16, 0.02)
        return blend(_flat((226, 224, 222)), (150, 148, 152), veins * 0.8) + 3 * grain
    if kind == "slats":
        pitch = random.uniform(0.1, 0.2)
        return blend(_flat((40, 38, 36)), (170, 168, 160), step(np.abs(u / pitch - np.round(u / pitch)), 0.3, 0.2)) + 6 * grain
    # A painted surface.
    return _flat(random.uniform(40, 220, 3)) + 3 * grain + 6 * wide


def scatter(picture: np.ndarray, random: np.random.Generator, things: int) -> None:
    """Crumbs and flour anywhere, larger things towards the edges, in place."""
    for _ in range(int(random.integers(0, 10)) if things else 0):
        x, y = random.uniform(-1, 1, 2)
        grey = random.uniform(120, 245)
        stamp(picture, "lump", x, y, random.uniform(0.008, 0.025), random.uniform(0, 6), (grey, grey * 0.9, grey * 0.75), 0.8)
    for _ in range(things):
        a, r = random.uniform(0, 2 * np.pi), random.uniform(0.85, 1.3)
        x, y, angle = r * np.cos(a), r * np.sin(a), random.uniform(0, 2 * np.pi)
        kind = ("leaf", "disc", "strip", "ring", "square", "rod")[random.integers(6)]
        if kind == "rod":  # a knife, a spoon's handle, a rail
            c, s = np.cos(angle), np.sin(angle)
            across = np.abs((Y - y) * c - (X - x) * s)
            tone = random.uniform(60, 225)
            picture[:] = blend(picture, (tone, tone, tone), step(across, 0.03 + PIXEL, 0.03) * step(np.hypot(X, Y), 0.7, 0.75))
        else:
            colour = random.uniform(30, 235, 3) if random.random() < 0.6 else ((200, 40, 30), (60, 120, 40), (230, 225, 215))[random.integers(3)]
            stamp(picture, kind, x, y, random.uniform(0.06, 0.22), angle, colour)
