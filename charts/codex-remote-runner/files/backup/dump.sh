#!/bin/sh
# Writes a dump of the database into the folder SCRATCH, and reads it back.
set -eu

file="$SCRATCH/codex-$(date -u +%Y%m%dT%H%M%SZ).dump"
# The address is an argument, which only this Pod can see: libpq takes a URL from nowhere else.
pg_dump --format=custom --no-owner --no-privileges --file="$file" --dbname="$(cat "$DATABASE_URL_FILE")"
# A dump that cannot be listed cannot be restored. Rows of at least one table have to be in it.
pg_restore --list "$file" | grep -q 'TABLE DATA' || { echo "the dump has no tables; is this the database of the gateway?" >&2; exit 1; }
ls -l "$file"
