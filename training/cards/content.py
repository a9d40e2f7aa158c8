"""What a fictional card says: invented names, sets, numbers and traps, split by hash.

Names and set names belong to the test split by a hash of their words, so that no
training run ever draws them. Everything is drawn from a `random.Random`.
"""

import zlib
from dataclasses import dataclass, field
from random import Random

from fields import RARITIES, STAGES

ONSETS = (
    "b br c ch cl cr d dr f fl fr g gl gr h j k kr l m n p ph pl pr qu r s sc sh sk sl sm "
    "sn sp st str sw t th tr tw v vr w wh x y z zh"
).split()
NUCLEI = "a e i o u a e i o u ae ai au ea ee ei ia io oa oo ou oi y ui".split()
CODAS = ["", "", "", "", "", *"n r l s t k m th nd rk x sh ng lt rn st ff ss ck p b d g z mp".split()]
ENDINGS = ["", "", "", *"ion ara ix or ox ling wing fang horn tail ette ius ora yx ode agon".split()]
TITLES = (
    "Dark Elder Swift Iron Frost Ember Young Radiant Shadow Mossy Royal Storm Dusk Dawn "
    "Ancient Feral Gilded Hollow Lunar Astral Tidal Vivid Wild Rusty Crimson Azure"
).split()
SUFFIXES = ("V", "EX", "GX", "VMAX")

SET_FIRST = (
    "Ancient Amber Arcane Ashen Astral Autumn Blazing Boundless Brazen Broken Burning Celestial "
    "Cobalt Copper Crimson Crystal Cursed Dawning Deep Distant Drifting Echoing Eclipsed Electric "
    "Emerald Endless Enchanted Eternal Fabled Fallen Fearless Feral Fierce Flashing Floating "
    "Forgotten Fractured Frozen Gathering Gilded Gleaming Golden Grand Hidden Hollow Howling "
    "Infinite Iron Ivory Jade Kindled Last Lost Lucid Luminous Lunar Magnetic Mighty Mirrored "
    "Mystic Nameless Noble Northern Obsidian Onyx Opal Painted Pale Phantom Primal Quiet Radiant "
    "Restless Rising Roaring Royal Ruby Rugged Sacred Sapphire Savage Scarlet Secret Shattered "
    "Shifting Silent Silver Sleeping Solar Southern Sparkling Spectral Stellar Stormy Sunken "
    "Swift Tangled Thundering Tidal Timeless Twilight Twin Unbound Vanished Velvet Verdant "
    "Violet Wandering Western Whispering Wild Windswept Winter Wondrous"
).split()
SET_LAST = (
    "Abyss Accord Alliance Altar Anthem Arena Ascent Atlas Aurora Awakening Bastion Bazaar Beacon "
    "Blossom Bonds Bridge Canyon Caravan Cascade Cavern Champions Chorus Chronicle Citadel "
    "Clash Coast Comet Convergence Council Court Crossroads Crown Current Depths Descent Desert "
    "Destiny Dominion Dragons Dream Dunes Dynasty Echoes Eclipse Edge Embers Empire Epoch Expanse "
    "Falls Fables Feathers Festival Flames Flight Forest Forge Fortress Frontier Fury Galaxy "
    "Gardens Gate Genesis Glacier Glade Guardians Harbor Harvest Haven Heart Heights Heralds "
    "Heroes Highlands Hollow Horizon Hunters Impact Island Journey Jungle Keep Kingdom Labyrinth "
    "Lagoon Lands Legacy Legends Light Lullaby Marsh Mirage Mist Monarchs Moon Mountain Myths "
    "Nebula Nexus Night Oasis Oath Ocean Odyssey Omens Oracle Orbit Origins Outpost Paradox Path "
    "Peaks Phantoms Pinnacle Prism Prophecy Quest Rebellion Refuge Reign Relics Requiem Reverie "
    "Rift Rivals River Ruins Saga Sanctuary Sands Scales Seeds Shadows Shore Skies Songs Spark "
    "Spires Spirits Springs Stars Storm Stronghold Summit Tempest Temple Thorns Throne Tides "
    "Titans Trail Treasures Trials Twilight Valley Vanguard Vault Verge Voyage Wardens Waves "
    "Whispers Wilds Wings Winter Woods Zenith"
).split()

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
TYPES = ("ember", "tide", "leaf", "volt", "mind", "stone", "shade", "steel")
FORBIDDEN = ("null", "true", "false")
LOOK_ALIKE = ("iltfjr", "aoecu", "nmrhu", "vwyx", "szxe", "oqgcd", "bhdpk", "gqpy", "efpbr")


