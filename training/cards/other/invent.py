"""What a card of the second renderer says: words, names and sets that no training run draws.

Every word of a name or a set lies on the test side of the split (one word in eight, by
its hash), and none stands in the first renderer's lists.
"""

import zlib
from dataclasses import dataclass, field
from random import Random

from fields import RARITIES, STAGES

WORDS = (
    "Apple Balcony Banjo Barn Butter Carnival Castle Cavalry Chalk Cherry Cliff Cloak Cobweb Cork Crow Dome Drum "
    "Dulcimer Earth Field Flint Furnace Granite Hazel Hive Hoof Icicle Isle Jackdaw Juniper Keystone Lighthouse Lilac "
    "Monsoon Mulberry Nomad Parlour Pigeon Poplar Quartz Quay Radish Raft Ridge Robin Rooftop Rust Seal Siren Snail "
    "Sorrel Stork Sundial Thunder Toast Tower Tunnel Umber Vessel Walnut Watermill Wharf Wicker Yard Yew Zinc"
).split()
QUALITIES = "Calm Fancy Keen Muddy Ragged Sly Sour Speckled Sturdy Tall Upturned Yonder".split()
COLLECTIONS = ("Cabinet", "Parcel")
TITLES = ("Duke", "Calm", "Sly", "Muddy", "Speckled", "Keen", "Sour", "Tall")
SUFFIXES = ("V", "EX", "GX", "VMAX")
HEADS = "b d f g h j k l m n p r s t v z bl dr fl gn kl mr pl sl sv tr vl zr dw ty ky ny".split()
VOWELS = "a a e e i i o o u u y ae eo io".split()
JOINTS = (
    "b d g k l m n p r s t v z ld lg lm nd ng nk ns rb rd rg rm rt rv sk sm sp st tr zz mm pp bb gl dl kt ph x"
).split()
TAILS = "n r l s k m t x d sk lm rd ng th lt mp nd ze ve lo ra ni mu ko bi do sha pu".split()

MOVES = (
    "Paper Kite|Kettle Drop|Long Shout|Button Rain|Slow Avalanche|Needle Waltz|Chalk Line|Night Whistle|Ladder Kick|"
    "Hum|Two Left Feet|Copper Tongue|Marble Roll|Sack of Hail|Borrowed Thunder|Gutter Splash|Cold Stare|Wool Shield"
).split("|")
RULES = (
    "Count the cards in your hand. This does 10 more for each.|Both players shuffle their hands and draw four.|"
    "The defending character stays asleep until the next turn.|Put one counter on any benched character.|"
    "You may look at the top card of either deck.|Move one token from this card to another of yours.|"
    "If tails, nothing happens.|This may be used once in a game."
).split("|")
FLAVOURS = (
    "Collects lost gloves and returns them in pairs.|Bakes at night; the village never asks with what.|"
    "Its footprints fill with warm water.|Afraid of bells, fond of clocks.|It has walked to the border twice.|"
    "Keeps a diary that nobody can open.|Sings only in rooms without windows.|Builds small bridges over nothing."
).split("|")
PEOPLE = (
    "Edda Rasmus Ilse Theo Mina Hugo Saskia Aron Vera Pim Noor Janek Lotte Cyril Oda Milan".split(),
    "Bakker Wojcik Fontaine Iversen Castellan Duarte Haas Lehtonen Marek Nygaard Otsuka Pauwels Quint Sorel".split(),
)
HOUSES = ("Teapot Press", "Kettlewright", "North Pier Cards", "Blue Drawer")
KINDS = ("drop", "bolt", "leaf", "eye", "stone", "spiral")


def held_out(word: str) -> bool:
    """Whether a word lies on the test side of the training data's split."""
    return zlib.crc32(word.lower().encode()) % 8 == 0


if not all(held_out(word) for word in (*WORDS, *QUALITIES, *COLLECTIONS, *TITLES)):
    raise ValueError("a word of the second renderer lies on the training side of the split")


def coined(rng: Random) -> str:
    """An invented word of 4 to 10 letters that training never draws."""
    while True:
        word = rng.choice(HEADS) if rng.random() < 0.85 else ""
        for _ in range(rng.choice((0, 1, 1, 2))):
            word += rng.choice(VOWELS) + rng.choice(JOINTS)
        word += rng.choice(VOWELS) + rng.choice(TAILS)
        if 4 <= len(word) <= 10 and held_out(word):
            return word.capitalize()


def card_name(rng: Random) -> str:
    """A name such as `Ozzimu`, `Duke Vlergith GX` or `Nyomaltra the Tall`."""
    name, form = coined(rng), rng.random()
    if form < 0.14:
        name = f"{rng.choice(TITLES)} {name}"
    elif form < 0.2:
        name = f"{name} the {rng.choice(QUALITIES)}"
    elif form < 0.27:
        name = f"{coined(rng)}'s {name}"
    elif form < 0.33:
        name = f"{name} {coined(rng)}"
    elif form < 0.37:
        name = f"{name}-{coined(rng)}"
    if rng.random() < 0.28:
        name = f"{name} {rng.choice(SUFFIXES)}"
    return name if len(name) <= 24 else card_name(rng)


