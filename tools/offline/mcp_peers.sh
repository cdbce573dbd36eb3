#!/usr/bin/env bash
# The MCP programs of npm that the tool gateway is tried with, and a Node that is new enough for them:
# prints the folder that has `node_modules`. Fetched once, into a cache that all clones share; what
# cannot be had is one line on stderr, and exit code 3. `tools/offline/mcp_peers.sh lock` locks them again.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tools/offline/building.sh

LOCKED=requirements/mcp-peers
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/mcp-peers

# No package's own scripts are run: what they would fetch is not locked.
npm_run() {
  command -v npm >/dev/null || cannot "there is no npm (Debian: npm)"
  npm "$@" --ignore-scripts --no-audit --no-fund --loglevel=error >"$work/log" 2>&1 ||
    cannot "npm: $(grep -m 1 "^npm error [^c]" "$work/log" | cut -c 1-200)"
}

open_cache "$CACHE" peers
if [ "${1:-}" = lock ]; then
  cp "$LOCKED/package.json" "$work"
  npm_run install --package-lock-only --omit-lockfile-registry-resolved --prefix "$work"
  cp "$work/package-lock.json" "$LOCKED"
  exit
fi

target=$CACHE/peers-$(sha256 "$LOCKED/package-lock.json" | cut -c 1-12)
if [ ! -d "$target" ]; then
  [ "$(uname -sm)" = "Linux x86_64" ] || cannot "the package brings Node for Linux on x86-64 alone"
  say "fetching the MCP programs and their Node (340 MB on disk, the first time)"
  mkdir "$work/peers"
  cp "$LOCKED"/package*.json "$work/peers"
  npm_run ci --prefix "$work/peers"
  mv "$work/peers" "$target"
fi
echo "$target"
