#!/bin/sh
# install.sh ARCHIVE: installs or upgrades the agent of a gateway from roost-agent-VERSION-linux-ARCH.tar.gz.
# SHA256SUMS must lie beside the archive; what it does not vouch for is not even unpacked.
# ROOST_ROOT: a folder to install into instead of /, for an image; then no user is made and systemd is left alone.
set -eu
umask 022

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit 1
}

archive=${1:-}
if [ $# -ne 1 ] || [ -z "$archive" ]; then fail 'usage: install.sh roost-agent-VERSION-linux-ARCH.tar.gz'; fi
[ -f "$archive" ] || fail "there is no file $archive"
name=$(basename "$archive")
sums=$(dirname "$archive")/SHA256SUMS
[ -f "$sums" ] || fail "SHA256SUMS is missing beside $archive: get it from where the archive was published"

expected=$(awk -v name="$name" '$2 == name { print $1 }' "$sums")
[ "$(printf '%s\n' "$expected" | grep -Ecx '[0-9a-f]{64}')" = 1 ] || fail "SHA256SUMS does not name $name once"
actual=$(sha256sum <"$archive" | cut -d ' ' -f 1)
[ "$actual" = "$expected" ] || fail "$name is not what SHA256SUMS names: it was damaged or replaced; nothing was installed"

root=${ROOST_ROOT:-}
root=${root%/}
case $(uname -m) in
x86_64) machine=x64 ;;
aarch64) machine=arm64 ;;
*) fail "the agent runs on x64 and arm64, not on $(uname -m)" ;;
esac
case $name in
roost-agent-*-linux-"$machine".tar.gz) ;;
*) [ -n "$root" ] || fail "$name is not for this machine, which is $machine" ;;
esac
if [ -z "$root" ]; then
  [ "$(id -u)" = 0 ] || fail 'it must be run by root'
  for program in prlimit setpriv; do
    command -v "$program" >/dev/null || fail "$program is missing: install util-linux"
  done
  major=$(/usr/bin/node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')
  [ "${major:-0}" -ge 24 ] || fail "/usr/bin/node must be Node 24 or newer, and is ${major:-missing}"
fi

release=${name%.tar.gz}
mkdir -p "$root/opt/roost-agent"
# unpacked beside, then put in place whole: a cut in the middle leaves what ran before
fresh=$(mktemp -d "$root/opt/roost-agent/.unpacked-XXXXXX")
trap 'rm -rf "$fresh"' EXIT
tar --extract --gzip --no-same-owner --file "$archive" --directory "$fresh"
[ -f "$fresh/$release/node_modules/@roost/agent/main.js" ] || fail "$name holds no agent"
before=$(readlink "$root/opt/roost-agent/current" || true)
# the same release again: what is there leaves its place only when the new one can take it at once
if [ -e "$root/opt/roost-agent/$release" ]; then mv -T "$root/opt/roost-agent/$release" "$fresh/replaced"; fi
mv "$fresh/$release" "$root/opt/roost-agent/$release"
ln -s "$release" "$fresh/current"
mv -T "$fresh/current" "$root/opt/roost-agent/current"
# this release and the one before it, to go back to
for other in "$root"/opt/roost-agent/roost-agent-*; do
  case ${other##*/} in "$release" | "$before") ;; *) rm -rf "$other" ;; esac
done
install -D -m 644 "$root/opt/roost-agent/$release/roost-agent.service" "$root/etc/systemd/system/roost-agent.service"

if [ -z "$root" ]; then
  id roost >/dev/null 2>&1 || useradd --system --home-dir /var/lib/roost-agent --shell /usr/sbin/nologin roost
  install -d -o roost -g roost -m 700 /var/lib/roost-agent
  systemctl daemon-reload
  systemctl enable roost-agent
  # only where it runs already: a new device has to be enrolled first
  systemctl try-restart roost-agent
fi
printf 'installed %s\n' "$release"
