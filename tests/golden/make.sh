#!/bin/sh
# Makes the reference outputs where transformers is installed, and packs them into DIR/golden.tar.gz; what was
# said on the way is in DIR/golden.log. Fails when a variant failed; the others are packed all the same.
# Usage: tests/golden/make.sh DIR, from the root of the source tree
set -u
out=$1
work=$(mktemp -d)
python3 tests/golden/make_golden.py tests/data/golden/smolvlm-tiny-f32 "$work" >"$out/golden.log" 2>&1
status=$?
tar -C "$work" -czf "$out/golden.tar.gz" . || exit 1
rm -r "$work"
exit $status
