#!/usr/bin/env bash
# Builds the images: `tools/image.sh [api] [gateway] [runtime-mcp]`, all where none is named. Docker does it, or
# buildah where there is no engine (ENGINE=docker|buildah decides). Whatever pip is configured with on
# this machine is the build's to use, as a secret that is in no layer. Prints each tag and its size.
# TAG= is another tag than the version; BASE= is what the images stand on; EXTRAS=litellm brings the
# API's litellm client; FRESH=1 uses nothing of a former build and leaves nothing for the next one.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/offline/building.sh
source tools/pip_settings.sh

LABEL=org.opencontainers.image
solution=$(basename "$(dirname charts/*/gateway)")

write_secrets() {
  local name value
  {
    echo '[global]'
    for name in index-url extra-index-url trusted-host proxy; do
      value=$(pip_setting "$name")
      if [ -n "$value" ]; then echo "$name = $value"; fi
    done
    if [ -n "$(pip_setting cert)" ]; then echo 'cert = /run/secrets/certificates'; fi
  } >"$work/pip.conf"
  secrets=(--secret "id=pip_conf,src=$work/pip.conf")
  if [ -n "$(pip_setting cert)" ]; then
    secrets+=(--secret "id=certificates,src=$(pip_setting cert)")
  fi
}

revision() {
  local changed
  changed=$(git status --porcelain 2>/dev/null) || return 0
  echo "$(git rev-parse HEAD)${changed:+-changed}"
}

# The commit's date, so that the same commit makes the same image.
created() { TZ=UTC0 git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null || true; }

folder() { if [ "$1" = gateway ]; then echo packages/local; else echo "packages/$1"; fi; }

version() { sed -n 's/^version = "\(.*\)"$/\1/p' "$(folder "$1")/pyproject.toml"; }

built() {
  local tag=$solution-$1:${TAG:-$(version "$1")}
  local -a options=("${secrets[@]}" --build-arg "PACKAGE=$1" --tag "$tag"
    --label "$LABEL.title=$solution-$1" --label "$LABEL.version=$(version "$1")" --label "$LABEL.revision=$(revision)"
    --label "$LABEL.created=$(created)")
  if [ -n "${EXTRAS:-}" ]; then options+=(--build-arg "EXTRAS=$EXTRAS"); fi
  if [ -n "${BASE:-}" ]; then options+=(--build-arg "BASE=$BASE"); fi
  if [ -n "${FRESH:-}" ]; then options+=(--no-cache); fi
  "$ENGINE" "${options[@]}" >"$work/log" 2>&1 || cannot_build "$1"
  echo "$tag $("size_in_$ENGINE" "$tag")"
}

cannot_build() {
  tail -n 20 "$work/log" >&2
  say "$1: $(last_line "$work/log")"
  exit 1
}

docker() { command docker build "$@" .; }
size_in_docker() { command docker image ls --format '{{.Size}}' "$1"; }

buildah() {
  local layers=true
  if [ -n "${FRESH:-}" ]; then layers=false; fi
  tools/offline/buildah.sh bud --isolation chroot --format docker --layers=$layers "$@" .
}
size_in_buildah() { tools/offline/buildah.sh images --format '{{.Size}}' "$1"; }

ENGINE=${ENGINE:-$(command docker info >/dev/null 2>&1 && echo docker || echo buildah)}
if [ $# = 0 ]; then set -- api gateway runtime-mcp; fi
for package in "$@"; do
  [ -d "$(folder "$package")" ] || { say "say which: api, gateway, runtime-mcp"; exit 2; }
done

open_cache "$IMAGES" image
write_secrets
if [ "$ENGINE" = buildah ]; then BASE=${BASE:-$(tools/offline/image_base.sh)}; fi
for package in "$@"; do built "$package"; done
