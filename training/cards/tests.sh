#!/usr/bin/env bash
# What must hold of the training code, in a minute or two and without a GPU. PYTHON names a Python with PyTorch.
set -euo pipefail
cd "$(dirname "$0")"
exec "${PYTHON:-python3}" -B tests.py
