"""The designs: a card's text as HTML. Each design is one function here and one block of cards.css."""

from collections.abc import Callable
from random import Random

from other import art
from other.invent import KINDS, RULES, Said

WIDTH, HEIGHT = 630, 880

# paper, ink, strong, ink on strong, tint, deep (a dark ground that paper-coloured text stands on)
LIGHT = (
    ("#f6efe0", "#2b1d12", "#8c2f1b", "#fff3df", "#e2c79a", "#4a1c10"),
    ("#eef3f7", "#14202b", "#1f5f8b", "#ffffff", "#b4d3e6", "#12354e"),
    ("#f3f6ea", "#1c2a16", "#3d7a35", "#ffffff", "#c9dcae", "#1f4019"),
    ("#fbeff1", "#33141c", "#b02a55", "#ffffff", "#f3c3cf", "#5c1630"),
    ("#f4eefb", "#22163a", "#6238a8", "#ffffff", "#d5c4f0", "#33205c"),
    ("#fff8e1", "#2a2205", "#dca514", "#1d1600", "#ffe59a", "#5c4508"),
    ("#f1f0ec", "#191919", "#44474d", "#ffffff", "#cfcfcf", "#26282c"),
    ("#e9f6f4", "#0e2a28", "#0d7f78", "#ffffff", "#abdcd7", "#0b403c"),
)
DARK = (
    ("#12161c", "#e9f2ff", "#37d0ff", "#04202b", "#26364f", "#0a0d12"),
    ("#1a1420", "#f6ecff", "#c77dff", "#1f0530", "#3d2a52", "#0f0a14"),
    ("#101a14", "#eafff2", "#5be38b", "#04210f", "#1f4530", "#08100b"),
    ("#201612", "#fff1e6", "#ff9b54", "#2b1202", "#52301c", "#120b08"),
)


class Markup:
    """One card's fields as HTML spans that fit.js measures by their data-field."""

    def __init__(self, said: Said, rng: Random, uid: str) -> None:
        self.said, self.rng, self.uid, self.truth = said, rng, uid, said.truth
        self.hue = rng.randint(0, 359)

    def _field(self, name: str, inner: str, kind: str = "") -> str:
        return f'<span class="field {name} {kind}" data-field="{name}">{inner}</span>'

    def _cased(self, text: str) -> str:
        return text.upper() if self.rng.random() < 0.4 else text

    def name(self) -> str:
        return self._field("name", f"<b>{self.truth['name'].replace('&', '&amp;')}</b>")

    def hp(self) -> str:
        if self.truth["hp"] is None:
            return ""
        digits, label = f"<b>{self.truth['hp']}</b>", "<small>HP</small>"
        return self._field("hp", f"{label} {digits}" if self.rng.random() < 0.55 else f"{digits} {label}")

    def number(self) -> str:
        text = self.truth["collector_number"]
        return "" if text is None else self._field("collector_number", f"<b>{text}</b>")

    def set_name(self) -> str:
        text = self.truth["set_name"]
        if text is None:
            return ""
        emblem = art.glyph(self.rng.choice(art.EMBLEMS), "emblem") if self.rng.random() < 0.65 else ""
        return self._field("set_name", f"{emblem}<b>{text}</b>")

    def rarity(self) -> str:
        word = self.truth["rarity"]
        if word is None:
            return ""
        if self.said.rarity_as_symbol and word in art.RARITY_SYMBOLS:
            marks = "".join(art.glyph(art.SYMBOLS[s], "mark") for s in art.RARITY_SYMBOLS[word])
            return self._field("rarity", f"<b>{marks}</b>", "symbol")
        return self._field("rarity", f"<b>{self._cased(word)}</b>", "word")

    def stage(self) -> str:
        text = self.truth["stage"]
        return "" if text is None else self._field("stage", f"<b>{self._cased(text)}</b>")

    def first(self) -> str:
        if not self.truth["first_edition"]:
            return ""
        inner, kind = self.rng.choice(
            (
                ("<b>1st Edition</b>", "pill"),
                ("<b>FIRST EDITION</b>", "pill"),
                ("<b>Edition 1</b>", "pill"),
                ("<b>1st</b><i>EDITION</i>", "round"),
                ("<b>First</b><i>Edition</i>", "round"),
                ("<b>1ST EDITION</b>", "rubber"),
                ("<b>First Edition</b>", "rubber"),
            )
        )
        return self._field("first_edition", inner, kind)

    def trap(self, name: str) -> str:
        text = self.said.traps.get(name)
        return "" if text is None else f'<span class="trap {name}">{text}</span>'

    def art(self, w: int, h: int) -> str:
        return art.scene(self.rng, w, h, self.uid)

    def body(self) -> str:
        """Attacks with their costs and damage, the flavour line, the row of weaknesses."""
        rng, parts = self.rng, []
        for title, damage, rules in self.said.attacks:
            kind = rng.choice(KINDS)
            marks = "".join(art.cost(kind, self.hue) for _ in range(rng.randint(1, 3)))
            rule = f"<p>{rules}</p>" if rules else ""
            parts.append(f'<div class="attack"><h4>{marks}<span>{title}</span><em>{damage}</em></h4>{rule}</div>')
        if not parts:
            parts.append(f'<div class="attack"><p>{rng.choice(RULES)}</p></div>')
        if self.said.flavour:
            parts.append(f'<p class="flavour">{self.said.flavour}</p>')
        if rng.random() < 0.55:
            parts.append(
                f'<p class="foot"><span>Weak to {rng.choice(KINDS)} \u00d7{rng.choice((2, 2, 3))}</span>'
                f"<span>Resists -{rng.choice((10, 20, 30))}</span><span>Retreat {rng.randint(0, 4)}</span></p>"
            )
        return f'<div class="prose">{"".join(parts)}</div>'


