"""Writes Latin subsets of the fonts that fonts.txt lists (called by fonts.sh).

Every output is `SPLIT.KIND.FAMILY.N.ttf|otf`, so that the folder alone says which
side of the split a file stands on. A font without one of the characters that a
card needs is refused by name.
"""

import logging
import string
import sys
from pathlib import Path

from fontTools import subset

REQUIRED = string.ascii_letters + string.digits + " /.,-':"
WANTED = string.printable[:95] + "\u00a9\u00d7\u2212\u2022\u2019\u2013"


def subset_file(source: Path, target: Path) -> None:
    """Writes the glyphs of WANTED, without hinting or layout features but kerning."""
    options = subset.Options()
    options.hinting = False
    options.layout_features = ["kern"]
    options.name_IDs = [0, 1, 2, 13]
    options.notdef_outline = True
    options.ignore_missing_unicodes = True
    font = subset.load_font(str(source), options)
    missing = [c for c in REQUIRED if ord(c) not in font.getBestCmap()]
    if missing:
        raise ValueError(f"{source}: lacks {''.join(missing)!r}")
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[ord(c) for c in WANTED])
    subsetter.subset(font)
    subset.save_font(font, str(target), options)


def main() -> None:
    listing, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    written = 0
    for line in listing.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        split, kind, family, folder, patterns = line.split()
        sources = [p for g in patterns.split(",") for p in sorted(Path(folder).glob(g))]
        if len(sources) < len(patterns.split(",")):
            print(f"warning: {family}: found {len(sources)} of {patterns}", file=sys.stderr)
        for index, source in enumerate(sources):
            target = out / f"{split}.{kind}.{family}.{index}{source.suffix}"
            try:
                subset_file(source, target)
            except (ValueError, KeyError) as error:
                print(f"warning: {error}", file=sys.stderr)
                continue
            written += 1
    size = sum(p.stat().st_size for p in out.iterdir())
    print(f"{written} fonts, {size / 1e6:.1f} MB in {out}")


if __name__ == "__main__":
    main()
