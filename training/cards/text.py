"""Fast text: glyph lines as 8-bit masks at any size, with the place of every character.

Glyphs are drawn once at a few large sizes and kept; a line is put together from them and
reduced to the asked size with an antialiased resize that also stretches it. Sizes are cap
heights, so that fonts of different proportions look equally large.
"""

from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFont

DRAW_SIZES = (24, 36, 56, 88, 140)


@dataclass
class Style:
    """How one line is set. `cap` is the cap height in pixels."""

    cap: float
    stretch: float = 1.0
    shear: float = 0.0
    tracking: float = 0.0
    outline: float = 0.0
    weight: float = 0.0  # stroke added to the letters, in em
    old_digits: bool = False  # digits of small letters' heights and depths
    jitter: float = 0.0  # how far letters stand off the baseline, in em
    shadow: float = 0.0  # how far a shadow falls, in em
    x_height: float = 1.0  # of the small letters, times the face's own; the capitals' waists move with it
    upright: float = 0.0  # added to the upright strokes, in em; less than 0: taken away
    level: float = 0.0  # the same for the level strokes
    flat_three: bool = False  # a 3 with the upper half of a Z


FLAT_THREE = "\u01b7"  # stands for that 3 among a face's glyphs
OLD_SMALL, OLD_LOW = frozenset("012"), frozenset("34579")
OLD_SIZE, OLD_DROP = 0.72, 0.2  # of the digits that are small, and how deep the low ones hang (em)


@dataclass
class Line:
    """A line's mask `[h, w]` uint8; (dx, dy) place its corner from the baseline's start.

    `centres` is `[characters, 2]`: centres in pixels from the start of the baseline.
    """

    mask: np.ndarray
    dx: float
    dy: float
    centres: np.ndarray
    outline: np.ndarray | None = None


@dataclass
class Glyph:
    """A drawn character: its mask and where its corner lies from the pen, y down."""

    mask: np.ndarray
    left: int
    top: int


class Face:
    """One font file: cached glyphs and advances (in em)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.split, self.kind, self.family = path.name.split(".")[:3]
        self._fonts: dict[int, ImageFont.FreeTypeFont] = {}
        self._advances: dict[str, float] = {}
        self._glyphs: dict[tuple[str, int, int], Glyph] = {}
        self.cap_per_em = max(-self._font(88).getbbox("H", anchor="ls")[1] / 88, 0.3)
        self.x_per_em = min(max(-self._font(88).getbbox("x", anchor="ls")[1] / 88, 0.2), self.cap_per_em)

    def _font(self, size: int) -> ImageFont.FreeTypeFont:
        if size not in self._fonts:
            layout = ImageFont.Layout.BASIC
            self._fonts[size] = ImageFont.truetype(str(self.path), size, layout_engine=layout)
        return self._fonts[size]

    def advances(self, text: str) -> list[float]:
        """Horizontal advance of each character in em."""
        known = self._advances
        for char in text:
            if char not in known:
                known[char] = self._font(88).getlength(char) / 88
        return [known[char] for char in text]

    def glyph(self, char: str, size: int, stroke: int) -> Glyph:
        """A character drawn at a size (pixels per em), thickened by stroke pixels."""
        key = (char, size, stroke)
        if key not in self._glyphs and char == FLAT_THREE:
            self._glyphs[key] = _flat_three(self.glyph("3", size, stroke), self.glyph("Z", size, stroke))
        elif key not in self._glyphs:
            font = self._font(size)
            left, top, right, bottom = font.getbbox(char, anchor="ls", stroke_width=stroke)
            image = Image.new("L", (max(1, right - left), max(1, bottom - top)))
            draw = ImageDraw.Draw(image)
            draw.text((-left, -top), char, 255, font, "ls", stroke_width=stroke)
            self._glyphs[key] = Glyph(np.asarray(image), left, top)
        return self._glyphs[key]

    def width(self, text: str, style: Style) -> float:
        """Width in pixels of a text in a style."""
        ems = sum(self.advances(text)) + style.tracking * len(text)
        return ems * style.cap / self.cap_per_em * style.stretch


def _flat_three(three: Glyph, z: Glyph) -> Glyph:
    """A 3 whose upper half is a Z's, as some faces have it: there it is told from a 5 by its slanting stroke alone."""
    h, w = three.mask.shape
    upper = np.asarray(Image.fromarray(z.mask).resize((w, h), Image.Resampling.BILINEAR))
    cut = round(0.47 * h)
    return Glyph(np.concatenate([upper[:cut], three.mask[cut:]]), three.left, three.top)


def _thickened(mask: np.ndarray, pixels: int, axis: int) -> np.ndarray:
    """Strokes thicker by some pixels along an axis, or thinner where it is below 0; hairlines stay, paler."""
    pick = np.maximum if pixels > 0 else np.minimum
    result = mask
    for _ in range(abs(pixels)):
        result = pick(result, np.roll(result, 1, axis))
    return np.maximum(result, mask >> 1) if pixels < 0 else result


