"""Where things stand on a card: hand-made layouts, some held out, and a grammar.

A layout is an order of zones from top to bottom and, for each row zone, the elements at
its left, centre and right. Layouts of the grammar may also have stacks, one element to a line:
a table among the zones, or a column beside them. Training mixes the hand-made training layouts with layouts of
the grammar; test layouts are hand-made, and the grammar refuses to produce their like.
"""

from dataclasses import dataclass, field
from random import Random

Row = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]

CLASSIC = ("top", "header", "art", "under", "body", "foot1", "foot2")
LOW_NAME = ("top", "art", "header", "under", "body", "foot1", "foot2")
BOTTOM_NAME = ("top", "art", "under", "body", "header", "foot1", "foot2")
ROWS = ("top", "header", "under", "foot1", "foot2")


@dataclass(frozen=True)
class Layout:
    """Zones in order; rows give (left, centre, right) element names."""

    name: str
    order: tuple[str, ...]
    rows: dict[str, Row] = field(hash=False)
    full_art: bool = False
    stacks: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)  # training: elements one under another

    def place(self, element: str) -> tuple[str, int] | None:
        """(zone, side) of an element; None where it stands on the art."""
        for stack, names in self.stacks.items():
            if element in names:
                return stack, 0
        for zone, sides in self.rows.items():
            for side, names in enumerate(sides):
                if element in names:
                    return zone, side
        return None

    def signature(self) -> tuple:
        """What makes two layouts the same kind."""
        places = tuple(self.place(e) for e in ("hp", "stage", "collector_number", "set_name", "rarity"))
        return self.order, places


def _layout(name: str, order: tuple[str, ...], full_art: bool = False, **rows: str) -> Layout:
    """Reads rows written as `left | centre | right`."""
    parsed = {}
    for zone, text in rows.items():
        sides = [tuple(part.split()) for part in text.split("|")]
        parsed[zone] = tuple(sides)
    return Layout(name, order, parsed, full_art)


TRAIN_LAYOUTS = (
    _layout("meadow", CLASSIC, top="stage | | ", header="name | | level hp", under="|index species|",
            foot1="artist||collector_number rarity", foot2="first_edition copyright||set_name"),
    _layout("harbor", CLASSIC, top="evolves||", header="stage name||hp", under="first_edition||set_name",
            foot1="artist||", foot2="copyright||collector_number rarity"),
    _layout("beacon", CLASSIC, header="stage name||hp", under="species|index|",
            foot1="collector_number rarity|artist|set_name", foot2="first_edition|copyright|"),
    _layout("cinder", CLASSIC, True, header="name||hp", under="stage||evolves",
            foot1="set_name||rarity", foot2="artist copyright||collector_number"),
    _layout("grove", CLASSIC, header="name level||hp", top="|stage|first_edition", under="index||rarity",
            foot1="set_name||artist", foot2="collector_number|copyright|"),
    _layout("lantern", LOW_NAME, top="set_name||collector_number", header="name||hp", under="stage|species|rarity",
            foot1="artist||first_edition", foot2="|copyright|"),
    _layout("quarry", LOW_NAME, True, header="stage name||hp", under="index||first_edition",
            foot1="artist||", foot2="set_name|rarity|collector_number"),
    _layout("sextant", CLASSIC, header="|name|", under="hp||stage", foot1="rarity|set_name|collector_number",
            foot2="artist||copyright"),
    _layout("willow", CLASSIC, top="collector_number||set_name", header="name||stage hp", under="first_edition|evolves|",
            foot1="artist||rarity", foot2="|copyright|"),
    _layout("harp", BOTTOM_NAME, top="stage||hp", header="name||", under="species||index",
            foot1="set_name||collector_number", foot2="artist|rarity|first_edition"),
    _layout("kiln", BOTTOM_NAME, True, top="|first_edition|", header="name||hp", under="stage||level",
            foot1="rarity collector_number||set_name", foot2="artist||copyright"),
    _layout("orchard", CLASSIC, header="hp name||stage", under="set_name||first_edition",
            foot1="artist|collector_number|", foot2="copyright||rarity"),
    _layout("pennant", CLASSIC, top="rarity||index", header="name||level hp", under="evolves|stage|",
            foot1="|collector_number|", foot2="set_name first_edition||artist"),
)

TEST_LAYOUTS = (
    _layout("gallery", LOW_NAME, True, top="set_name||collector_number", header="name||hp", under="rarity||stage",
            foot1="artist|first_edition|", foot2="|copyright|"),
    _layout("ledger", CLASSIC, header="hp|name|stage", under="collector_number|index|set_name",
            foot1="rarity|first_edition|artist", foot2="|copyright|"),
    _layout("broadside", BOTTOM_NAME, top="rarity||stage hp", header="name||", under="first_edition|species|",
            foot1="artist||collector_number", foot2="copyright||set_name"),
    _layout("almanac", CLASSIC, top="evolves||", header="name level||hp", under="stage|index|first_edition",
            foot1="collector_number|artist|rarity", foot2="set_name||copyright"),
    _layout("meridian", CLASSIC, True, top="stage||first_edition", header="name||hp", under="|evolves|",
            foot1="collector_number set_name||rarity", foot2="artist||copyright"),
)
_TEST_SIGNATURES = {layout.signature() for layout in TEST_LAYOUTS}

