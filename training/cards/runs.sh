#!/usr/bin/env bash
# Trains all readers at once on one machine with four GPUs and 64 cores, or with two (M_GPUS=0 LAST_GPU=1) and 32.
# usage: training/cards/runs.sh WORK FONTS_TAR PRUNED SECONDS
# PRUNED holds pruned-10, pruned-25, pruned-50 (`fovea prune`); training ends SECONDS after the start, whatever
# the set-up took, then every model is evaluated. WORK/pack/latest has the newest weights in files under 15 MB:
# m.tgz.NN and small.tgz.NN (cat NAME.tgz.* | tar xz), logs.tgz with every log and summary, pizza.tgz.
# WORK/done appears at the end. Started again in the same WORK, every job goes on from its last weights.
# JOBS chooses among "m s control pruned-10 pruned-25 pruned-50": m on the GPUs M_GPUS, "0 1 2", s on S_GPUS, and all else, on LAST_GPU, 3;
# PIZZA is a command that runs on that GPU beside them and leaves its results in $PIZZA_OUT. DRY=1: tiny jobs for a machine without a GPU.
set -uo pipefail
work=$1 fonts_tar=$2 pruned=$3 seconds=$4
here="$(cd "$(dirname "$0")" && pwd)"
models=${MODELS:-$here/../../models}
python=${PYTHON:-python3}
m_gpus=${M_GPUS:-0 1 2} last_gpu=${LAST_GPU:-3}
s_gpus=${S_GPUS:-$last_gpu}
export PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=2 NCCL_NVLS_ENABLE=0 TORCHINDUCTOR_COMPILE_THREADS=8
export NCCL_SOCKET_IFNAME=lo GLOO_SOCKET_IFNAME=lo
mkdir -p "$work/logs" "$work/pack" "$work/pizza"
rm -f "$work/done"
[ -f "$work/end-at" ] || echo $(($(date +%s) + seconds)) >"$work/end-at"
end_at=$(cat "$work/end-at")
fonts="$work/fonts"
[ -d "$fonts" ] || { mkdir -p "$fonts.part" && tar -C "$fonts.part" -xf "$fonts_tar" && mv "$fonts.part" "$fonts"; }

dry=()
[ -n "${DRY:-}" ] && dry=(--batch 2 --groups 2 --pool 64 --workers 1 --no-compile --max-steps "$DRY" --keep-every 20)
clean=(--data "$work/clean")
both=(--data "$work/clean" --data "$work/camera")
camera=(--groups 8 --camera-groups 5 --workers 11)

# Evaluation pictures, drawn at the lowest priority while the jobs compile.
(
  for split in clean camera; do
    [ -f "$work/$split/ready" ] && continue
    nice -n 15 "$python" "$here/make_eval.py" --split "$split" --n "${CARDS:-1024}" --seed 20000 --fonts "$fonts" \
      --out "$work/$split" --workers "${EVAL_WORKERS:-4}" &&
      nice -n 15 "$python" "$here/evaluate.py" --data "$work/$split" --prepare --workers "${EVAL_WORKERS:-4}" &&
      touch "$work/$split/ready"
  done
) >>"$work/logs/eval-data.log" 2>&1 &
data_made=$!

