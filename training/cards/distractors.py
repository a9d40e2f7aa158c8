"""What a card says besides its fields, and what must never be answered: attacks, rules, artists, levels.

In training most of it is made of the same words as names and set names, so that only where
and how a text stands tells a set name from an attack, not its vocabulary.
"""

from random import Random

from fields import STAGES
from words import coined, joined, training_word, wild

MOVES_A = "Ember Tail Claw Rapid Gale Mud Leaf Spark Sonic Iron Water Star Rock Mind Venom Quick".split()
MOVES_B = "Slash Burst Bite Wave Rush Toss Pulse Strike Coil Dance Beam Crush Storm Guard Jab Spin".split()
GIVEN = "Ana Tomas Mirei Jon Sofia Kenzo Lena Omar Petra Ravi Yuki Carlo Nadia Felix Ines Bo".split()
FAMILY = "Varga Ito Lindqvist Moreau Okafor Petrov Santos Kimura Hale Novak Reyes Brandt Silva Wu".split()
RULES = (
    "Flip a coin. If heads, this attack does more damage.|Draw two cards from your deck.|"
    "Discard one energy attached to this creature.|Your opponent cannot retreat next turn.|"
    "Heal thirty damage from one of your creatures.|Search your deck for a basic creature.|"
    "This attack is not affected by weakness.|Once during your turn you may switch places."
).split("|")
FLAVOR = (
    "It sleeps under the roots and wakes only when it rains.|Travellers follow its lantern over "
    "the pass.|Old maps mark its nest with a small red sun.|It hums so low that windows tremble.|"
    "The elders say it once carried the moon.|It trades bright pebbles for a bowl of milk.|"
    "Its shell records every winter it has seen.|Nobody has ever counted all of its tails."
).split("|")
SPECIES = "Lantern Fox,Pebble Moth,River Drake,Moss Bear,Cloud Ray,Cinder Owl,Reef Hound,Ash Newt".split(",")
STUDIOS = ("Lumen Forge", "Paper Comet", "Old Lantern")
PLAIN = (
    "a an the it its of to in on one two all each any you your may this that card cards deck hand turn coin heads tails "
    "draw discard put take look search attack damage energy more less next until when while if then switch bench top bottom "
    "opponent creature creatures basic stage rare common first edition set level heal places counter once during before"
).split()


def _attack_title(rng: Random) -> str:
    """For training: one to three words of any make, as a name or a set name might be."""
    if rng.random() < 0.25:
        return f"{rng.choice(MOVES_A)} {rng.choice(MOVES_B)}"
    form, a, b = rng.random(), training_word(rng), training_word(rng)
    title = a if form < 0.3 else joined(rng, a, b) if form < 0.42 else f"{a} {b}"
    if form > 0.9:
        title = f"{a} {b} {training_word(rng)}"
    return title if len(title) <= 24 else _attack_title(rng)


def _sentence(rng: Random) -> str:
    """For training: plain words with invented ones and numbers between them."""
    words = []
    for _ in range(rng.randint(3, 12)):
        form = rng.random()
        words.append(rng.choice(PLAIN) if form < 0.72 else training_word(rng).lower() if form < 0.94 else str(rng.randint(1, 200)))
    text = " ".join(words)
    return text[0].upper() + text[1:] + rng.choice(("", ".", ".", ".", "!"))


def attacks(rng: Random, test: bool) -> list[tuple[str, str, str]]:
    """(title, damage, rules) of each attack."""
    drawn = []
    for _ in range(rng.choice((0, 1, 1, 2, 2) if test else (0, 1, 1, 2, 2, 3))):
        damage = f"{rng.randrange(10, 300, 10)}" + rng.choice(("", "", "+", "\u00d7"))
        rules = rng.choice(RULES) if rng.random() < 0.6 else ""
        if test:
            title = f"{rng.choice(MOVES_A)} {rng.choice(MOVES_B)}"
        else:
            title = _attack_title(rng)
            damage = "" if rng.random() < 0.1 else damage
            rules = _sentence(rng) if rules and rng.random() < 0.7 else rules
        drawn.append((title, damage, rules))
    return drawn


def flavor(rng: Random, test: bool) -> str:
    """A line about the creature, on half of the cards."""
    text = rng.choice(FLAVOR) if rng.random() < 0.5 else ""
    return _sentence(rng) if text and not test and rng.random() < 0.7 else text


def traps(rng: Random, stage: str | None, test: bool) -> dict[str, str]:
    """Lines that look like fields and are none, by the element's name."""
    level, index = rng.randint(2, 99), rng.randint(1, 999)
    year, studio = rng.randint(1996, 2031), rng.choice(STUDIOS)
    artist = f"{rng.choice(GIVEN)} {rng.choice(FAMILY)}"
    choices = {
        "level": (0.3, rng.choice((f"LV.{level}", f"Lv. {level}", f"LEVEL {level}"))),
        "index": (0.4, rng.choice((f"No. {index}", f"No.{index:03d}", f"NO. {index:04d}"))),
        "artist": (0.75, rng.choice((f"Illus. {artist}", f"Art by {artist}", f"Illustrated by {artist}"))),
        "copyright": (0.7, f"\u00a9{year} {studio} Games"),
        "species": (0.4, f"{rng.choice(SPECIES)}. Height {rng.randint(1, 9)}'{rng.randint(0, 11)}\""),
    }
    if stage in STAGES[1:]:
        choices["evolves"] = (0.5, f"Evolves from {coined(rng, False)}")
    shown = {key: text for key, (p, text) in choices.items() if rng.random() < p}
    return shown if test else {key: _varied_trap(rng, key, text, index) for key, text in shown.items()}


def _varied_trap(rng: Random, key: str, text: str, index: int) -> str:
    """For training: now and then other words or another make of the line."""
    if rng.random() < 0.4:
        return text
    a, b = training_word(rng), training_word(rng)
    if key == "level":
        return rng.choice((f"Lvl {index % 100}", f"L{index % 100}", f"Level: {index % 100}", f"lv{index % 100}"))
    if key == "index":
        return rng.choice((f"Nr {index}", f"#{index:03d}", f"Index {index}", f"Creature {index:03d}", f"No {index}"))
    if key == "artist":
        return rng.choice(("Illus.", "Art by", "Art:", "Painted by", "Pictures by", "Drawing:", "Design")) + f" {a} {b}"
    if key == "copyright":
        year = rng.randint(1980, 2040)
        return rng.choice((f"\u00a9 {year} {a} {b}", f"(c){year} {a} Cards", f"\u00a9{a} {b} {year}", f"{year} {a} Company"))
    if key == "species":
        size = rng.choice((f"Weight {index} lbs", f"{index % 9}.{index % 10} m", f"HT {index % 7}'{index % 12}\"", f"{index} kg"))
        return rng.choice((f"{a} {b}, {size}", f"{size}", f"{wild(rng)} creature. {size}", f"The {a.lower()} {b.lower()}"))
    return rng.choice((f"Evolves from {a}", f"From {a}", f"Evolution of {a}", f"Put on {a} {b}", f"Grows from {a}"))
