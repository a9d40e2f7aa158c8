#!/usr/bin/env bash
# benchmarks/peers/measure.py: peers.sh REPOSITORY. Exit status 77: there is no Python.
set -euo pipefail
command -v python3 >/dev/null || { echo "python3 is not installed"; exit 77; }
exec python3 -B "$(dirname "${BASH_SOURCE[0]}")/peers_test.py" "${1:?the repository root}"