def _proportioned(mask: np.ndarray, face: Face, style: Style, size: int, up: int) -> np.ndarray:
    """The line with small letters of another height: rows between the baseline, the x-height and the capitals' move."""
    old, top = face.x_per_em * size, face.cap_per_em * size
    new = min(max(old * style.x_height, 0.45 * top), 0.9 * top)
    above = up - np.arange(len(mask), dtype=np.float32)
    source = np.interp(above, [-0.4 * size, 0, new, top, 1.1 * size], [-0.4 * size, 0, old, top, 1.1 * size])
    return mask[np.clip(np.rint(up - source), 0, len(mask) - 1).astype(int)]


def set_line(face: Face, text: str, style: Style) -> Line:
    """Sets one line of text; with an outline, also the mask of the thickened line."""
    em = style.cap / face.cap_per_em
    size = next((s for s in DRAW_SIZES if s >= 1.6 * em), DRAW_SIZES[-1])
    reduce = size / em
    weight = round(style.weight * size)
    stroke = weight + round(style.outline * size)
    advances = np.array(face.advances(text)) + style.tracking
    if style.old_digits:
        advances = np.array([a * OLD_SIZE if c in OLD_SMALL else a for c, a in zip(text, advances)])
    ends = np.cumsum(advances)
    pens = np.rint((ends - advances) * size).astype(int).tolist()
    pad = 4 + stroke + int(0.12 * size)
    up, down = int(1.05 * size) + stroke, int(0.36 * size) + stroke
    shape = (up + down, int(ends[-1] * size) + 2 * pad)
    centres = np.stack([(ends - advances / 2) * em * style.stretch, np.full(len(text), -style.cap / 2)], axis=1)
    return Line(
        mask=_reduced(face, text, size, weight, pens, shape, pad, up, reduce, style),
        dx=-pad / reduce * style.stretch,
        dy=-up / reduce,
        centres=centres,
        outline=_reduced(face, text, size, stroke, pens, shape, pad, up, reduce, style) if stroke > weight else None,
    )


def _reduced(
    face: Face,
    text: str,
    size: int,
    stroke: int,
    pens: list[int],
    shape: tuple[int, int],
    pad: int,
    up: int,
    reduce: float,
    style: Style,
) -> np.ndarray:
    """The line drawn at `size`, slanted, and reduced `[h, w]`; baseline `up` rows down."""
    large = np.zeros(shape, np.uint8)
    for at, (char, pen) in enumerate(zip(text, pens)):
        drop, drawn = 0, size
        shape_of = FLAT_THREE if char == "3" and style.flat_three else char
        if style.old_digits and char in OLD_SMALL:
            drawn = round(OLD_SIZE * size)
        elif style.old_digits and char in OLD_LOW:
            drop = round(OLD_DROP * size)
        if style.jitter:  # a pattern that comes back, so that outline and letter agree
            drop += round(style.jitter * size * ((at * 37 + ord(char) * 11) % 17 - 8) / 8)
        glyph = face.glyph(shape_of, drawn, stroke)
        x, y = max(0, pen + pad + glyph.left), max(0, up + glyph.top + drop)
        part = large[y : y + glyph.mask.shape[0], x : x + glyph.mask.shape[1]]
        np.maximum(part, glyph.mask[: part.shape[0], : part.shape[1]], out=part)
    if style.x_height != 1 and face.x_per_em < 0.9 * face.cap_per_em:
        large = _proportioned(large, face, style, size, up)
    for thicker, axis in ((style.level, 0), (style.upright, 1)):
        large = _thickened(large, round(thicker * size), axis)
    image = Image.fromarray(large)
    if style.shear:
        matrix = (1, style.shear, -style.shear * up, 0, 1, 0)
        image = image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    w = max(1, int(shape[1] / reduce * style.stretch))
    h = max(1, int(shape[0] / reduce))
    # A fractional source box keeps the scale exact although the target has whole pixels.
    source = (0, 0, min(shape[1], w * reduce / style.stretch), min(shape[0], h * reduce))
    return np.asarray(image.resize((w, h), Image.Resampling.BILINEAR, source))


# Light, narrow and round faces of the training side, which are drawn twice as often as the others.
TWICE = (
    "andika", "averia-sans", "comfortaa", "fantasque", "gemunu", "gyre-adventor", "jura", "karla", "opendin", "osifont",
    "quicksand", "roboto-condensed", "routed-gothic", "urw-gothic", "yanone",
)  # fmt: skip


class FontBook:
    """The faces of one side of the split, by what they may be used for."""

    def __init__(self, folder: Path, split: str) -> None:
        self.faces = [Face(p) for p in sorted(folder.iterdir()) if p.name.startswith(f"{split}.")]
        if not self.faces:
            raise FileNotFoundError(f"no {split} fonts in {folder}: run training/cards/fonts.sh")
        self.twice = TWICE if split == "train" else ()
        self.families: dict[str, dict[str, list[Face]]] = {}
        for face in self.faces:
            self.families.setdefault(face.kind, {}).setdefault(face.family, []).append(face)

    def pick(self, rng: Random, *kinds: str) -> Face:
        """A random face of a random family among the kinds that exist."""
        pool = [family for kind in kinds for family in self.families.get(kind, {}).values()]
        pool += [self.families[k][name] for k in kinds for name in self.twice if name in self.families.get(k, {})]
        return rng.choice(rng.choice(pool))
