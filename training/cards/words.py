"""Invented words, split by hash: names and set names are made of them.

A word belongs to the test split by its hash, so that no training run ever draws it. What is
marked as for training makes wider words, which no language model helps to read.
"""

import re
import zlib
from random import Random

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

FORBIDDEN = ("null", "true", "false")
# What a misspelling may take for a letter: any of its group.
LOOK_ALIKE = ("iltfjr", "aoecu", "nmrhu", "vwyx", "szxe", "oqgcd", "bhdpk", "gqpy", "efpbr")
# What print at its smallest makes one of: each letter in one group only.
ALIKE = {
    c: group
    for group in ("li", "ce", "ao", "trf", "nm", "hb", "vy", "dg", "sz", "uw", "FPE", "CGO", "MHN", "RKB", "VUY", "SZ", "LT", "QD")
    for c in group
}


def hashed(text: str, modulus: int) -> bool:
    """Whether a text belongs to the test split."""
    return zlib.crc32(text.lower().encode()) % modulus == 0


def coined(rng: Random, test: bool) -> str:
    """An invented word of 4 to 11 letters on the asked side of the split."""
    while True:
        count = rng.choice((1, 2, 2, 2, 3))
        parts = [rng.choice(ONSETS) + rng.choice(NUCLEI) + rng.choice(CODAS) for _ in range(count)]
        word = "".join(parts) + rng.choice(ENDINGS)
        if not 4 <= len(word) <= 11 or any(bad in word for bad in FORBIDDEN):
            continue
        if hashed(word, 8) == test:
            return word.capitalize()


def misspelt(rng: Random, word: str) -> str:
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


def alike(rng: Random, text: str, share: float) -> str:
    """A text at times with half of its letters drawn again among those that look alike, so that only the print tells them apart.

    Invented words still have habits: `l` before a consonant was rare in them, and small letters were read `i` there.
    """
    if rng.random() >= share:
        return text

    def again(match: re.Match) -> str:
        word = match[0]
        drawn = "".join(rng.choice(ALIKE[c]) if c in ALIKE and rng.random() < 0.5 else c for c in word)
        kept = word in JOINS or hashed(drawn, 8) or any(bad in drawn.lower() for bad in FORBIDDEN)
        return word if kept else drawn

    return re.sub(r"[^\s'-]+", again, text)


def unvoiced(rng: Random) -> str:
    """A word of letters drawn at random, which no language model helps to read."""
    word = "".join(rng.choice("aabcdeefghiijklmnoopqrstuuvwxyz") for _ in range(rng.randint(3, 9)))
    return unvoiced(rng) if any(bad in word for bad in FORBIDDEN) else word.capitalize()


# For training only: small words that stand between the large ones, and where.
JOINS = (
    "of and the by in to from at with for on under over beyond into without or beneath between through upon near "
    "after before against within as versus de la el von du"
).split()
VOWELS, CONSONANTS = "aaeeiioouuy", "bbccddffgghhjkkllmmnnppqrrssttvwxz"


def wild(rng: Random, shortest: int = 3, longest: int = 11) -> str:
    """An invented word of any make: vowels first, doubled letters, clusters; on the training side."""
    while True:
        letters, vowel = "", rng.random() < 0.35
        length = rng.randint(shortest, longest)
        while len(letters) < length:
            letter = rng.choice(VOWELS if vowel else CONSONANTS)
            letters += letter * (2 if rng.random() < 0.09 else 1)
            vowel = not vowel if rng.random() < 0.8 else vowel
        word = letters[:length]
        if not any(bad in word for bad in FORBIDDEN) and not hashed(word, 8):
            return word.capitalize()


def training_word(rng: Random) -> str:
    """A large word of a training name: coined, of any make, or of the vocabulary, often misspelt."""
    form = rng.random()
    if form < 0.34:
        return coined(rng, False)
    if form < 0.68:
        return wild(rng)
    word = rng.choice((*SET_FIRST, *SET_LAST, *TITLES))
    word = misspelt(rng, word) if rng.random() < 0.6 else word
    return coined(rng, False) if hashed(word, 8) else word


def joined(rng: Random, first: str, last: str) -> str:
    """Two large words with small ones between them."""
    join = rng.choice(JOINS) if rng.random() < 0.6 else rng.choice(JOINS[:8])
    if join != "the" and rng.random() < 0.3:
        join += rng.choice((" the", " the", " a", " an"))
    if rng.random() < 0.15:
        join = " ".join(w.capitalize() for w in join.split())
    return f"{first} {join} {last}"


def recased(rng: Random, text: str, capitals: float) -> str:
    """Sometimes all capitals or, rarely, all small: read as it is printed."""
    form = rng.random()
    return text.upper() if form < capitals else text.lower() if form < capitals + 0.02 else text
