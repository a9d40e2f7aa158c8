#!/usr/bin/env bash
# What a clone must carry stays small: the whole, and the parts that grow by nature.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mib=$((1024 * 1024))
failed=0

# limit NAME MIB PATHSPEC... : the tracked files of the pathspecs weigh at most that.
limit() {
  local name=$1 most=$2 bytes
  shift 2
  bytes=$(git ls-files -z -- "$@" | xargs -0 --no-run-if-empty stat --format=%s 2>/dev/null |
    awk '{ sum += $1 } END { print sum + 0 }') || true
  if ((bytes > most * mib)); then
    echo "$name: expected at most $most MiB tracked, found $bytes bytes ($((bytes / mib)) MiB). The largest:"
    git ls-files -z -- "$@" | xargs -0 stat --format='%10s %n' | sort -rn | awk 'NR <= 8 { print "  " $0 }'
    failed=1
  else
    echo "$name: $((bytes / 1024)) KiB of $most MiB"
  fi
}

limit "everything" 50 .
limit "models" 28 models ':!models/eval' ':!models/samples'
limit "evaluation images" 5 models/eval models/samples
limit "test data" 14 tests/data
exit "$failed"