def _row(kind: str, *parts: str) -> str:
    """A line that fit.js makes smaller until it fits; nothing where all its parts are empty."""
    inner = "".join(parts)
    return f'<div class="row {kind}">{inner}</div>' if inner else f'<div class="row empty {kind}"></div>'


def codex(m: Markup) -> str:
    """An old book: centred lines under an arched picture, double rules."""
    return (
        f'<div class="frame"></div>{_row("over", m.set_name(), m.rarity())}{_row("title", m.name())}'
        f'{_row("under", m.stage(), m.hp(), m.trap("level"))}<div class="window">{m.art(460, 330)}</div>{m.first()}'
        f'{m.body()}{_row("last", m.trap("artist"), m.number(), m.trap("copyright"))}'
    )


def console(m: Markup) -> str:
    """A dark instrument: a picture with cut corners and a table of labelled values."""
    lines = (("Set", m.set_name()), ("Card", m.number()), ("Rarity", m.rarity()), ("Stage", m.stage()))
    table = "".join(f'<div class="line"><i>{label}</i>{_row("value", value)}</div>' for label, value in lines if value)
    return (
        f'{_row("title", m.name(), m.hp())}<div class="window">{m.art(560, 350)}</div>'
        f'{_row("under", m.trap("index"), m.trap("size"), m.trap("level"))}<div class="table">{table}</div>{m.first()}'
        f'{m.body()}{_row("last", m.trap("artist"), m.trap("copyright"))}'
    )


def poster(m: Markup) -> str:
    """The picture to the edges, chips in the corners, a large name across the lower third."""
    return (
        f'<div class="window">{m.art(630, 880)}</div>{_row("chips left", m.hp())}{_row("chips right", m.stage())}'
        f'<div class="plate">{_row("title", m.name(), m.trap("level"))}{m.body()}'
        f'{_row("facts", m.number(), m.rarity(), m.set_name())}'
        f'{_row("last", m.trap("artist"), m.trap("copyright"))}</div>{m.first()}'
    )


def ticket(m: Markup) -> str:
    """A theatre ticket: a stub above a perforation, the name on a band in the middle."""
    return (
        f'{_row("stub", m.number(), m.stage(), m.rarity())}<div class="tear"></div>'
        f'<div class="window">{m.art(570, 380)}</div>{_row("title", m.name())}{_row("under", m.hp(), m.trap("index"))}'
        f'{m.first()}{m.body()}{_row("last", m.set_name(), m.trap("artist"))}{_row("copy", m.trap("copyright"))}'
    )


