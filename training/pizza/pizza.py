"""Paints the pizza of a scene in one of six states. README.md says what each state is; here it is drawn by it.

Doneness runs from 0 (raw) by 1 (done) to 1.5 (black); each state has its range of it, and burnt has charred places besides.
"""

import numpy as np

import scene as scenes
from canvas import PIXEL, Palette, X, Y, blend, noise, stamp, step
from scene import Scene

TOP = 1.5
_DOUGH = Palette(TOP, (0, (234, 220, 190)), (0.3, (232, 212, 172)), (0.6, (222, 188, 134)), (0.85, (204, 152, 90)), (1.05, (176, 118, 62)), (1.25, (104, 66, 38)), (1.5, (36, 27, 23)))
_CHEESE = Palette(TOP, (0, (244, 236, 208)), (0.35, (244, 228, 180)), (0.6, (240, 212, 142)), (0.9, (228, 178, 92)), (1.05, (204, 144, 66)), (1.25, (112, 72, 38)), (1.5, (38, 28, 23)))
_CHAR = np.float32([30, 24, 21])
# The doneness of the whole, lowest and highest, by state; progression runs across both ends.
RAW, HALF, DONE = (0.0, 0.17), (0.38, 0.63), (0.86, 1.08)


def doneness(state: str, random: np.random.Generator, rho: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """How far each place is baked; u, v in units of the pizza's radius."""
    uneven = noise(random, 4) * 0.05
    a = random.uniform(0, 2 * np.pi)
    along = u * np.cos(a) + v * np.sin(a)
    if state == "basic":
        return random.uniform(*RAW) + uneven * 0.7
    if state == "mixed":
        return random.uniform(*HALF) + uneven + along * random.normal(0, 0.04)
    if state == "combined":
        return random.uniform(*DONE) + uneven + along * random.normal(0, 0.04)
    if state == "burnt":
        return random.uniform(0.92, 1.2) + uneven + along * random.normal(0, 0.06)
    if state == "segment":  # of any state, most of them done
        low, high = (DONE, DONE, DONE, HALF, RAW, (0.95, 1.25))[random.integers(6)]
        return random.uniform(low, high) + uneven
    # progression: from raw or nearly so at one end to done at the other
    low, high = random.uniform(0, 0.22), random.uniform(0.92, 1.15)
    way = random.integers(3)
    if way == 0:  # from one side, where the heat is
        where = along
        border, width = random.uniform(-0.3, 0.3), random.uniform(0.25, 0.8)
    elif way == 1:  # from the rim to the middle
        where = rho + 0.1 * noise(random, 4)
        border, width = random.uniform(0.5, 0.68), random.uniform(0.15, 0.4)
    else:  # in patches
        where = noise(random, 4) * 0.8
        border, width = random.uniform(-0.25, 0.25), random.uniform(0.3, 0.7)
    return low + (high - low) * step(where, border - width, border + width) + uneven


def charred(random: np.random.Generator, rho: np.ndarray, rim: float, inside: np.ndarray) -> np.ndarray:
    """Black at the rim, on top, or both: at least an eighth of the pizza."""
    for _ in range(8):
        blotches = noise(random, int(random.integers(4, 9))) + 0.4 * noise(random, 16)
        place = random.integers(3)
        bias = (2.2 * step(rho, rim - 0.22, rim + 0.02) - 1.4, 0.5 - 1.2 * step(rho, rim - 0.1, rim), 0.0)[place]
        black = step(blotches + bias + random.uniform(-0.25, 0.9), 0.35, 0.95)
        if (black * inside).sum() > 0.125 * inside.sum():
            return black
    return black


def paint(scene: Scene, state: str, ground: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The ground with the pizza on it and its shadow."""
    radius = scene.radius * random.uniform(0.97, 1.03)
    cx, cy = random.normal(0, 0.06, 2)
    turn = random.uniform(0, 2 * np.pi)
    slice_half = 0.0
    if state == "segment":
        slice_half = np.radians(random.uniform(15, 36))
        radius = random.uniform(1.0, 1.5) * scene.radius + 0.25
        axis = random.uniform(0, 2 * np.pi)
        cx, cy = cx - 0.6 * radius * np.cos(axis), cy - 0.6 * radius * np.sin(axis)
    u, v = (X - cx) / radius, (Y - cy) / radius
    r, theta = np.hypot(u, v), np.arctan2(v, u)
    edge = np.ones_like(r)
    for k, (amplitude, phase) in enumerate(scene.waves):
        edge += amplitude * np.cos((k + 2) * theta + phase + turn)
    rho = r / edge
    soft = 1.5 * PIXEL / radius
    inside = step(1 - rho, 0, soft)
    if slice_half:
        along, across = u * np.cos(axis) + v * np.sin(axis), v * np.cos(axis) - u * np.sin(axis)
        side = along * np.sin(slice_half) - np.abs(across) * np.cos(slice_half) + noise(random, 12) * 0.006
        inside = inside * step(side, 0, soft)
    elif state in ("combined", "burnt") and random.random() < 0.08:  # one piece is gone already
        gap = np.abs(np.angle(np.exp(1j * (theta - turn)))).astype(np.float32)
        inside = inside * step(gap, 0.42, 0.42 + soft)

    done = np.clip(doneness(state, random, rho, u, v), 0, TOP)
    rim, fine = scene.rim, noise(random, 60)
    on_rim = step(rho + 0.015 * noise(random, 14), rim - 0.03, rim + 0.03)
    # Dough: browner where it bulges, freckled once baked.
    dough = np.clip(done + (0.12 * (rho - rim) / (1 - rim) + 0.05 * fine + 0.06 * noise(random, 18)) * step(done, 0.3, 0.8), 0, TOP)
    picture = _DOUGH(dough) * np.float32(scene.dough)
    freckles = step(noise(random, 26), 1.3, 2.0) * step(done, 0.65, 0.95) * on_rim
    picture = blend(picture, (120, 72, 40), freckles * 0.6)
    # Sauce inside of the rim, cheese on it: shreds while raw, one sheet once molten.
    raw, cooked = (scenes.SAUCES | scenes.SHIFTED_SAUCES)[scene.sauce]
    late = np.clip(done, 0, 1.2)[..., None]
    sauce = (np.float32(raw) + (np.float32(cooked) - np.float32(raw)) * late) * (1 + 0.05 * fine)[..., None]
    sauce = blend(sauce, _CHAR, step(done, 1.12, 1.5) * 0.9)
    picture = blend(picture, sauce, (1 - on_rim) * 0.95)
    molten = step(done, 0.22, 0.5)
    shreds = step(np.maximum(noise(random, 70, 35), noise(random, 35, 70)), 1.3 - 1.3 * scene.cheese, 1.7 - 1.3 * scene.cheese)
    sheet = step(noise(random, 9) + 0.3 * fine, 0.7 - 2.0 * scene.cheese, 1.3 - 2.0 * scene.cheese)
    cover = (shreds * (1 - molten) + sheet * molten) * (1 - step(rho, rim - 0.10, rim - 0.02)) * 0.95
    spots = step(noise(random, 14), 0.5, 1.8) * step(done, 0.6, 1.0) * 0.22
    picture = blend(picture, _CHEESE(np.clip(done + spots, 0, TOP)), cover)

    # Toppings, each baked as far as its place.
    for topping in scene.toppings:
        shape, _, raw, cooked = (scenes.TOPPINGS | scenes.SHIFTED_TOPPINGS)[topping.kind]
        for away, angle, size, own_turn in topping.places:
            if slice_half:  # spread over the slice
                angle = axis + (angle / np.pi - 1) * slice_half
            else:
                angle += turn
            px, py = cx + away * rim * radius * np.cos(angle), cy + away * rim * radius * np.sin(angle)
            row, column = int((py + 1) / PIXEL), int((px + 1) / PIXEL)
            if not (0 <= row < len(X) and 0 <= column < len(X)):
                continue
            t = float(done[row, column])
            colour = np.float32(raw) + (np.float32(cooked) - np.float32(raw)) * min(t, 1.1)
            colour = colour + (_CHAR - colour) * float(np.clip((t - 1.05) / 0.45, 0, 1))
            stamp(picture, shape, px, py, size * radius * 0.85, own_turn, colour, 0.92)

    height = 0.05 * np.exp(-(((rho - (rim + 1) / 2) / (0.75 * (1 - rim))) ** 2)) + 0.002 * fine
    if state == "burnt":
        black = charred(random, rho, rim, inside)
        picture = blend(picture, _CHAR * (1 + 0.25 * fine)[..., None], black * random.uniform(0.8, 0.97))
    down, right = np.gradient(height, PIXEL)
    lit = 1 + np.clip(1.1 * (right * np.cos(scene.turn) + down * np.sin(scene.turn)), -0.35, 0.35)
    picture = picture * lit[..., None]

    offset = int(np.sign(np.cos(scene.turn)) * 3), int(np.sign(np.sin(scene.turn)) * 3)
    shadow = np.roll(inside, offset, (1, 0)) * 0.35 + step(1.06 - rho, 0, 0.08) * (0.25 if not slice_half else 0)
    return blend(ground * (1 - np.clip(shadow, 0, 0.5))[..., None], picture, inside)
