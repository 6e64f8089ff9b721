#!/bin/sh
# Makes DESTINATION/current the same as SOURCE. What was replaced or removed in the source since the last time goes to DESTINATION/replaced/<time>, and
# from there after KEEP_DAYS. The gateway's archive only grows, so what turns up in `replaced` is worth a look.
set -eu

stamp() { date -u -d "@$1" +%Y%m%dT%H%M%SZ; }
now=$(date -u +%s)
rclone sync --backup-dir "$DESTINATION/replaced/$(stamp "$now")" "$SOURCE" "$DESTINATION/current"

oldest=$(stamp "$((now - KEEP_DAYS * 86400))")
# Names are times, so they sort. Before the first replacement there is no such folder.
rclone lsf --dirs-only "$DESTINATION/replaced" 2>/dev/null | while read -r folder; do
    folder=${folder%/}
    case $folder in
        [0-9]*T[0-9]*Z)
            if expr "$folder" '<' "$oldest" >/dev/null; then
                rclone purge "$DESTINATION/replaced/$folder"
            fi
            ;;
    esac
done
