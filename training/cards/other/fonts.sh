#!/usr/bin/env bash
# Installs Chromium and the second renderer's fonts from Debian 12 and writes Latin subsets of the files that
# fonts.txt lists into a folder (default: build/fonts-other, not tracked), named KIND.FAMILY.WEIGHT.otf.
# usage: training/cards/other/fonts.sh [FOLDER]
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
out="${1:-$here/../../../build/fonts-other}"

packages=(
  chromium python3-fonttools python3-numpy python3-pil fonts-adf-baskervald fonts-adf-ikarius fonts-adf-mekanus
  fonts-agave fonts-beteckna fonts-cmu fonts-compagnon fonts-georgewilliams fonts-gfs-artemisia fonts-hermit
  fonts-hosny-amiri fonts-lemonada fonts-lmodern fonts-lxgw-wenkai fonts-morisawa-bizud-gothic
  fonts-motoya-l-maruberi fonts-nanum fonts-noto-cjk fonts-ocr-b fonts-rocknroll fonts-sil-gentiumplus
  fonts-smc-gayathri fonts-smc-manjari fonts-smiley-sans fonts-yrsa-rasa
)
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  apt-get install -y --no-install-recommends "${packages[@]}" >/dev/null
fi
mkdir -p "$out"
while read -r kind family files; do
  [[ $kind != '#' && -n $kind ]] || continue
  index=0
  for file in $files; do
    number=()
    [[ $file != *.ttc ]] || number=(--font-number=0)
    /usr/bin/python3 -m fontTools.subset "$file" "${number[@]}" --unicodes=U+0020-007E,U+00A9,U+00D7 --layout-features=kern --no-hinting \
      --output-file="$out/$kind.$family.$index.otf" 2>/dev/null
    index=$((index + 1))
  done
done <"$here/fonts.txt"
echo "$(find "$out" -name '*.otf' | wc -l) fonts in $out"
