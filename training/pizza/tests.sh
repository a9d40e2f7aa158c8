#!/usr/bin/env bash
# What must hold of the training code, in seconds: parameter counts, preprocessing, scenes that repeat, splits that do not mix,
# reference outputs and exported models that read back, fine-tuning of other channel counts.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
python=${PYTHON:-python3}
"$python" "$here/model.py" >/dev/null
"$python" "$here/preprocess.py" >/dev/null
cd "$here"
exec "$python" -B tests.py
