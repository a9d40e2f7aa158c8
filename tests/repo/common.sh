# Sourced by the checks beside it: goes to the repository given as $1 and skips where that is not a checkout.
# shellcheck shell=bash
set -euo pipefail
cd "${1:?the repository root}"

if ! tracked=$(git ls-files 2>&1); then
  echo "skipped: git cannot list the files of $PWD: $tracked"
  exit 77
fi
if [[ -z $tracked ]]; then
  echo "skipped: git tracks no file in $PWD"
  exit 77
fi

# What git tracks and is there, one path a line, of the pathspecs given.
tracked_files() {
  git -c core.quotePath=false ls-files -- "$@" | while IFS= read -r file; do
    [[ ! -f $file ]] || printf '%s\n' "$file"
  done
}
