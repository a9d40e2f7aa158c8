"""Vector pictures for the second renderer: scenes with a character, symbols, emblems, cost marks (SVG text)."""

import math
from random import Random

STAR = " ".join(
    f"{12 + r * math.sin(k * math.pi / 5):.2f},{12.6 - r * math.cos(k * math.pi / 5):.2f}"
    for k, r in enumerate([11.4, 4.6] * 5)
)
SYMBOLS = {
    "circle": '<circle cx="12" cy="12" r="9.6"/>',
    "diamond": '<path d="M12 1.2 L21.2 12 L12 22.8 L2.8 12Z"/>',
    "star": f'<polygon points="{STAR}"/>',
    "crown": '<path d="M1.5 6.5 L7 13 L12 2.5 L17 13 L22.5 6.5 L20.3 21.5 H3.7Z"/>',
}
RARITY_SYMBOLS = {
    "Common": ("circle",),
    "Uncommon": ("diamond",),
    "Rare": ("star",),
    "Double Rare": ("star", "star"),
    "Ultra Rare": ("star", "star", "star"),
    "Secret Rare": ("crown",),
}
EMBLEMS = (
    '<path d="M3 19 L9 8 L13 14 L16 10 L21 19Z"/>',
    '<path d="M3 9 q4.5 -6 9 0 t9 0 v4 q-4.5 6 -9 0 t-9 0Z"/>',
    '<path d="M5 20 V11 a7 7 0 0 1 14 0 V20 h-4 v-8 a3 3 0 0 0 -6 0 v8Z"/>',
    '<path d="M8 3 a5 5 0 0 0 -1 9.6 V21 h3 v-3 h3 v-3 h-3 v-2.6 A5 5 0 0 0 8 3Z"/>',
    '<path d="M4 12 L12 4 L20 12 V20 H14 V14 H10 V20 H4Z"/>',
    '<path d="M3 6 h18 l-3 5 3 5 H3 l3 -5Z"/>',
    '<path d="M12 3 c7 6 7 12 0 18 c-7 -6 -7 -12 0 -18Z M11.2 6 v12 h1.6 V6Z"/>',
)
COSTS = {
    "drop": '<path d="M12 4 C16 10 17 12 17 14.5 A5 5 0 0 1 7 14.5 C7 12 8 10 12 4Z"/>',
    "bolt": '<path d="M13.5 3.5 L7 13.5 h4 L9.5 20.5 L17 10 h-4.4Z"/>',
    "leaf": '<path d="M5 19 C4 9 10 5 19 5 C20 14 15 20 7 18 L14 10Z"/>',
    "eye": '<path d="M3.5 12 Q12 3.5 20.5 12 Q12 20.5 3.5 12Z M12 9 a3 3 0 1 0 .01 0Z" fill-rule="evenodd"/>',
    "stone": '<path d="M6 18 L4.5 11 L10 5.5 L17.5 7 L19.5 14 L15 18.5Z"/>',
    "spiral": (
        '<path d="M12 12 a2 2 0 1 1 2 2 a4 4 0 1 1 2 -6 a7 7 0 1 1 -9 9" fill="none" '
        'stroke="white" stroke-width="2.2"/>'
    ),
}


def glyph(body: str, kind: str) -> str:
    """A 24-unit drawing in the text's colour, sized in em by its class."""
    return f'<svg class="glyph {kind}" viewBox="0 0 24 24">{body}</svg>'


def cost(kind: str, hue: int) -> str:
    """What an attack costs: a mark in a coloured hexagon."""
    shape = '<path d="M12 0.5 L22 6.2 V17.8 L12 23.5 L2 17.8 V6.2Z" fill="hsl({0} 55% 42%)"/>'.format(hue)
    return glyph(f'{shape}<g fill="white">{COSTS[kind]}</g>', "cost")


def colour(hue: float, saturation: float, light: float) -> str:
    """A CSS colour; percentages beyond the range are cut."""
    return f"hsl({hue % 360:.0f} {min(100, max(0, saturation)):.0f}% {min(97, max(4, light)):.0f}%)"


