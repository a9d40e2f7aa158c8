#!/usr/bin/env bash
# scripts/bootstrap with stand-ins for dpkg-query, apt-get, id and sudo: what it does in each situation.
set -euo pipefail
cd "${1:?the repository root}"

box=$(mktemp -d)
trap 'rm -rf "$box"' EXIT
mkdir "$box/bin" "$box/lists"
calls=$box/calls
installed=$box/installed # packages the stand-in for dpkg-query knows
failed=0

stand_in() {
  printf '#!/usr/bin/env bash\n%s\n' "$2" >"$box/bin/$1"
  chmod +x "$box/bin/$1"
}
# The arguments after the options are package names.
stand_in dpkg-query "awk 'NR == FNR { has[\$1]; next } \$1 in has { print \"installed \" \$1 }' '$installed' <(printf '%s\n' \"\$@\")"
stand_in apt-get "echo \"apt-get \$*\" >>'$calls'
case \"\$*\" in
  *update*) touch '$box/lists/x_Packages' ;;
  *install*) [[ ! -e '$box/fail' ]] || { rm '$box/fail'; exit 100; }; printf '%s\n' \"\$@\" >>'$installed' ;;
esac"
stand_in id "echo \"\${FAKE_UID:-0}\""
stand_in sudo "echo sudo >>'$calls'; \"\$@\""

printf 'ID=debian\nVERSION_ID="12"\n' >"$box/debian"
printf 'ID=fedora\nVERSION_ID=40\n' >"$box/fedora"

# begin NAME [have|miss]: a fresh situation, with every package there or none.
begin() {
  name=$1
  : >"$calls"
  : >"$installed"
  rm -f "$box/lists/"* "$box/fail"
  if [[ ${2:-miss} == have ]]; then
    sed -e 's/#.*//' -e 's/ *$//' scripts/packages.txt >"$installed"
  fi
}
# bootstrap STATUS [VAR=VALUE...]: runs it and compares its exit status.
bootstrap() {
  local expected=$1 status=0
  shift
  env PATH="$box/bin:$PATH" FOVEA_OS_RELEASE="$box/debian" FOVEA_APT_LISTS="$box/lists" "$@" \
    scripts/bootstrap >"$box/out" 2>&1 || status=$?
  if [[ $status -ne $expected ]]; then
    echo "$name: expected exit status $expected, found $status:"
    cat "$box/out"
    failed=1
  fi
}
expect() {
  if ! "${@:2}"; then
    echo "$name: expected $1; it called:"
    cat "$calls"
    echo "and printed:"
    cat "$box/out"
    failed=1
  fi
}
# The checks that expect calls by name.
# shellcheck disable=SC2317
{
  calls_match() { grep -qE -- "$1" "$calls"; }
  output_matches() { grep -qE -- "$1" "$box/out"; }
  no_calls() { [[ ! -s $calls ]]; }
  calls_count() { [[ $(grep -cE -- "$1" "$calls") -eq $2 ]]; }
}

begin "everything is installed" have
bootstrap 0
expect "no call of apt-get" no_calls
expect "no output" test ! -s "$box/out"

begin "nothing is installed and there are no package lists"
bootstrap 0
expect "an update before the install" calls_match "^apt-get .*update"
expect "an install without recommends" calls_match "install.*--no-install-recommends.*clang-19"
expect "no package of another section" calls_count "clang-tidy-19" 0

begin "one package is missing and there are package lists" have
touch "$box/lists/x_Packages"
sed -i '/^cmake$/d' "$installed"
bootstrap 0
expect "no update" calls_count "update" 0
expect "only that package" calls_match "--no-install-recommends cmake$"

begin "the package lists are stale"
touch "$box/lists/x_Packages" "$box/fail"
bootstrap 0
expect "two installs" calls_count "install" 2
expect "one update" calls_count "update" 1

begin "not root, with sudo"
bootstrap 0 FAKE_UID=1000
expect "sudo" calls_match "^sudo$"

begin "another system"
bootstrap 2 FOVEA_OS_RELEASE="$box/fedora"
expect "the system's name" output_matches "expected Debian 12, found: fedora 40"
expect "the list" output_matches "^  clang-19$"
expect "no call of apt-get" no_calls

begin "another system, everything there by hand"
bootstrap 0 FOVEA_OS_RELEASE="$box/fedora" FOVEA_SKIP_BOOTSTRAP=1

# A path with the few programs it needs, and no sudo.
mkdir "$box/few"
for program in bash awk sed grep sort comm env dirname cat; do
  ln -s "$(command -v "$program")" "$box/few/$program"
done
cp "$box/bin/dpkg-query" "$box/bin/apt-get" "$box/bin/id" "$box/few/"
begin "neither root nor sudo"
bootstrap 2 FAKE_UID=1000 PATH="$box/few"
expect "the command to run" output_matches "apt-get update && apt-get install"
expect "no call of apt-get" no_calls

exit "$failed"
