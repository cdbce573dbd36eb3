# What a person would try after an installation, in the order in which it can be broken.
# TOOL_GATEWAY_URL, PROJECT and, where there is one, TOKEN come from the environment.
set -eu

say() { printf '%s\n' "$*"; }
fail() { say "FAILED $*"; exit 1; }

ask() { curl -sS -m 60 -H "X-Project-ID: $PROJECT" -w '\nstatus=%{http_code}\n' "$@"; }
# `mcp METHOD PARAMS ...`: what follows is for curl.
mcp() {
  body="{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"$1\", \"params\": $2}"
  shift 2
  ask -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
    -d "$body" "$@" "$TOOL_GATEWAY_URL/mcp"
}
status_of() { printf '%s\n' "$1" | sed -n 's/^status=//p'; }
hello='{"name": "hello_world", "arguments": {}}'

answer=$(ask "$TOOL_GATEWAY_URL/health/ready")
[ "$(status_of "$answer")" = 200 ] || fail "the tool gateway is not ready: $answer"
say "ok     the tool gateway is ready: it can record calls, and tell agents"

answer=$(mcp tools/call "$hello")
[ "$(status_of "$answer")" = 401 ] || fail "a call of nobody's is no 401: $answer"
say "ok     without a key or a token nobody gets in"
if [ -z "${TOKEN:-}" ]; then
  say "NOT TRIED: a call. Name a Secret with an agent's key or token in tests.tokenSecret."
  exit 0
fi

answer=$(mcp tools/list '{}' -H "Authorization: Bearer $TOKEN")
[ "$(status_of "$answer")" = 200 ] || fail "the tools cannot be listed: $answer"
case $answer in
  *'"hello_world"'*) say "ok     the agent sees a tool, as the allowlist says" ;;
  *) say "NOT TRIED: a call. The allowlist does not let this agent call hello_world."; exit 0 ;;
esac

answer=$(mcp tools/call "$hello" -H "Authorization: Bearer $TOKEN")
[ "$(status_of "$answer")" = 200 ] || fail "a call of hello_world: $answer"
case $answer in
  *'"error"'* | *'"isError":true'*) fail "a call of hello_world: $answer" ;;
esac
say "ok     a tool is called, and so the call is in the record"