# Element: weighted (zone, sides) choices of the grammar; sides 0 left, 1 centre, 2 right.
_GRAMMAR: dict[str, tuple[tuple[float, str, tuple[int, ...]], ...]] = {
    "stage": ((0.25, "header", (0, 0, 2)), (0.3, "top", (0, 1, 2)), (0.35, "under", (0, 1, 2)), (0.1, "foot1", (0, 1, 2))),
    "hp": ((0.65, "header", (2, 2, 2, 0)), (0.15, "top", (0, 2)), (0.2, "under", (0, 2))),
    "collector_number": ((0.4, "foot1", (0, 1, 2)), (0.35, "foot2", (0, 1, 2)), (0.12, "under", (0, 2)), (0.13, "top", (0, 2))),
    "set_name": ((0.3, "foot1", (0, 1, 2)), (0.3, "foot2", (0, 1, 2)), (0.22, "under", (0, 1, 2)), (0.18, "top", (0, 1, 2))),
    "rarity": ((0.4, "foot1", (0, 1, 2)), (0.3, "foot2", (0, 1, 2)), (0.18, "under", (0, 1, 2)), (0.12, "top", (0, 1, 2))),
    "first_edition": ((0.3, "art", (0,)), (0.3, "under", (0, 1, 2)), (0.25, "foot1", (0, 1, 2)), (0.15, "top", (0, 1, 2))),
    "level": ((0.7, "header", (0, 2)), (0.3, "under", (0, 2))),
    "index": ((0.6, "under", (0, 1, 2)), (0.4, "foot2", (0, 1, 2))),
    "artist": ((0.6, "foot1", (0, 1, 2)), (0.4, "foot2", (0, 2))),
    "copyright": ((1.0, "foot2", (0, 1, 2)),),
    "species": ((1.0, "under", (1,)),),
    "evolves": ((0.5, "top", (0, 1)), (0.5, "under", (0, 1))),
}


STACKED = ("hp", "stage", "collector_number", "set_name", "rarity", "first_edition", "level", "index", "species", "evolves", "artist")


def _random_stacks(rng: Random, rows: dict[str, list[list[str]]]) -> dict[str, tuple[str, ...]]:
    """Takes elements out of the rows into a table or a column, on four in ten layouts."""
    form = rng.random()
    if form > 0.4:
        return {}
    taken = rng.sample(STACKED, rng.randint(2, 7))
    for sides in rows.values():
        for side in sides:
            side[:] = [name for name in side if name not in taken]
    if form < 0.04 and len(taken) > 3:
        return {"column": tuple(taken[:2]), "table": tuple(taken[2:])}
    return {"column" if form < 0.22 else "table": tuple(taken)}


def random_layout(rng: Random) -> Layout:
    """A layout of the grammar that is not like any test layout."""
    while True:
        rows: dict[str, list[list[str]]] = {zone: [[], [], []] for zone in ROWS}
        rows["header"][rng.choice((0, 0, 0, 1))].append("name")
        for element, choices in _GRAMMAR.items():
            _, zone, sides = rng.choices(choices, weights=[c[0] for c in choices])[0]
            if zone == "art":
                continue
            group = rows[zone][rng.choice(sides)]
            group.insert(rng.randint(0, len(group)), element)
        if rng.random() < 0.25:  # a symbol of the creature's kind, which is none of the rarity's
            rows[rng.choice(("header", "header", "under"))][rng.choice((0, 2, 2))].append("kind")
        stacks = _random_stacks(rng, rows)
        frozen = {zone: tuple(tuple(side) for side in sides) for zone, sides in rows.items()}
        order = rng.choices((CLASSIC, LOW_NAME, BOTTOM_NAME, None), weights=(0.5, 0.18, 0.14, 0.18))[0]
        order = order or tuple(rng.sample(CLASSIC, len(CLASSIC)))
        if "table" in stacks:
            at = rng.choice((order.index("art") + 1, order.index("under"), rng.randint(0, len(order))))
            order = (*order[:at], "table", *order[at:])
        layout = Layout("grammar", order, frozen, rng.random() < 0.25, stacks)
        if layout.signature() not in _TEST_SIGNATURES:
            return layout


def pick_layout(rng: Random, test: bool) -> Layout:
    """A layout of the asked side of the split."""
    if test:
        return rng.choice(TEST_LAYOUTS)
    return rng.choice(TRAIN_LAYOUTS) if rng.random() < 0.35 else random_layout(rng)
