#!/bin/sh
# Restores a dump, FILE, into the database, which must be empty: a restore into one in use would mix two histories. See docs/operations/restore.md.
set -eu

url=$(cat "$DATABASE_URL_FILE")
tables=$(psql --no-psqlrc --tuples-only --no-align --dbname="$url" --command="SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')")
[ "$tables" = 0 ] || { echo "the database has $tables tables; make an empty one and restore into that" >&2; exit 1; }
# All or nothing.
pg_restore --exit-on-error --single-transaction --no-owner --no-privileges --dbname="$url" "$FILE"
psql --no-psqlrc --dbname="$url" --command="ANALYZE"