def blueprint(m: Markup) -> str:
    """A drawing sheet: grid paper, thin lines, a title block at the lower right."""
    return (
        f'{_row("title", m.trap("index"), m.name())}<div class="window">{m.art(590, 400)}</div>'
        f'{_row("under", m.trap("size"), m.trap("level"), m.trap("artist"))}{m.body()}{m.first()}'
        f'<div class="block">{_row("a", m.hp())}{_row("b", m.stage())}{_row("c", m.set_name())}'
        f'{_row("d", m.number())}{_row("e", m.rarity())}</div>{_row("copy", m.trap("copyright"))}'
    )


def comic(m: Markup) -> str:
    """A comic's page: thick outlines, a slanted caption, dots."""
    return (
        f'<div class="window">{m.art(590, 470)}</div><div class="caption">{_row("title", m.name())}</div>'
        f'<div class="burst">{_row("value", m.hp())}</div>{_row("tag", m.stage())}{m.first()}{m.body()}'
        f'{_row("facts", m.set_name(), m.number(), m.rarity())}{_row("last", m.trap("artist"), m.trap("copyright"))}'
    )


def swiss(m: Markup) -> str:
    """White space, one block of colour, everything flush left, the name large and low."""
    return (
        f'<div class="block"></div>{_row("over", m.number(), m.set_name())}<div class="window">{m.art(420, 420)}</div>'
        f'{_row("side", m.hp())}{_row("side two", m.stage())}{_row("side three", m.rarity())}{_row("title", m.name())}'
        f'{m.first()}{m.body()}{_row("last", m.trap("artist"), m.trap("index"), m.trap("copyright"))}'
    )


def medallion(m: Markup) -> str:
    """A round picture, a ribbon under it, plates in the four corners."""
    return (
        f'<div class="window">{m.art(440, 440)}</div>{_row("corner nw", m.stage())}{_row("corner ne", m.hp())}'
        f'<div class="ribbon">{_row("title", m.name())}</div>{m.first()}{m.body()}'
        f'{_row("middle", m.trap("size"), m.trap("level"))}'
        f'{_row("corner sw", m.number())}{_row("corner se", m.rarity())}'
        f'{_row("last", m.set_name())}{_row("copy", m.trap("artist"), m.trap("copyright"))}'
    )


def sidebar(m: Markup) -> str:
    """Two columns: facts one under another on a dark strip, picture and text beside it."""
    facts = "".join(_row("fact", part) for part in (m.hp(), m.stage(), m.rarity(), m.number(), m.set_name()) if part)
    return (
        f'<div class="strip">{facts}{_row("fact", m.trap("level"))}</div><div class="main">{_row("title", m.name())}'
        f'<div class="window">{m.art(390, 430)}</div>{m.body()}'
        f'{_row("last", m.trap("artist"), m.trap("copyright"))}</div>{m.first()}'
    )


DESIGNS: dict[str, Callable[[Markup], str]] = {
    design.__name__: design for design in (codex, console, poster, ticket, blueprint, comic, swiss, medallion, sidebar)
}
DARK_DESIGNS = ("console",)
EITHER_DESIGNS = ("poster", "medallion", "sidebar", "blueprint")


def card_html(said: Said, rng: Random, uid: str, fonts: dict[str, list[str]]) -> tuple[str, str, set[str]]:
    """A card's HTML, its design's name and the font families used. `fonts` lists families by kind."""
    design = rng.choice(sorted(DESIGNS))
    dark = design in DARK_DESIGNS or (design in EITHER_DESIGNS and rng.random() < 0.4)
    palette = rng.choice(DARK if dark else LIGHT)
    body = rng.choice(fonts["text"])
    title = rng.choice(fonts["text"] + fonts["display"]) if rng.random() < 0.5 else body
    fine = rng.choice(fonts["mono"] + fonts["text"]) if rng.random() < 0.45 else body
    names = ("paper", "ink", "strong", "onstrong", "tint", "deep")
    style = ";".join(f"--{key}:{value}" for key, value in zip(names, palette))
    style += f";--title:'{title}';--body:'{body}';--fine:'{fine}';--weight:{rng.choice((400, 700, 700))}"
    style += f";--fineweight:{rng.choice((400, 700))};--radius:{rng.choice((0, 18, 26, 32))}px"
    inner = DESIGNS[design](Markup(said, rng, uid))
    light = "" if dark else " light"
    return f'<div class="card {design}{light}" style="{style}">{inner}</div>', design, {title, body, fine}
