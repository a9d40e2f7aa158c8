#!/usr/bin/env bash
# A room of src/ includes its own headers and those of the rooms below it. Which is below which stands in
# one place: the list in src/CMakeLists.txt, lowest first. apps/ is above them all.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

rooms=$(sed -n 's/^foreach(room \(.*\))$/\1/p' src/CMakeLists.txt)
if [[ -z $rooms ]]; then
  echo "expected 'foreach(room ...)' with the rooms in order in src/CMakeLists.txt, found none"
  exit 1
fi

# shellcheck disable=SC2016 # awk's own $0
tracked_files 'src/*.cc' 'src/*.h' 'apps/*.cc' 'apps/*.h' | xargs --delimiter='\n' awk -v rooms="$rooms" '
  BEGIN { count = split(rooms, list, " "); for (i = 1; i <= count; i++) rank[list[i]] = i }
  FNR == 1 {
    split(FILENAME, part, "/")
    room = part[2]
    own = part[1] == "apps" ? count + 1 : rank[room]
    if (!own && part[1] == "src" && !told[room]++) {
      print "src/" room ": expected in the list of src/CMakeLists.txt, not found there"
      bad = 1
    }
  }
  own && match($0, /^[ \t]*#[ \t]*include[ \t]*"[a-z0-9_]+\//) {
    used = substr($0, RSTART, RLENGTH)
    gsub(/.*"|\//, "", used)
    if (used in rank && rank[used] > own) {
      print FILENAME ":" FNR ": " room " includes " used ", which is above it"
      bad = 1
    }
  }
  END { exit bad }'
