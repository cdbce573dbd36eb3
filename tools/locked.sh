#!/usr/bin/env bash
# Prints lines of the lock requirements/dev.txt, with their hashes: `tools/locked.sh NAME…` those of these
# packages, `tools/locked.sh --without-group NAME` all but those of a dependency group of pyproject.toml.
set -euo pipefail
cd "$(dirname "$0")/.."

awk -v names=" $* " '
  function flush() {
    wanted = names ~ /^ --without-group / ? !index(entry, "pyproject.toml:" group ")") : index(names, " " name " ")
    if (entry && wanted) printf "%s", entry
    entry = ""
  }
  BEGIN { group = names; sub(/^ --without-group /, "", group); sub(/ $/, "", group) }
  /^[a-z0-9]/ { flush(); name = $1; sub(/[[=].*/, "", name) }
  !/^#/ { entry = entry $0 "\n" }
  END { flush() }
' requirements/dev.txt
