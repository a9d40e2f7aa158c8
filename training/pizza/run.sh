#!/usr/bin/env bash
# The family from nothing, on a processor: draws the splits, trains, searches shapes, writes the models to RUNS/models, and the committed
# evaluation pictures and samples. usage: training/pizza/run.sh DATA RUNS (folders), from the root of the source tree.
# Shipped weights: models/pizza-micro-v2 comes from these lines; v1, wide, se4, se8 and 3block come from gpu.sh, judged anew by judge.py
# and put into models/ by card.py (v1 from its run v1-jitter). A rerun repeats in distribution, and to the bit only with the same PyTorch.
set -euo pipefail
export PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1
data=$1 runs=$2
here=training/pizza
python=${PYTHON:-python3}
mkdir -p "$runs"
"$python" $here/dataset.py --out "$data" --workers "${WORKERS:-2}" | tee "$runs/dataset.log"
train() { "$python" $here/train.py --data "$data" --out "$runs/$1" "${@:2}"; }
train wide --shape '{"stem": 24, "blocks": [48, 96]}' --epochs 40 --rate 0.01 --outliers 0.15 --jitter 0.6
train v1 --variant v1 --epochs 60 --rate 0.02 --outliers 0.03
train 3block --variant 3block --epochs 40 --rate 0.015 --outliers 0.03
train v2 --variant v2 --epochs 50 --rate 0.01 --outliers 0.03
train se4 --variant se4 --epochs 40 --rate 0.02 --outliers 0.03
train se8 --variant se8 --epochs 40 --rate 0.02 --outliers 0.03
for part in 0 1; do
  "$python" $here/search.py --data "$data" --out "$runs/search" --part "$part/2"
done
"$python" $here/search.py --draw "$runs/search"
cp "$runs/search/frontier.svg" "$runs/search/search.json" $here/
for model in v1 v2 se4 se8 3block wide; do
  "$python" $here/card.py --run "$runs/$model" --out "$runs/models/pizza-micro-$model"
done
"$python" $here/make_eval.py --set test --n 216 --longest 72 --quality 75 --out models/eval/pizza/test
"$python" $here/make_eval.py --set not-a-pizza --n 54 --longest 72 --quality 75 --out models/eval/pizza/not-a-pizza
"$python" $here/make_samples.py --scenes 0 6 8 2 4 7 --other 3 10 --out models/samples/pizza
