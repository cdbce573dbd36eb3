#!/usr/bin/env bash
# The real promtool, for the tests of the alerts: prints where it is.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tools/offline/building.sh

VERSION=0.316.0
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/promtool
MODULE=github.com/prometheus/prometheus
target=$CACHE/promtool-$VERSION

open_cache "$CACHE" promtool

# Without the service discoveries of all the clouds it is built in a fifth of the time.
if [ ! -x "$target" ]; then
  say "building $VERSION (2 to 5 minutes, the first time)"
  go_run mod init promtool
  go_run get "$MODULE/cmd/promtool@v$VERSION"
  go_run build -tags remove_all_sd -o promtool "$MODULE/cmd/promtool"
  mv "$work/promtool" "$target"
fi
echo "$target"
