#!/bin/bash
# The official openai client against a server: run.sh FOLDER MODEL KIND SERVER [ARGUMENT...]
#
# FOLDER: where the client is installed; KIND: real, or fake for the tests' stand-in; SERVER: a program that prints
# "…http://HOST:PORT…" once it listens and takes its API keys from FOVEA_API_KEYS, or such a URL itself, whose key
# is $FOVEA_API_KEY. Exit status 77: node or npm is not installed.
set -euo pipefail
folder=$1
model=$2
kind=$3
server=$4
shift 4
here=$(cd "$(dirname "$0")" && pwd)

for program in node npm; do
  command -v "$program" > /dev/null || { echo "$program is not installed"; exit 77; }
done

mkdir -p "$folder"
cp "$here/package.json" "$here/package-lock.json" "$folder/"
if ! cmp -s "$here/package-lock.json" "$folder/installed.json"; then
  (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund)
  cp "$here/package-lock.json" "$folder/installed.json"
fi
cp "$here/suite.mjs" "$folder/"

if [[ $server == http* ]]; then
  url=$server
else
  export FOVEA_API_KEY=the-key-of-the-suite
  FOVEA_API_KEYS=suite:$FOVEA_API_KEY "$server" "$@" > "$folder/server.log" 2>&1 &
  pid=$!
  trap 'kill "$pid" 2> /dev/null || true' EXIT
  url=
  for ((i = 0; i < 600; ++i)); do
    url=$(grep -o -m 1 'http://[^ ]*' "$folder/server.log" || true)
    [[ -z $url ]] || break
    sleep 0.1
  done
  [[ -n $url ]] || { echo "the server did not say where it listens"; cat "$folder/server.log"; exit 1; }
fi

cd "$folder"
for client in openai-4 openai-6; do
  echo "== $client $(node -p "require('./node_modules/$client/package.json').version")"
  NO_PROXY=127.0.0.1,localhost node suite.mjs "$url" "$model" "$client" "$kind"
done
