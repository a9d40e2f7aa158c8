#!/usr/bin/env bash
# Proves both commands on a bare Debian 12: makes one in a chroot with git, make and nothing else of ours,
# clones what is committed here into it, and runs `make test` and `make run` there. Prints PASS or FAIL.
#
#   scripts/fresh-machine.sh [--sudo] [--keep]
#     --sudo   work there as an ordinary user with sudo instead of as root
#     --keep   leave the chroot where it is and say where
#
# Needs root, debootstrap and curl; downloads about 200 MB. Variables:
#   DEBIAN_MIRROR            default http://deb.debian.org/debian
#   DEBIAN_SECURITY_MIRROR   default http://deb.debian.org/debian-security; "none" leaves it out
#   APT_CONF                 a file of apt settings (a proxy, say) for the new machine
#   FRESH_CACHE              a folder that keeps the packages, so that the next run downloads little
#   TMPDIR                   where the chroot goes, default /tmp; about 4 GB
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
security=${DEBIAN_SECURITY_MIRROR:-http://deb.debian.org/debian-security}
as_user=no
keep=no

say() { printf 'fresh-machine: %s\n' "$*"; }
fail() {
  printf 'fresh-machine: FAIL: %s\n' "$*" >&2
  exit 1
}

for argument in "$@"; do
  case $argument in
    --sudo) as_user=yes ;;
    --keep) keep=yes ;;
    *)
      say "expected --sudo or --keep, found $argument" >&2
      exit 2
      ;;
  esac
done
if [[ $(id -u) -ne 0 ]]; then
  say "expected root (debootstrap and chroot need it), found user $(id -un)" >&2
  exit 2
fi
for tool in debootstrap curl unshare git; do
  if ! command -v "$tool" >/dev/null; then
    say "expected $tool, found none; apt-get install debootstrap curl util-linux git" >&2
    exit 2
  fi
done

# Once more in a mount namespace of our own: whatever is mounted below goes with it, however this ends.
if [[ ${FOVEA_FRESH_INSIDE:-} != 1 ]]; then
  FOVEA_FRESH_INSIDE=1 exec unshare --mount --propagation private "${BASH_SOURCE[0]}" "$@"
fi

box=$(mktemp -d "${TMPDIR:-/tmp}/fovea-fresh.XXXXXX")
root=$box/root
server=
unmount() {
  local place
  for place in "$root/var/cache/apt/archives" "$root/dev/shm" "$root/dev/pts" "$root/sys" "$root/proc"; do
    if mountpoint -q "$place"; then
      umount "$place" || umount -l "$place"
    fi
  done
}
clean_up() {
  local status=$?
  trap - EXIT
  [[ -z $server ]] || kill -TERM -- "-$server" 2>/dev/null || true
  if [[ $keep == yes ]]; then
    unmount
    say "kept: $root; the logs are in $box"
  elif unmount; then
    rm -rf --one-file-system "$box"
  fi
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "a bare Debian 12 in $root"
packages=ca-certificates,git,make
[[ $as_user == no ]] || packages+=,sudo
bootstrap_options=(--variant=minbase --include="$packages")
if [[ -n ${FRESH_CACHE:-} ]]; then
  mkdir -p "$FRESH_CACHE/partial"
  bootstrap_options+=(--cache-dir="$(cd "$FRESH_CACHE" && pwd)")
fi
debootstrap "${bootstrap_options[@]}" bookworm "$root" "$mirror" >"$box/debootstrap.log" 2>&1 || {
  tail -n 20 "$box/debootstrap.log" >&2
  fail "debootstrap could not make the system from $mirror"
}

{
  echo "deb $mirror bookworm main"
  echo "deb $mirror bookworm-updates main"
  [[ $security == none ]] || echo "deb $security bookworm-security main"
} >"$root/etc/apt/sources.list"
rm -f "$root"/var/lib/apt/lists/*_Packages* # as an image has none
cp /etc/resolv.conf "$root/etc/resolv.conf"
[[ -z ${APT_CONF:-} ]] || cp "$APT_CONF" "$root/etc/apt/apt.conf.d/90given"

mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t devpts devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
[[ -z ${FRESH_CACHE:-} ]] || mount --bind "$FRESH_CACHE" "$root/var/cache/apt/archives"

home=/root
user=root
if [[ $as_user == yes ]]; then
  user=visitor
  home=/home/visitor
  chroot "$root" useradd --create-home --shell /bin/bash "$user"
  echo "$user ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/visitor"
fi
git clone --quiet --no-hardlinks "file://$repository" "$root$home/fovea"
[[ $user == root ]] || chroot "$root" chown -R "$user:$user" "$home/fovea"
say "$(git -C "$repository" rev-parse --short HEAD) cloned into it, for user $user"

# inside COMMAND: in the clone, as that user, with a bare environment and no standard input.
inside() {
  chroot "$root" /usr/bin/env -i HOME="$home" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 CI=true /usr/bin/setpriv --reuid="$user" --regid="$user" --init-groups \
    /bin/bash -c "cd '$home/fovea' && $1" </dev/null
}

say "make test"
start=$SECONDS
inside "make test" 2>&1 | tee "$box/test.log" || fail "make test (${SECONDS} s in all)"
say "make test passed after $((SECONDS - start)) s, packages and build included"
start=$SECONDS
inside "make test" >"$box/test-again.log" 2>&1 || fail "make test, run a second time"
say "make test passed again after $((SECONDS - start)) s"

# A port that nothing answers on: the chroot shares this machine's network.
port=18080
while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
  port=$((port + 1))
done

say "make run on port $port"
set -m
inside "exec make run PORT=$port" >"$box/run.log" 2>&1 &
server=$!
set +m
for ((waited = 0; waited < 600; waited++)); do
  if curl -fsS -o /dev/null "http://127.0.0.1:$port/readyz" 2>/dev/null; then
    break
  fi
  if ! kill -0 "$server" 2>/dev/null; then
    server=
    tail -n 40 "$box/run.log" >&2
    fail "make run ended before it was ready"
  fi
  sleep 1
done
cat "$box/run.log"
curl -fsS -o /dev/null "http://127.0.0.1:$port/readyz" || fail "/readyz is not 200 after 600 s"
grep -qi "ready" "$box/run.log" || fail "make run is ready, yet printed no ready line"

sample=$(find "$repository/models/samples/trading-card" -name '*.webp' 2>/dev/null | sort | head -n 1)
[[ -n $sample ]] || fail "no sample image in models/samples/trading-card to send"
answer=$(curl -fsS -F "file=@$sample" "http://127.0.0.1:$port/recognize") || fail "POST /recognize"
say "POST /recognize: $answer"
[[ $answer == *'"ok":true'* || $answer == *'"ok": true'* ]] || fail "expected \"ok\": true in the answer"

kill -INT -- "-$server"
for ((waited = 0; waited < 30; waited++)); do
  kill -0 "$server" 2>/dev/null || break
  sleep 1
done
if kill -0 "$server" 2>/dev/null; then
  fail "the server still runs 30 s after it was asked to end"
fi
server=
say "PASS: make test and make run on a bare Debian 12, as $user"
