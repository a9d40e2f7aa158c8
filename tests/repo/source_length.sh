#!/usr/bin/env bash
# A source file is read in one sitting: 500 lines at most.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

most=500
tracked_files '*.cc' '*.h' '*.py' '*.sh' '*.js' '*.ts' '*.css' '*.cmake' '*CMakeLists.txt' 'scripts/*' Makefile |
  grep -v '\.min\.' |
  xargs --delimiter='\n' awk -v most="$most" '
    FNR == most + 1 { long[FILENAME] = 1 }
    FILENAME in long { lines[FILENAME] = FNR }
    END {
      for (file in lines) { print file ": " lines[file] " lines, expected at most " most ": split it by purpose"; bad = 1 }
      exit bad
    }'