def _wavy(rng: Random, w: float, y: float, swing: float, count: int) -> str:
    step = w / count
    path = f"M0 {y:.0f}"
    for k in range(count):
        bend, end = y + rng.uniform(-swing, swing), y + rng.uniform(-0.3, 0.3) * swing
        path += f" Q{(k + 0.5) * step:.0f} {bend:.0f} {(k + 1) * step:.0f} {end:.0f}"
    return path


def _ground(rng: Random, w: int, h: int, hue: float, dark: bool) -> str:
    """The landscape: downs, sea, town or wood, from far to near."""
    kind, parts = rng.choice(("downs", "sea", "town", "wood")), []
    layers = rng.randint(3, 5)
    for k in range(layers):
        near = (k + 1) / layers
        y = h * (0.45 + 0.45 * near * rng.uniform(0.85, 1))
        fill = colour(hue + rng.uniform(-14, 14), 30 + 25 * near, (52 if dark else 74) - 34 * near)
        if kind == "town":
            x = -10.0
            while x < w:
                width, top = rng.uniform(0.06, 0.14) * w, y - rng.uniform(0.02, 0.22) * h
                roof = rng.choice((0, 0, 0.5)) * width
                gable = f"l{width / 2:.0f} {-roof:.0f} l{width / 2:.0f} {roof:.0f}"
                parts.append(f'<path fill="{fill}" d="M{x:.0f} {h} V{top:.0f} {gable} V{h}Z"/>')
                x += width * rng.uniform(0.9, 1.3)
        elif kind == "wood":
            for _ in range(rng.randint(5, 12)):
                x, tall = rng.uniform(0, w), rng.uniform(0.12, 0.3) * h
                foot = f"L{x + tall * 0.32:.0f} {y + 20:.0f} L{x - tall * 0.32:.0f} {y + 20:.0f}"
                parts.append(f'<path fill="{fill}" d="M{x:.0f} {y - tall:.0f} {foot}Z"/>')
            parts.append(f'<path fill="{fill}" d="{_wavy(rng, w, y, 0.03 * h, 4)} V{h} H0Z"/>')
        else:
            swing, count = ((0.2 * h, 3) if kind == "downs" else (0.035 * h, rng.randint(7, 12)))
            parts.append(f'<path fill="{fill}" d="{_wavy(rng, w, y, swing, count)} V{h} H0Z"/>')
    return "".join(parts)


def _face(rng: Random, x: float, y: float, r: float) -> str:
    """Two eyes and a mouth."""
    gap, eye = r * rng.uniform(0.3, 0.5), r * rng.uniform(0.12, 0.2)
    eyes = "".join(
        f'<circle cx="{x + s * gap:.3f}" cy="{y:.3f}" r="{eye:.3f}" fill="#fff"/>'
        f'<circle cx="{x + s * gap + eye * 0.3:.3f}" cy="{y + eye * 0.2:.3f}" r="{eye * 0.55:.3f}" fill="#111"/>'
        for s in (-1, 1)
    )
    mouth = f"M{x - gap * 0.5:.3f} {y + r * 0.35:.3f} q{gap * 0.5:.3f} {r * rng.uniform(-0.1, 0.25):.3f} {gap:.3f} 0"
    return f'{eyes}<path d="{mouth}" stroke="#111" stroke-width="0.05" fill="none"/>'


