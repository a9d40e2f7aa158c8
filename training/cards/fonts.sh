#!/usr/bin/env bash
# Installs the open-licence fonts from Debian 12 and writes Latin subsets of the
# files that fonts.txt lists into a folder (default: build/fonts, not tracked).
# usage: training/cards/fonts.sh [FOLDER]
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
out="${1:-$here/../../build/fonts}"

packages=(
  python3-fonttools fonts-adf-accanthis fonts-adf-berenis fonts-adf-gillius
  fonts-adf-libris fonts-adf-romande fonts-adf-switzera fonts-adf-tribun
  fonts-adf-universalis fonts-adf-verana fonts-allerta fonts-anonymous-pro
  fonts-arapey fonts-averia-gwf fonts-averia-sans-gwf fonts-averia-serif-gwf
  fonts-b612 fonts-cabin fonts-cantarell fonts-cardo fonts-century-catalogue
  fonts-clear-sans fonts-comfortaa fonts-comic-neue fonts-courier-prime
  fonts-croscore fonts-crosextra-caladea fonts-crosextra-carlito
  fonts-dejavu-core fonts-dejavu-extra fonts-dosis fonts-ebgaramond fonts-elstob
  fonts-eurofurence fonts-fantasque-sans fonts-fanwood fonts-firacode
  fonts-freefont-ttf fonts-gemunu-libre fonts-gfs-neohellenic fonts-go
  fonts-goudybookletter fonts-hack fonts-humor-sans fonts-inconsolata fonts-inter
  fonts-jetbrains-mono fonts-junction fonts-junicode fonts-jura fonts-karla
  fonts-lato fonts-league-mono fonts-league-spartan fonts-liberation2
  fonts-lindenhill fonts-linuxlibertine fonts-lobstertwo fonts-manrope
  fonts-millimetre fonts-mononoki fonts-monoid fonts-mplus fonts-national-park
  fonts-noto-core fonts-noto-extra fonts-noto-mono fonts-okolaks
  fonts-oldstandard fonts-open-sans fonts-opendin fonts-osifont fonts-oxygen
  fonts-paratype fonts-play fonts-prociono fonts-quattrocento fonts-quicksand
  fonts-roadgeek fonts-roboto-slab fonts-roboto-unhinted fonts-routed-gothic
  fonts-sil-andika fonts-sil-charis fonts-sipa-arundina fonts-sora fonts-stix
  fonts-texgyre fonts-tiresias fonts-tuffy fonts-urw-base35 fonts-vollkorn
  fonts-yanone-kaffeesatz
)
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  apt-get install -y --no-install-recommends "${packages[@]}" >/dev/null
fi
exec /usr/bin/python3 "$here/subset_fonts.py" "$here/fonts.txt" "$out"
