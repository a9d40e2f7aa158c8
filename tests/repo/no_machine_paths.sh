#!/usr/bin/env bash
# Nothing in the repository knows where one developer's machine keeps things.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# A path that starts at the root, not the middle of a longer one or of a URL.
pattern='(^|[^A-Za-z0-9_.~/-])/(work|root|Users|home/[A-Za-z0-9_.-]+)/'
if found=$(git -c core.quotePath=false grep -nIE "$pattern" -- .); then
  echo "expected no absolute path of a developer's machine in a tracked file, found:"
  cut -c 1-200 <<<"$found"
  echo "Use a path relative to the repository, a variable, or a temporary folder."
  exit 1
fi
