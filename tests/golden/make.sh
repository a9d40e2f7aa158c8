#!/bin/sh
# Makes the reference outputs where transformers is installed, and packs them into DIR/golden.tar.gz.
# Usage: tests/golden/make.sh DIR, from the root of the source tree
set -eu
out=$1
work=$(mktemp -d)
python3 tests/golden/make_golden.py tests/data/golden/smolvlm-tiny-f32 "$work" >"$out/golden.log" 2>&1 || true
tar -C "$work" -czf "$out/golden.tar.gz" .
