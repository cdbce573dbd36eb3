# What a person would try after an installation, in the order in which it can be broken.
# SERVICE_URL, PROJECT and, where the service asks for one, TOKEN come from the environment.
set -eu

say() { printf '%s\n' "$*"; }
fail() { say "FAILED $*"; exit 1; }

ask() {
  if [ -n "${TOKEN:-}" ]; then set -- -H "Authorization: Bearer $TOKEN" "$@"; fi
  curl -sS -N -m 150 -H "X-Project-ID: $PROJECT" -w '\nstatus=%{http_code}\n' "$@"
}
status_of() { printf '%s\n' "$1" | sed -n 's/^status=//p'; }

answer=$(ask "$SERVICE_URL/health/ready")
[ "$(status_of "$answer")" = 200 ] || fail "the service is not ready: $answer"
say "ok     the service is ready, and so is its gateway"

answer=$(ask "$SERVICE_URL/llm/models")
if [ -z "${TOKEN:-}" ] && [ "$(status_of "$answer")" = 401 ]; then
  say "ok     without a token nobody gets in"
  say "NOT TRIED: a call. Name a Secret with a caller's token in tests.tokenSecret."
  exit 0
fi
[ "$(status_of "$answer")" = 200 ] || fail "the models cannot be listed: $answer"
say "ok     the gateway takes our key"

answer=$(ask "$SERVICE_URL/llm/test")
[ "$(status_of "$answer")" = 200 ] || fail "a call, as GET /llm/test makes it: $answer"
say "ok     a call is answered, and booked on $PROJECT"

answer=$(ask -H 'Content-Type: application/json' -d '{"prompt": "Say hello."}' "$SERVICE_URL/llm/stream")
[ "$(status_of "$answer")" = 200 ] || fail "a stream: $answer"
case $answer in
  *"event: done"*) say "ok     a stream comes to its end" ;;
  *) fail "a stream that does not end in done: $answer" ;;
esac