def set_name(rng: Random) -> str:
    """A set name such as `Speckled Wharf`, `Wharf and Juniper` or `Tower in Mezzaki`."""
    forms = (
        lambda: f"{rng.choice(QUALITIES)} {rng.choice(WORDS)}",
        lambda: f"{rng.choice(WORDS)} {rng.choice(WORDS)}",
        lambda: f"{rng.choice(WORDS)} and {rng.choice(WORDS)}",
        lambda: f"{coined(rng)} {rng.choice(WORDS)}",
        lambda: f"{rng.choice(WORDS)} in {coined(rng)}",
        lambda: f"{rng.choice(QUALITIES)} {rng.choice(COLLECTIONS)}",
        lambda: f"{coined(rng)} {rng.choice(COLLECTIONS)}",
        lambda: f"{coined(rng)}",
    )
    while True:
        words = rng.choice(forms)().split()
        if len(set(words)) == len(words) and len(" ".join(words)) <= 24:
            return " ".join(words)


def collector_number(rng: Random) -> str:
    """`NNN/TTT`, padded or not; sometimes beyond the set's count."""
    total = rng.choice((rng.randint(24, 99), rng.randint(100, 290), rng.randint(100, 999)))
    number = rng.randint(1, total) if rng.random() < 0.9 else total + rng.randint(1, 30)
    width = rng.choice((0, 0, 3, 3, 2))
    return f"{number:0{width}d}/{total:0{width}d}"


def promo_code(rng: Random) -> str:
    """Two to four capitals and three digits, now and then with a dash."""
    letters = "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.choice((2, 3, 3, 4))))
    return f"{letters}{'-' if rng.random() < 0.1 else ''}{rng.randint(1, 999):03d}"


@dataclass
class Said:
    """One card's text. `truth` is what is printed; `traps` must never be answered."""

    truth: dict
    rarity_as_symbol: bool
    traps: dict[str, str] = field(default_factory=dict)
    attacks: list[tuple[str, str, str]] = field(default_factory=list)
    flavour: str = ""


def _traps(rng: Random) -> dict[str, str]:
    level, index = rng.randint(2, 99), rng.randint(1, 999)
    artist = f"{rng.choice(PEOPLE[0])} {rng.choice(PEOPLE[1])}"
    lines = {
        "level": (0.35, rng.choice((f"LV.{level}", f"Lv {level}", f"LV. {level}"))),
        "index": (0.45, rng.choice((f"No. {index:03d}", f"Nr. {index}", f"Index {index:03d}"))),
        "artist": (0.8, rng.choice((f"Illus. {artist}", f"Artwork {artist}", f"Drawn by {artist}"))),
        "copyright": (0.75, f"\u00a9 {rng.randint(1998, 2030)} {rng.choice(HOUSES)}"),
        "size": (0.35, f"{rng.randint(2, 9)}.{rng.randint(0, 9)} m, {rng.randint(3, 240)} kg"),
    }
    return {key: text for key, (p, text) in lines.items() if rng.random() < p}


def say(rng: Random) -> Said:
    """Draws one card's text. Every field but the name is sometimes not there."""

    def maybe(p: float, value: object) -> object:
        return value if rng.random() < p else None

    rarity, number = rng.choice(RARITIES), collector_number(rng)
    if rng.random() < 0.15:
        number, rarity = promo_code(rng), rng.choice((rarity, "Promo"))
    hp = rng.randrange(30, 350, 10) if rng.random() < 0.9 else rng.randint(5, 399)
    truth = {
        "name": card_name(rng),
        "hp": maybe(0.9, hp),
        "collector_number": maybe(0.93, number),
        "set_name": maybe(0.8, set_name(rng)),
        "rarity": maybe(0.8, rarity),
        "stage": maybe(0.8, rng.choice(STAGES)),
        "first_edition": rng.random() < 0.3,
    }
    attacks = []
    for _ in range(rng.choice((0, 1, 2, 2, 3))):
        damage = f"{rng.randrange(10, 290, 10)}" + rng.choice(("", "", "", "+", "\u00d7"))
        attacks.append((rng.choice(MOVES), damage, rng.choice(RULES) if rng.random() < 0.7 else ""))
    return Said(
        truth=truth,
        rarity_as_symbol=rarity != "Promo" and rng.random() < 0.5,
        traps=_traps(rng),
        attacks=attacks,
        flavour=rng.choice(FLAVOURS) if rng.random() < 0.7 else "",
    )
