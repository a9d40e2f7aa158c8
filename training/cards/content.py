"""What a fictional card says: invented names, sets, numbers and traps, split by hash.

Names and set names belong to the test split by a hash of their words, so that no
training run ever draws them. Everything is drawn from a `random.Random`.
"""

from dataclasses import dataclass, field
from random import Random

import distractors
from fields import RARITIES, STAGES
from words import SET_FIRST, SET_LAST, TITLES, alike, coined, hashed, joined, misspelt, recased, training_word, unvoiced

SUFFIXES = ("V", "EX", "GX", "VMAX")
TYPES = ("ember", "tide", "leaf", "volt", "mind", "stone", "shade", "steel")
LONGEST_PAIR = 53  # bytes of name and set name together that an answer has room for


def card_name(rng: Random, test: bool) -> str:
    """A name such as `Torvaleth`, `Frost Mirune VMAX` or `Kelo's Drannix`."""
    name = coined(rng, test)
    form = rng.random()
    if form < 0.16:
        name = f"{rng.choice(TITLES)} {name}"
    elif form < 0.22:
        name = f"{coined(rng, test)}'s {name}"
    elif form < 0.28:
        name = f"{name} {coined(rng, test)}"
    elif form < 0.31:
        name = f"{name}-{coined(rng, test)}"
    if rng.random() < 0.3:
        name = f"{name} {rng.choice(SUFFIXES)}"
    return name if len(name) <= 24 else card_name(rng, test)


def training_card_name(rng: Random) -> str:
    """A name for training: half as `card_name` draws them, half of wider make."""
    if rng.random() < 0.45:
        name = card_name(rng, False)
    else:
        while True:
            form, a, b = rng.random(), training_word(rng), training_word(rng)
            if form < 0.42:
                name = a
            elif form < 0.62:
                name = f"{a} {b}"
            elif form < 0.72:
                name = f"{a}-{b}" if rng.random() < 0.7 else f"{a}-{b.lower()}"
            elif form < 0.8:
                name = f"{a}'s {b}" if rng.random() < 0.8 else f"{a[:2]}'{b}"
            elif form < 0.95:
                name = joined(rng, a, b)
            else:
                name = f"{a} {b} {training_word(rng)}"
            if rng.random() < 0.22:
                name += ("-" if rng.random() < 0.15 else " ") + rng.choice(SUFFIXES)
            if len(name) <= 26:
                break
    return recased(rng, alike(rng, name, 0.3), 0.1)


def training_set_name(rng: Random) -> str:
    """A set name for training: half as below, half of one to three words of any make, small words between."""
    if rng.random() < 0.5:
        return recased(rng, alike(rng, _changed_set_name(rng), 0.3), 0.08)
    while True:
        form, a, b = rng.random(), training_word(rng), training_word(rng)
        if form < 0.2:
            name = a
        elif form < 0.42:
            name = f"{a} {b}"
        elif form < 0.74:
            name = joined(rng, a, b)
        elif form < 0.8:
            name = f"The {a} " + rng.choice((b, f"of {b}", f"of the {b}"))
        elif form < 0.86:
            name = f"{a}: {b}"
        elif form < 0.9:
            name = f"{a} & {b}"
        elif form < 0.94:
            name = f"{a}'s {b}"
        elif form < 0.97:
            name = f"{a}-{b}"
        else:
            name = f"{a} {b} {training_word(rng)}"
        if len(name) <= 28:
            return recased(rng, alike(rng, name, 0.3), 0.12)


def training_number(rng: Random) -> str:
    """A collector number for training, at times with letters on one side or both."""
    form = rng.random()
    if form < 0.86:
        return collector_number(rng)
    prefix = "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.choice((1, 2, 2))))
    total = rng.randint(5, 120)
    number, width = rng.randint(1, total), rng.choice((1, 2, 2, 3))
    left = f"{prefix}{number:0{width}d}"
    return f"{left}/{prefix}{total:0{width}d}" if form < 0.93 else f"{left}/{total:0{width}d}"