def _hashed(text: str, modulus: int) -> bool:
    """Whether a text belongs to the test split."""
    return zlib.crc32(text.lower().encode()) % modulus == 0


def _coined(rng: Random, test: bool) -> str:
    """An invented word of 4 to 11 letters on the asked side of the split."""
    while True:
        count = rng.choice((1, 2, 2, 2, 3))
        parts = [rng.choice(ONSETS) + rng.choice(NUCLEI) + rng.choice(CODAS) for _ in range(count)]
        word = "".join(parts) + rng.choice(ENDINGS)
        if not 4 <= len(word) <= 11 or any(bad in word for bad in FORBIDDEN):
            continue
        if _hashed(word, 8) == test:
            return word.capitalize()


def card_name(rng: Random, test: bool) -> str:
    """A name such as `Torvaleth`, `Frost Mirune VMAX` or `Kelo's Drannix`."""
    name = _coined(rng, test)
    form = rng.random()
    if form < 0.16:
        name = f"{rng.choice(TITLES)} {name}"
    elif form < 0.22:
        name = f"{_coined(rng, test)}'s {name}"
    elif form < 0.28:
        name = f"{name} {_coined(rng, test)}"
    elif form < 0.31:
        name = f"{name}-{_coined(rng, test)}"
    if rng.random() < 0.3:
        name = f"{name} {rng.choice(SUFFIXES)}"
    return name if len(name) <= 24 else card_name(rng, test)


def _misspelt(rng: Random, word: str) -> str:
    """A word with a letter replaced, added, dropped or swapped, often for one that looks alike."""
    at = rng.randrange(len(word))
    old, form = word[at].lower(), rng.random()
    alike = [c for group in LOOK_ALIKE if old in group for c in group if c != old]
    new = rng.choice(alike) if alike and rng.random() < 0.5 else rng.choice("abcdefghijklmnopqrstuvwxyz")
    if form < 0.7:
        changed = word[:at] + new + word[at + 1 :]
    elif form < 0.8:
        changed = word[:at] + new + word[at:]
    elif form < 0.9:
        changed = word[:at] + word[at + 1 :]
    else:
        changed = word[:at] + word[at : at + 2][::-1] + word[at + 2 :]
    changed = changed.capitalize()
    return word if any(bad in changed.lower() for bad in FORBIDDEN) else changed


def _unvoiced(rng: Random) -> str:
    """A word of letters drawn at random, which no language model helps to read."""
    word = "".join(rng.choice("aabcdeefghiijklmnoopqrstuuvwxyz") for _ in range(rng.randint(3, 9)))
    return _unvoiced(rng) if any(bad in word for bad in FORBIDDEN) else word.capitalize()


# For training only: small words that stand between the large ones, and where.
JOINS = (
    "of and the by in to from at with for on under over beyond into without or beneath between through upon near "
    "after before against within as versus de la el von du"
).split()
VOWELS, CONSONANTS = "aaeeiioouuy", "bbccddffgghhjkkllmmnnppqrrssttvwxz"
LONGEST_PAIR = 53  # bytes of name and set name together that an answer has room for


def _wild(rng: Random, shortest: int = 3, longest: int = 11) -> str:
    """An invented word of any make: vowels first, doubled letters, clusters; on the training side."""
    while True:
        letters, vowel = "", rng.random() < 0.35
        length = rng.randint(shortest, longest)
        while len(letters) < length:
            letter = rng.choice(VOWELS if vowel else CONSONANTS)
            letters += letter * (2 if rng.random() < 0.09 else 1)
            vowel = not vowel if rng.random() < 0.8 else vowel
        word = letters[:length]
        if not any(bad in word for bad in FORBIDDEN) and not _hashed(word, 8):
            return word.capitalize()


def _training_word(rng: Random) -> str:
    """A large word of a training name: coined, of any make, or of the vocabulary, often misspelt."""
    form = rng.random()
    if form < 0.34:
        return _coined(rng, False)
    if form < 0.68:
        return _wild(rng)
    word = rng.choice((*SET_FIRST, *SET_LAST, *TITLES))
    word = _misspelt(rng, word) if rng.random() < 0.6 else word
    return _coined(rng, False) if _hashed(word, 8) else word


def _joined(rng: Random, first: str, last: str) -> str:
    """Two large words with small ones between them."""
    join = rng.choice(JOINS) if rng.random() < 0.6 else rng.choice(JOINS[:8])
    if join != "the" and rng.random() < 0.3:
        join += rng.choice((" the", " the", " a", " an"))
    if rng.random() < 0.15:
        join = " ".join(w.capitalize() for w in join.split())
    return f"{first} {join} {last}"


