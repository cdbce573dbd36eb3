#!/usr/bin/env bash
# The real Keycloak and the real OpenFGA, for the integration tests and `make identity`.
# `tools/offline/peers.sh keycloak|openfga|model_to_json|compose_config` fetches or builds one, once, into a
# cache that all clones share, and prints where it is. What cannot be had is one line on stderr, and
# exit code 3.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tools/offline/building.sh

KEYCLOAK=26.7.3
KEYCLOAK_SHA256=27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f
OPENFGA=1.22.1
OPENFGA_LANGUAGE=0.3.2
COMPOSE_GO=2.16.1
CACHE=${PEERS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/identity-peers}

openfga() {
  local target=$CACHE/openfga-$OPENFGA
  if [ ! -x "$target" ]; then
    say "building OpenFGA $OPENFGA (2 to 4 minutes, the first time)"
    GOBIN=$work go_run install "github.com/openfga/openfga/cmd/openfga@v$OPENFGA"
    mv "$work/openfga" "$target"
  fi
  echo "$target"
}

model_to_json() {
  built "model_to_json-$OPENFGA_LANGUAGE" identity/model_to_json.go \
    "github.com/openfga/language/pkg/go/transformer@v$OPENFGA_LANGUAGE"
}

compose_config() {
  built "compose_config-$COMPOSE_GO" tools/offline/compose_config.go \
    "github.com/compose-spec/compose-go/v2/cli@v$COMPOSE_GO"
}

# `built NAME-VERSION FILE MODULE`: a program of our own, of one file over one module.
built() {
  local target=$CACHE/$1
  if [ ! -x "$target" ]; then
    say "building $1"
    cp "$2" "$work/main.go"
    go_run mod init "${1%-*}"
    go_run get "$3"
    go_run build -o made .
    mv "$work/made" "$target"
  fi
  echo "$target"
}

keycloak() {
  local target=$CACHE/keycloak-$KEYCLOAK artifact=keycloak-quarkus-dist zip
  command -v java >/dev/null || [ -x "${JAVA_HOME:-}/bin/java" ] ||
    cannot "there is no Java: Keycloak cannot run (Debian: default-jre-headless)"
  if [ ! -d "$target" ]; then
    command -v mvn >/dev/null || cannot "there is no Maven: Keycloak cannot be fetched (Debian: maven)"
    say "fetching Keycloak $KEYCLOAK (170 MB, the first time)"
    mvn --batch-mode --no-transfer-progress --strict-checksums \
      -Dmaven.repo.local="$work/maven" \
      org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get -Dtransitive=false \
      -Dartifact="org.keycloak:$artifact:$KEYCLOAK:zip" >"$work/log" 2>&1 ||
      cannot "mvn: $(grep -m 1 ERROR "$work/log" | cut -c 1-200)"
    zip=$work/maven/org/keycloak/$artifact/$KEYCLOAK/$artifact-$KEYCLOAK.zip
    [ "$(sha256 "$zip")" = "$KEYCLOAK_SHA256" ] || cannot "Keycloak $KEYCLOAK is not the one we know"
    (cd "$work" && "$(python)" -m zipfile -e "$zip" .)
    chmod +x "$work/keycloak-$KEYCLOAK/bin/kc.sh"
    mv "$work/keycloak-$KEYCLOAK" "$target"
  fi
  echo "$target"
}

case ${1:-} in
  keycloak | openfga | model_to_json | compose_config) open_cache "$CACHE" "$1"; "$1" ;;
  *) say "say which: keycloak, openfga, model_to_json or compose_config"; exit 2 ;;
esac
