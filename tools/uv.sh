#!/usr/bin/env bash
# The locked uv, with the index and the certificates that pip is configured to use: uv itself reads
# no pip configuration. What is set for uv wins. Without a terminal it is quiet.
set -euo pipefail
cd "$(dirname "$0")/.."

source tools/pip_settings.sh

if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
  index=$(pip_setting index-url)
  if [ -n "$index" ]; then export UV_DEFAULT_INDEX="$index"; fi
fi
if [ -z "${SSL_CERT_FILE:-}" ]; then
  certificates=$(pip_setting cert)
  if [ -n "$certificates" ]; then export SSL_CERT_FILE="$certificates"; fi
fi
if [ ! -t 2 ]; then set -- --quiet "$@"; fi
export UV_PYTHON_DOWNLOADS=never
exec .venv/bin/uv "$@"
