#!/usr/bin/env bash
# Builds one of the environments: `tools/setup.sh api` makes .venv (the services and the tools),
# `tools/setup.sh gateway` makes .venv-gateway (LiteLLM and the local LLM). `tools/setup.sh checkov` makes
# .venv-checkov, for the test that looks over the rendered charts. Everything is locked with hashes; an
# environment that belongs to another folder or another Python is made anew.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

supported() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if supported "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  fail "${PYTHON:-python3} is not a Python 3.11, 3.12 or 3.13; name one: make PYTHON=/path/to/python"
}

usable() {
  [ "$(cat "$1/.ready" 2>/dev/null || pwd -P)" = "$(pwd -P)" ] &&
    supported "$1/bin/python" && "$1/bin/python" -c 'import pip' 2>/dev/null
}

make_environment() {
  local venv=$1 python
  if usable "$venv"; then
    rm -f "$venv/.ready"
    return
  fi
  python=$(find_python)
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python has no venv or no pip; install them (Debian, Ubuntu: python3-venv)"
  say "$venv: $("$python" --version)"
  rm -rf "$venv"
  "$python" -m venv "$venv"
}

# Compiled here, because where Python may not write bytecode LiteLLM takes twice as long to start.
install() {
  tools/uv.sh pip sync --python "$1" --require-hashes --compile-bytecode "${@:2}"
}

install_ours() {
  tools/uv.sh pip install --python "$1" --no-deps "${@:2}"
}

api() {
  make_environment .venv
  say ".venv: uv"
  tools/locked.sh uv | .venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --require-hashes --only-binary :all: -r /dev/stdin
  say ".venv: the services and the tools (about 240 MB, the first time)"
  tools/locked.sh --without-group on-demand >.venv/locked.txt
  install .venv .venv/locked.txt
  install_ours .venv -e packages/chassis -e packages/api -e packages/local -e packages/runtime-mcp
}

gateway() {
  make_environment .venv-gateway
  say ".venv-gateway: LiteLLM and the local LLM (about 210 MB, the first time)"
  install .venv-gateway requirements/gateway.txt
  install_ours .venv-gateway -e packages/local
}

checkov() {
  make_environment .venv-checkov
  say ".venv-checkov: checkov (about 90 MB, the first time)"
  install .venv-checkov requirements/checkov.txt
}

case ${1:-} in
  api) api; pwd -P >.venv/.ready ;;
  gateway) gateway; pwd -P >.venv-gateway/.ready ;;
  checkov) checkov; pwd -P >.venv-checkov/.ready ;;
  *) fail "say which environment: api, gateway or checkov" ;;
esac
say "$1 is ready"