# Characters in units of their radius; B, P, D stand for the body's colour, a pale and a dark one, A for an accent.
FIGURES = {
    "beetle": (
        '<path d="M.7 -.35 l.6 .25 M.7 0 l.6 .25 M.7 .35 l.6 .25'
        ' M-.7 -.35 l-.6 .25 M-.7 0 l-.6 .25 M-.7 .35 l-.6 .25"/>'
        '<ellipse rx=".8" ry="1" fill="B"/><path d="M0 -.1 V1"/>',
        (0, -0.45, 0.7),
    ),
    "ghost": ('<path d="M-1 1 V0 a1 1 0 0 1 2 0 V1 l-.5 -.35 l-.5 .35 l-.5 -.35Z" fill="P"/>', (0, -0.1, 1)),
    "golem": (
        '<g fill="B"><rect x="-.6" y="-1" width="1.2" height=".7" rx=".1"/>'
        '<rect x="-.9" y="-.25" width="1.8" height=".9" rx=".1"/>'
        '<rect x="-1.35" y="-.2" width=".4" height=".9" rx=".1"/>'
        '<rect x=".95" y="-.2" width=".4" height=".9" rx=".1"/><rect x="-.7" y=".7" width=".5" height=".4" rx=".1"/>'
        '<rect x=".2" y=".7" width=".5" height=".4" rx=".1"/></g>',
        (0, -0.7, 0.6),
    ),
    "bird": (
        '<path d="M.5 0 L1.7 -.7 L1.4 .4Z" fill="D" stroke="none"/><path d="M-.9 -.1 l-.5 .2 l.5 .15Z" fill="A"/>'
        '<ellipse rx="1" ry=".85" fill="B"/><path d="M0 .1 q.7 -.5 .8 .3 q-.4 .4 -.8 -.3Z" fill="P" stroke="none"/>',
        (-0.4, -0.25, 0.55),
    ),
    "fish": (
        '<path d="M.9 0 l.7 -.6 v1.2Z" fill="D" stroke="none"/>'
        '<path d="M-1.1 0 Q0 -1.3 1 0 Q0 1.3 -1.1 0Z" fill="B"/>'
        '<path d="M0 -.62 l.3 -.5 l.35 .6Z" fill="P" stroke="none"/>',
        (-0.4, -0.1, 0.6),
    ),
}


def _character(rng: Random, x: float, y: float, r: float, hue: float) -> str:
    """A beetle, a ghost, a golem, a bird or a fish, r pixels in radius, over its shadow."""
    shapes, face = FIGURES[rng.choice(sorted(FIGURES))]
    dark = colour(hue, 52, 30)
    fills = {"B": colour(hue, 58, 50), "P": colour(hue + 20, 60, 76), "D": dark, "A": colour(hue + 150, 80, 55)}
    for key, value in fills.items():
        shapes = shapes.replace(f'"{key}"', f'"{value}"')
    shadow = '<ellipse cy="1.15" rx="1" ry=".16" fill="#000" opacity=".25"/>'
    lines = f'<g stroke="{dark}" stroke-width=".06" fill="none">{shapes}</g>'
    return f'<g transform="translate({x:.1f} {y:.1f}) scale({r:.1f})">{shadow}{lines}{_face(rng, *face)}</g>'


def scene(rng: Random, w: int, h: int, uid: str) -> str:
    """A picture of w x h units that fills its box. `uid` keeps its gradients apart on a page of cards."""
    hue, dark = rng.uniform(0, 360), rng.random() < 0.35
    high, low = colour(hue, 45, 24 if dark else 66), colour(hue + rng.uniform(-50, 50), 55, 46 if dark else 88)
    stops = f'<stop stop-color="{high}"/><stop offset="0.8" stop-color="{low}"/>'
    sky = f'<linearGradient id="s{uid}" x2="{rng.uniform(-0.4, 0.4):.2f}" y2="1">{stops}</linearGradient>'
    parts = [f'<defs>{sky}</defs><rect width="{w}" height="{h}" fill="url(#s{uid})"/>']
    if rng.random() < 0.6:
        x, y, r = rng.uniform(0.15, 0.85) * w, rng.uniform(0.12, 0.35) * h, rng.uniform(0.06, 0.15) * h
        parts.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{r:.0f}" fill="{colour(hue + 40, 70, 90)}" opacity="0.8"/>')
    for _ in range(rng.randint(0, 5)):
        x, y, r = rng.uniform(0, w), rng.uniform(0.05, 0.4) * h, rng.uniform(0.02, 0.05) * h
        cloud = "".join(
            f'<ellipse cx="{x + k * r * 1.3:.0f}" cy="{y:.0f}" rx="{r * 1.4:.0f}" ry="{r * (1.0 - 0.3 * abs(k)):.0f}"/>'
            for k in (-1, 0, 1)
        )
        parts.append(f'<g fill="#fff" opacity="0.45">{cloud}</g>')
    parts.append(_ground(rng, w, h, hue + rng.uniform(60, 300), dark))
    x, y, r = rng.uniform(0.35, 0.65) * w, rng.uniform(0.5, 0.64) * h, rng.uniform(0.15, 0.22) * min(w, h)
    parts.append(_character(rng, x, y, r, hue + rng.uniform(90, 270)))
    return f'<svg class="scene" viewBox="0 0 {w} {h}" preserveAspectRatio="xMidYMid slice">{"".join(parts)}</svg>'