def _recased(rng: Random, text: str, capitals: float) -> str:
    """Sometimes all capitals or, rarely, all small: read as it is printed."""
    form = rng.random()
    return text.upper() if form < capitals else text.lower() if form < capitals + 0.02 else text


def training_card_name(rng: Random) -> str:
    """A name for training: half as `card_name` draws them, half of wider make."""
    if rng.random() < 0.45:
        name = card_name(rng, False)
    else:
        while True:
            form, a, b = rng.random(), _training_word(rng), _training_word(rng)
            if form < 0.42:
                name = a
            elif form < 0.62:
                name = f"{a} {b}"
            elif form < 0.72:
                name = f"{a}-{b}" if rng.random() < 0.7 else f"{a}-{b.lower()}"
            elif form < 0.8:
                name = f"{a}'s {b}" if rng.random() < 0.8 else f"{a[:2]}'{b}"
            elif form < 0.95:
                name = _joined(rng, a, b)
            else:
                name = f"{a} {b} {_training_word(rng)}"
            if rng.random() < 0.22:
                name += ("-" if rng.random() < 0.15 else " ") + rng.choice(SUFFIXES)
            if len(name) <= 26:
                break
    return _recased(rng, name, 0.1)


def training_set_name(rng: Random) -> str:
    """A set name for training: half as below, half of one to three words of any make, small words between."""
    if rng.random() < 0.5:
        return _recased(rng, _changed_set_name(rng), 0.08)
    while True:
        form, a, b = rng.random(), _training_word(rng), _training_word(rng)
        if form < 0.2:
            name = a
        elif form < 0.42:
            name = f"{a} {b}"
        elif form < 0.74:
            name = _joined(rng, a, b)
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
            name = f"{a} {b} {_training_word(rng)}"
        if len(name) <= 28:
            return _recased(rng, name, 0.12)


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
            words[i] = _misspelt(rng, word) if form < 0.6 else _coined(rng, False) if form < 0.85 else _unvoiced(rng)
    changed = " ".join(words)
    held = any(_hashed(word, 8) for word in words)
    return name if held or len(changed) > 26 else changed


def set_name(rng: Random, test: bool) -> str:
    """A set name; in the test split at least one of its words is never trained on."""
    while True:
        first, last = rng.choice(SET_FIRST), rng.choice(SET_LAST)
        form = rng.random()
        if form < 0.5:
            words = [first, last]
        elif form < 0.68:
            words = [_coined(rng, test), last]
        elif form < 0.8:
            words = [last, "of", _coined(rng, test)]
        elif form < 0.88:
            words = ["The", first, last]
        elif form < 0.95:
            words = [last, "&", rng.choice(SET_LAST)]
        else:
            words = [first, _coined(rng, test)]
        own = [w for w in words if w not in ("of", "The", "&")]
        held = any(_hashed(w, 8) for w in own)
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


def _traps(rng: Random, stage: str | None) -> dict[str, str]:
    """Lines that look like fields and are none."""
    level, index = rng.randint(2, 99), rng.randint(1, 999)
    year, studio = rng.randint(1996, 2031), rng.choice(("Lumen Forge", "Paper Comet", "Old Lantern"))
    artist = f"{rng.choice(GIVEN)} {rng.choice(FAMILY)}"
    choices = {
        "level": (0.3, rng.choice((f"LV.{level}", f"Lv. {level}", f"LEVEL {level}"))),
        "index": (0.4, rng.choice((f"No. {index}", f"No.{index:03d}", f"NO. {index:04d}"))),
        "artist": (0.75, rng.choice((f"Illus. {artist}", f"Art by {artist}", f"Illustrated by {artist}"))),
        "copyright": (0.7, f"\u00a9{year} {studio} Games"),
        "species": (0.4, f"{rng.choice(SPECIES)}. Height {rng.randint(1, 9)}'{rng.randint(0, 11)}\""),
    }
    if stage in STAGES[1:]:
        choices["evolves"] = (0.5, f"Evolves from {_coined(rng, False)}")
    return {key: text for key, (p, text) in choices.items() if rng.random() < p}


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
    attacks = []
    for _ in range(rng.choice((0, 1, 1, 2, 2))):
        damage = f"{rng.randrange(10, 300, 10)}" + rng.choice(("", "", "+", "\u00d7"))
        rules = rng.choice(RULES) if rng.random() < 0.6 else ""
        attacks.append((f"{rng.choice(MOVES_A)} {rng.choice(MOVES_B)}", damage, rules))
    return Content(
        truth=truth,
        kind=rng.choice(TYPES),
        rarity_form=rng.choice(("word", "symbol")),
        traps=_traps(rng, stage),
        attacks=attacks,
        flavor=rng.choice(FLAVOR) if rng.random() < 0.5 else "",
    )
