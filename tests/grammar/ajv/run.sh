#!/usr/bin/env bash
# Installs ajv as the lockfile has it into a folder of the build and lets it judge random cases.
# Usage: run.sh CASES_PROGRAM BUILD_FOLDER COUNT SEED
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=$(realpath "$1")
folder=$(realpath "$2")/tests/grammar-ajv
count=$3
seed=$4

mkdir -p "$folder"
cp "$here/package.json" "$here/package-lock.json" "$here/check.mjs" "$folder"
cd "$folder"
if ! npm ci --no-audit --no-fund --silent; then
  echo "ajv: npm ci failed; this test needs Node 18, npm and its registry" >&2
  exit 1
fi
"$program" "$count" "$seed" | node check.mjs
