#!/usr/bin/env bash
# One training run with its evaluation, on a machine with a GPU.
# usage: training/cards/run.sh OUT SECONDS [further arguments of train.py]
# EVAL may name a folder with clean/ or camera/ made beforehand by make_eval.py.
# Leaves in OUT: train.log, model.tgz (exported model), checkpoint.pt, verify.log.
set -uo pipefail
export PYTHONUNBUFFERED=1 OMP_NUM_THREADS=2
out=$1 seconds=$2
shift 2
here="$(cd "$(dirname "$0")" && pwd)"
work=$(mktemp -d)
fonts=${FONTS:-build/fonts}

(
  for split in clean camera; do
    mkdir -p "$work/$split"
    if [ -n "${EVAL:-}" ]; then
      [ -d "$EVAL/$split" ] || continue
      cp "$EVAL/$split"/* "$work/$split/"
    else
      n=$([ $split = clean ] && echo 2048 || echo 1024)
      python3 "$here/make_eval.py" --split $split --n "$n" --seed 20000 --fonts "$fonts" \
        --out "$work/$split" --workers 3
    fi
    python3 "$here/evaluate.py" --data "$work/$split" --prepare --workers 3
  done
) >"$out/eval-data.log" 2>&1 &
data=$!
(
  while sleep 30; do
    [ -f "$work/run/checkpoint.pt" ] || continue
    tar -C "$work/run" -czf "$work/part.tgz" model && mv "$work/part.tgz" "$out/model.tgz"
    cp "$work/run/checkpoint.pt" "$work/part.pt" && mv "$work/part.pt" "$out/checkpoint.pt"
  done
) &
packer=$!
python3 "$here/train.py" --seconds "$seconds" --fonts "$fonts" --out "$work/run" \
  --data "$work/clean" --data "$work/camera" "$@" 2>&1 | tee "$out/train.log"
status=$?
kill $packer $data 2>/dev/null
tar -C "$work/run" -czf "$out/model.tgz" model
cp "$work/run/checkpoint.pt" "$out/"
[ $status = 0 ] || exit $status
python3 "$here/evaluate.py" --model "$work/run/model" --data "$work/clean" --wrong 200 >"$out/exported.log" 2>&1
head -20 "$out/exported.log"
python3 "$here/verify_export.py" --model "$work/run/model" --data "$work/clean" 2>&1 | tee "$out/verify.log"