newest() { # JOB FIRST: the job's last weights, or what it starts from
  if [ -f "$work/$1/checkpoint.pt" ]; then echo "$work/$1/checkpoint.pt"; else echo "$2"; fi
}
one() { # JOB GPU START ARGUMENTS: one process on one GPU
  local job=$1 gpu=$2 start=$3
  shift 3
  TORCHINDUCTOR_CACHE_DIR="$work/cache/$job" CUDA_VISIBLE_DEVICES=$gpu "$python" "$here/train.py" --end-at "$end_at" \
    --seconds "$seconds" --fonts "$fonts" --out "$work/$job" --resume "$(newest "$job" "$start")" "$@" "${dry[@]}"
}
several() { # JOB "GPUS" START ARGUMENTS: one model, a process on each of the GPUs
  local job=$1 gpus start rank others=() first status=0
  read -ra gpus <<<"$2"
  start=$(newest "$job" "$3")
  shift 3
  export WORLD_SIZE=${#gpus[@]} MASTER_ADDR=127.0.0.1 MASTER_PORT=$((20000 + BASHPID % 10000))
  for ((rank = 1; rank < WORLD_SIZE; ++rank)); do
    RANK=$rank TORCHINDUCTOR_CACHE_DIR="$work/cache/$job-$rank" CUDA_VISIBLE_DEVICES=${gpus[$rank]} "$python" "$here/train.py" \
      --end-at "$end_at" --seconds "$seconds" --fonts "$fonts" --out "$work/$job-rank$rank" --resume "$start" "$@" "${dry[@]}" \
      >>"$work/logs/$job-rank$rank.log" 2>&1 &
    others+=($!)
  done
  RANK=0 TORCHINDUCTOR_CACHE_DIR="$work/cache/$job-0" CUDA_VISIBLE_DEVICES=${gpus[0]} "$python" "$here/train.py" \
    --end-at "$end_at" --seconds "$seconds" --fonts "$fonts" --out "$work/$job" --resume "$start" "$@" "${dry[@]}" &
  first=$!
  while kill -0 $first 2>/dev/null; do # a rank whose partner died would wait in vain
    for rank in "${!others[@]}"; do
      kill -0 "${others[$rank]}" 2>/dev/null && continue
      wait "${others[$rank]}" || kill -9 $first 2>/dev/null
      unset "others[$rank]"
    done
    sleep 2
  done
  wait $first || status=$?
  [ $status = 0 ] || [ ${#others[@]} = 0 ] || kill -9 "${others[@]}" 2>/dev/null
  unset WORLD_SIZE MASTER_ADDR MASTER_PORT
  return $status
}
left() { echo $((end_at - $(date +%s))); }
again() { # JOB COMMAND…: the command, and once more where it died with time left
  local job=$1
  shift
  "$@" && return
  echo "$job died with status $?, $(left) s left" | tee -a "$work/logs/driver.log"
  [ "$(left)" -gt 120 ] && "$@"
}
trained() { # JOB "GPUS" START RATE ARGUMENTS: a reader on one GPU or several, which get a higher rate; should they die, on the first
  local job=$1 start=$3 rate=$4 gpus
  read -ra gpus <<<"$2"
  shift 4
  set -- --batch 256 "${camera[@]}" --camera-from -0.1 --turned-to 0.32 "${both[@]}" "$@"
  if [ ${#gpus[@]} = 1 ]; then
    again "$job" one "$job" "${gpus[0]}" "$start" "$@" --rate "$rate"
    return
  fi
  several "$job" "${gpus[*]}" "$start" "$@" --pool 12288 --rate "$("$python" -c "print($rate * ${#gpus[@]} ** 0.28)")" && return
  echo "$job died on several GPUs, $(left) s left: on one" | tee -a "$work/logs/driver.log"
  [ "$(left)" -gt 120 ] && one "$job" "${gpus[0]}" "$start" "$@" --rate "$rate"
}
job() { # the job's recipe
  case $1 in
    m)
      trained m "$m_gpus" "$models/card-reader-m" 1.1e-3 --seed 20 --warmup 100 --decay-share 1 --aux 0.2 --turned-from 0.36
      ;;
    s)
      trained s "$s_gpus" "$models/card-reader-s" 1.7e-3 --seed 21 --decay-share 0.9 --aux 0.25 --turned-from 0.38 --clock \
        --teacher "$models/card-reader-m"
      ;;
    control | pruned-*) # the same recipe for all four; the cards are the same in distribution
      local start="$pruned/$1"
      [ "$1" = control ] && start="$models/card-reader-s"
      export PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True # four jobs share the memory
      again "$1" one "$1" "$last_gpu" "$start" --batch 128 --groups 4 --pool 2048 --workers 4 --seed 11 --rate 1.3e-3 --warmup 100 \
        --decay-share 1 --aux 0.12 --halfway 0 "${clean[@]}"
      ;;
  esac
}
pack_files() { # NAME FOLDERS…: NAME.tgz.NN of what is there
  local name=$1 there=() folder
  shift
  for folder in "$@"; do [ -e "$work/$folder" ] && there+=("$folder"); done
  [ ${#there[@]} = 0 ] || tar -C "$work" --exclude='*.old' --exclude='*.part' -cz "${there[@]}" | split -b 15000000 -d - "$pack/$name.tgz."
}
pack() { # all results into a new folder, which then becomes pack/latest
  local number summaries
  number=$(date +%s.%N)
  pack="$work/pack/$number"
  mkdir -p "$pack"
  pack_files m m/model || return
  pack_files small s/model control/model pruned-10/model pruned-25/model pruned-50/model || return
  nvidia-smi >"$work/logs/gpus.log" 2>&1
  uptime >>"$work/logs/gpus.log"
  mapfile -t summaries < <(cd "$work" && find . -mindepth 2 -maxdepth 2 -name summary.json)
  tar -C "$work" -czf "$pack/logs.tgz" logs "${summaries[@]}"
  if [ -n "$(ls -A "$work/pizza")" ]; then
    tar -C "$work" -czf "$pack/pizza.tgz" pizza
    [ "$(stat -c %s "$pack/pizza.tgz")" -lt 15500000 ] || { rm "$pack/pizza.tgz" && echo "pizza: over 15.5 MB, not packed" >>"$work/logs/driver.log"; }
  fi
  ln -sfn "$number" "$work/pack/latest.new" && mv -T "$work/pack/latest.new" "$work/pack/latest"
  printf '%s\n' "$work"/pack/[0-9]* | sort -r | tail -n +4 | xargs -r rm -r
}

running=()
for name in ${JOBS-m s control pruned-10 pruned-25 pruned-50}; do
  job "$name" >>"$work/logs/$name.log" 2>&1 &
  running+=($!)
done
if [ -n "${PIZZA:-}" ]; then
  PIZZA_OUT="$work/pizza" CUDA_VISIBLE_DEVICES=$last_gpu bash -c "$PIZZA" >>"$work/logs/pizza.log" 2>&1 &
  running+=($!)
fi
(
  while sleep "${PACK_EVERY:-60}"; do pack; done
) >>"$work/logs/pack.log" 2>&1 &
packer=$!
wait "${running[@]}"
kill $packer $data_made 2>/dev/null
wait $packer 2>/dev/null
pack >>"$work/logs/pack.log" 2>&1
date >"$work/done"
