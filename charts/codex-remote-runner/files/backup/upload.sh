#!/bin/sh
# Copies the dumps in SCRATCH to DESTINATION, and then removes those there that are older than KEEP_DAYS. A failed copy removes nothing, so the newest dump
# always stays.
set -eu

set -- "$SCRATCH"/codex-*.dump
[ -s "$1" ] || { echo "there is no dump in $SCRATCH" >&2; exit 1; }
rclone copy --immutable --include 'codex-*.dump' "$SCRATCH" "$DESTINATION"
# Compares size and checksum of both sides.
rclone check --one-way --include 'codex-*.dump' "$SCRATCH" "$DESTINATION"
rclone delete --min-age "${KEEP_DAYS}d" --include 'codex-*.dump' "$DESTINATION"
rclone lsl --include 'codex-*.dump' "$DESTINATION"
