#!/usr/bin/env bash
# Everything that made models/pizza-micro-*: draws the splits, trains the family, searches shapes, writes the cards, the committed
# evaluation pictures and the samples. usage: training/pizza/run.sh DATA RUNS (folders), from the root of the source tree
set -euo pipefail
export PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1
data=$1 runs=$2
here=training/pizza
python=${PYTHON:-python3}
mkdir -p "$runs"
"$python" $here/dataset.py --out "$data" --workers "${WORKERS:-2}" | tee "$runs/dataset.log"
train() { "$python" $here/train.py --data "$data" --out "$runs/$1" "${@:2}"; }
@@TRAIN@@
for part in 0 1; do
  "$python" $here/search.py --data "$data" --out "$runs/search" --part "$part/2"
done
"$python" $here/search.py --draw "$runs/search"
cp "$runs/search/frontier.svg" "$runs/search/search.json" $here/
for model in v1 v2 se4 se8 3block wide; do
  "$python" $here/card.py --run "$runs/$model" --out "models/pizza-micro-$model"
done
@@EVAL@@
