#!/usr/bin/env bash
# What a GPU adds: draws a larger train split, trains many networks of each shape at once (many.py), fine-tunes pruned ones,
# and packs what it made into PIZZA_OUT/pizza.tar.gz. usage: training/pizza/gpu.sh TEACHER PRUNED, from anywhere.
#   TEACHER  a trained model's folder, such as models/pizza-micro-wide
#   PRUNED   a folder with what `fovea prune` made of v1 and wide, v1-0.10 to wide-0.50, and the two of them as v1-0 and wide-0
# Environment: PIZZA_OUT (required), PIZZA_DATA (drawn splits to complete), DRAW_SECONDS, DRAW_WORKERS, TRAIN_SECONDS, NETS (the most at once), KEPT (scenes), SCENES (the most
# of the train split), TUNE_STEPS, JUDGED (scenes of the other splits, for a trial). About DRAW_SECONDS + TRAIN_SECONDS + 45 s.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
teacher=$(cd "$1" && pwd) pruned=$(cd "$2" && pwd)
out=${PIZZA_OUT:?a folder for what it makes}
draw=${DRAW_SECONDS:-65} workers=${DRAW_WORKERS:-30} seconds=${TRAIN_SECONDS:-120} nets=${NETS:-32} kept=${KEPT:-1000} tune=${TUNE_STEPS:-4000}
python=${PYTHON:-python3}
export PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
mkdir -p "$out/runs"
data=${PIZZA_DATA:-}
if [[ -z $data ]]; then
  data=$(mktemp -d)
  trap 'rm -rf "$data"' EXIT
fi
judged=()
if [[ -n ${JUDGED:-} ]]; then
  judged=("val=$JUDGED" "calibration=$JUDGED" "test=$JUDGED" "shifted=$JUDGED")
fi

echo "drawing, $(date +%T)"
"$python" "$here/dataset.py" --out "$data" --workers "$workers" --seconds "$draw" --scenes "train=${SCENES:-40000}" "${judged[@]}" >"$out/dataset.log"
echo "$(wc -l <"$out/dataset.log") shards of 350 pictures, $(date +%T)"

# A plan for each process: name, then the jobs.
plan() { cat >"$out/plan-$1.jsonl"; }
few=$((nets / 3 > 1 ? nets / 3 : 1)) fewest=$((nets / 6 > 1 ? nets / 6 : 1)) quarter=$((seconds / 4)) eighth=$((seconds / 8))
common='"steps": 1000000, "rates": [0.01, 0.02, 0.04], "taught": [0.0, 0.5], "outliers": [0.03]'
plan v1 <<<"{\"name\": \"v1\", \"variant\": \"v1\", \"nets\": $nets, \"seconds\": $seconds, $common, \"teacher\": \"$teacher\"}"
plan v1-jitter <<<"{\"name\": \"v1-jitter\", \"variant\": \"v1\", \"nets\": $nets, \"seconds\": $seconds, $common, \"jitter\": 0.3, \"shift\": 1, \"seed\": 500, \"teacher\": \"$teacher\"}"
for shape in se4 se8 3block v2; do
  echo "{\"name\": \"$shape\", \"variant\": \"$shape\", \"nets\": $few, \"seconds\": $quarter, $common, \"jitter\": 0.3, \"shift\": 1, \"teacher\": \"$teacher\"}"
done | plan others
plan wide <<<"{\"name\": \"wide\", \"shape\": {\"stem\": 24, \"blocks\": [48, 96]}, \"nets\": $fewest, \"seconds\": $seconds, \"steps\": 1000000, \"rates\": [0.005, 0.01], \"outliers\": [0.15], \"jitter\": 0.5, \"shift\": 2}"
# Fine-tuning: the same steps for every one (or as many as the time allows), the whole ones too; the rate is chosen like a seed.
for ratio in 0 0.10 0.25 0.50; do
  for model in v1 wide; do
    outliers=$([[ $model == v1 ]] && echo 0.03 || echo 0.15)
    echo "{\"name\": \"tuned-$model-$ratio\", \"from\": \"$pruned/$model-$ratio\", \"nets\": 6, \"steps\": $tune, \"seconds\": $eighth, \"warmup\": 0.05, \"rates\": [0.002, 0.006, 0.02], \"taught\": [0.0, 0.5], \"outliers\": [$outliers], \"jitter\": 0.3, \"shift\": 1, \"teacher\": \"$teacher\"}"
  done
done | plan tuned

"$python" "$here/dataset.py" --out "$data" --check >"$out/check.json" &
checking=$!
running=()
for name in v1 v1-jitter others wide tuned; do
  # Whatever does not end is ended, so that the rest is packed.
  timeout $((seconds + 75)) "$python" "$here/many.py" --data "$data" --plan "$out/plan-$name.jsonl" --out "$out/runs" --kept-scenes "$kept" >"$out/many-$name.log" 2>&1 &
  running+=($!)
done
for id in "${running[@]}"; do wait "$id" || echo "one of the plans failed or was ended"; done
wait "$checking" || echo "the check of the splits failed"
grep -v '"split": "train"' "$data/manifest.jsonl" >"$out/manifest-judged.jsonl" || true
packed=$(mktemp)
tar -C "$out" -czf "$packed" --exclude pizza.tar.gz .
chmod 644 "$packed"
mv "$packed" "$out/pizza.tar.gz"
echo "done, $(date +%T)"
tail -qn 1 "$out"/many-*.log
for log in "$out"/runs/*/train.log; do
  echo "$(basename "$(dirname "$log")"): $(grep -E '^(best|test)' "$log" | cut -c1-150 | tr '\n' ' ')"
done
ls -l "$out/pizza.tar.gz"