def _changed_set_name(rng: Random) -> str:
    """A set name of `set_name`'s forms: seven in ten have words outside the vocabulary.

    That keeps training from guessing by vocabulary what it should read.
    """
    name = set_name(rng, False)
    if rng.random() < 0.3:
        return name
    words = name.split()
    for i, word in enumerate(words):
        if len(word) > 3 and rng.random() < 0.8:
            form = rng.random()
            words[i] = misspelt(rng, word) if form < 0.6 else coined(rng, False) if form < 0.85 else unvoiced(rng)
    changed = " ".join(words)
    held = any(hashed(word, 8) for word in words)
    return name if held or len(changed) > 26 else changed


def set_name(rng: Random, test: bool) -> str:
    """A set name; in the test split at least one of its words is never trained on."""
    while True:
        first, last = rng.choice(SET_FIRST), rng.choice(SET_LAST)
        form = rng.random()
        if form < 0.5:
            words = [first, last]
        elif form < 0.68:
            words = [coined(rng, test), last]
        elif form < 0.8:
            words = [last, "of", coined(rng, test)]
        elif form < 0.88:
            words = ["The", first, last]
        elif form < 0.95:
            words = [last, "&", rng.choice(SET_LAST)]
        else:
            words = [first, coined(rng, test)]
        own = [w for w in words if w not in ("of", "The", "&")]
        held = any(hashed(w, 8) for w in own)
        if held == test and len(set(own)) == len(own) and len(" ".join(words)) <= 26:
            return " ".join(words)


def collector_number(rng: Random) -> str:
    """`NNN/TTT`, padded or not."""
    total = rng.choice((rng.randint(20, 99), rng.randint(100, 300), rng.randint(100, 999)))
    number = rng.randint(1, total)
    if rng.random() < 0.12:
        number = total + rng.randint(1, 40)
    width = rng.choice((0, 2, 3, 3))
    return f"{number:0{width}d}/{total:0{width}d}"


def promo_code(rng: Random) -> str:
    """Two to four capitals and two or three digits, such as `SWP042`."""
    letters = "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.choice((2, 3, 3, 4))))
    dash = "-" if rng.random() < 0.1 else ""
    return f"{letters}{dash}{rng.randint(1, 999):03d}"


@dataclass
class Content:
    """One card's text. `truth` is what is printed; `traps` must never be answered."""

    truth: dict
    kind: str
    rarity_form: str
    traps: dict[str, str] = field(default_factory=dict)
    attacks: list[tuple[str, str, str]] = field(default_factory=list)
    flavor: str = ""


def draw_content(rng: Random, test: bool) -> Content:
    """Draws one card of the asked split. Every field but the name is sometimes None."""

    def maybe(p: float, value):
        return value if rng.random() < p else None

    rarity = rng.choice(RARITIES)
    number = collector_number(rng) if test else training_number(rng)
    if rng.random() < 0.15:
        number, rarity = promo_code(rng), rng.choice((rarity, "Promo"))
    hp = rng.randrange(30, 350, 10) if rng.random() < 0.9 else rng.randint(5, 399)
    stage = maybe(0.8, rng.choice(STAGES))
    truth = {
        "name": card_name(rng, True) if test else training_card_name(rng),
        "hp": maybe(0.9, hp),
        "collector_number": maybe(0.93, number),
        "set_name": maybe(0.75, set_name(rng, True) if test else training_set_name(rng)),
        "rarity": maybe(0.8, rarity),
        "stage": stage,
        "first_edition": rng.random() < 0.3,
    }
    if not test:
        while len(truth["name"]) + len(truth["set_name"] or "") > LONGEST_PAIR:
            truth["name"] = training_card_name(rng)
    attacks = distractors.attacks(rng, test)
    return Content(
        truth=truth,
        kind=rng.choice(TYPES),
        rarity_form=rng.choice(("word", "symbol")),
        traps=distractors.traps(rng, stage, test),
        attacks=attacks,
        flavor=distractors.flavor(rng, test),
    )
