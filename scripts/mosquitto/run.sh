#!/bin/sh
# Runs Mosquitto where the hub cannot signal it, in a container of its own for one: waits for the hub's files, and has
# them read anew whenever the hub has written them, or another FILE was replaced: its certificate.
#   run.sh FOLDER CONFIG [FILE…]
set -eu
folder=$1
config=$2
shift 2
until [ -r "$folder/acl" ] && [ -r "$folder/passwd" ]; do sleep 1; done
# a file that is replaced is another file: its inode tells
written() { ls -iL "$folder/acl" "$folder/passwd" "$@"; }
seen=$(written "$@")
mosquitto -c "$config" &
broker=$!
trap 'kill "$broker"' TERM INT
while kill -0 "$broker" 2>/dev/null; do
  sleep 0.5 &
  wait $! || true
  now=$(written "$@") || continue
  [ "$now" = "$seen" ] && continue
  seen=$now
  kill -HUP "$broker" 2>/dev/null || true
done
wait "$broker"
