#!/usr/bin/env bash
# One training run with its evaluation, on a machine with a GPU.
# usage: training/cards/run.sh OUT SECONDS [further arguments of train.py]
# SPLITS names the evaluation sets to draw and measure (default "clean camera", CARDS of each), VERIFY=1 loads
# the result in transformers too. OUT gets train.log, summary.json and the exported model in
# pieces of 15 MB (cat model.tgz.* | tar xz); WORK keeps the checkpoint (default: a new folder).
set -uo pipefail
export PYTHONUNBUFFERED=1 OMP_NUM_THREADS=2
out=$1 seconds=$2
shift 2
here="$(cd "$(dirname "$0")" && pwd)"
work=${WORK:-$(mktemp -d)}
fonts=${FONTS:-build/fonts}
mkdir -p "$work"

data=()
for split in ${SPLITS-clean camera}; do
  data+=(--data "$work/$split")
done
(
  for split in ${SPLITS-clean camera}; do
    [ -f "$work/$split/manifest.jsonl" ] && continue
    nice -n 15 python3 "$here/make_eval.py" --split "$split" --n "${CARDS:-1024}" --seed 20000 --fonts "$fonts" \
      --out "$work/$split" --workers 4
    nice -n 15 python3 "$here/evaluate.py" --data "$work/$split" --prepare --workers 4
  done
) >"$out/eval-data.log" 2>&1 &
data_made=$!
pack() {
  tar -C "$work/run" -cz model | split -b 15M -d - "$work/model.tgz." && mv "$work"/model.tgz.* "$out/"
}
(
  while sleep 120; do
    [ -f "$work/run/checkpoint.pt" ] && pack
  done
) &
packer=$!
python3 "$here/train.py" --seconds "$seconds" --fonts "$fonts" --out "$work/run" "${data[@]}" "$@" 2>&1 |
  tee "$out/train.log"
status=$?
kill $packer $data_made 2>/dev/null
wait $packer 2>/dev/null
pack
cp "$work/run/summary.json" "$out/"
[ $status = 0 ] || exit $status
if [ "${VERIFY:-}" = 1 ]; then
  python3 "$here/verify_export.py" --model "$work/run/model" --data "$work/clean" 2>&1 | tee "$out/verify.log"
fi
