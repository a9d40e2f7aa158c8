#!/usr/bin/env bash
# The linker keeps one of several equal inline functions, whichever file it comes from. One that an instruction
# set's file shares with others would then run that set's instructions on every processor. So each such file may
# define only inline functions whose names say its own set.
#
#   shared_symbols.sh ARCHIVE NM      the kernels' library
set -euo pipefail

"$2" --demangle --defined-only "${1:?the library}" | awk '
  function check(   i) {
    if (set != "" && set != "portable") {
      for (i = 0; i < count; i++) {
        if (index(weak[i], "fovea::kernels::" set "::") == 0) { print set "/" member " " weak[i]; bad = 1 }
      }
      files++
    }
    set = ""
    count = 0
  }
  /:$/ && NF == 1 { check(); member = $1; next }
  { name = $0; sub(/^[^ ]* [A-Za-z] /, "", name) }
  $2 == "T" && match(name, /^fovea::kernels::[a-z0-9]+::/) {
    set = substr(name, 17, RLENGTH - 18)
  }
  $2 ~ /^[WVu]$/ { weak[count++] = name }
  END {
    check()
    if (files == 0) { print "expected files of instruction sets in the library, found none"; bad = 1 }
    exit bad
  }'
