"""What is around: the variables, the realm, the clocks, the service itself where it listens."""

from collections.abc import AsyncGenerator, Mapping

from msgspec import MsgspecError

from api.doctor.checks import Checks, Context, Ended, Evidence, Finding, Place, skipped
from chassis.identity.jwks import keys_of

ENVIRONMENT = Evidence("read from the environment of this process")
LISTS = {"LLM_FALLBACK_MODELS", "LLM_THINKING_MODELS", "CORS_ALLOW_ORIGINS"}
EMPTY_ON_PURPOSE = LISTS | {"ROOT_PATH"}
SHADOWED = "a plain `env` entry hides a secret-backed one of `envVars`, or the key is empty"
REALM = "bring the realm back, or look at KEYCLOAK_ISSUER_URL and KEYCLOAK_JWKS_URL"
MOST_SKEW_SECONDS = 5.0
"""A token is let pass with so much, see `chassis/identity/access_tokens.py`."""
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 -- compared, not listened on


def refused(line: str, odd: Mapping[str, str], place: Place) -> Finding:
    """What is to be said of a variable; the line is `NAME: reason`, for `odd` see `odd_values`."""
    name = line.partition(":")[0]
    hint = f" (set, and empty: {SHADOWED})" if odd.get(name) == "is set, and empty" else ""
    pod = f"kubectl exec {{it}} -- sh -c 'printenv {name} | wc -c'"
    pod = f"compare api.env and api.envVars of the chart with {pod}"
    mend = place.mend(f"export {name}=… as .env.example has it", pod=pod)
    return ENVIRONMENT.failed(f"{line}{hint}", mend)


def sensible(odd: Mapping[str, str], place: Place) -> Finding:
    """What is to be said of variables that make sense to the settings."""
    strange = "; ".join(f"{name} {odd[name]}" for name in odd if name not in EMPTY_ON_PURPOSE)
    if not strange:
        return ENVIRONMENT.ok("The variables make sense.")
    what = f"{strange}. An empty one counts as not set, and a key's line break is taken off here."
    mend = place.mend("unset it, or set it", pod=f"look at the chart: {SHADOWED}")
    return Finding("unknown", what, ENVIRONMENT.how, mend)


async def of_realm(at: Context) -> AsyncGenerator[Finding]:
    expected, keys_url = at.settings.keycloak_issuer_url, at.settings.jwks_url()
    if at.settings.auth_mode == "disabled" or expected is None:
        raise skipped("AUTH_MODE=disabled: anybody may call")
    answer = await at.get("Keycloak", keys_url, ", and nobody can be let in", REALM)
    try:
        keys = keys_of(answer.body) if answer.status == 200 else {}
    except MsgspecError:
        keys = {}
    if not keys:
        raise answer.ended("What answers there has no RSA key for signatures.", REALM)
    yield answer.ok(f"The realm has {len(keys)} keys to sign tokens with.")

    url = f"{expected.rstrip('/')}/.well-known/openid-configuration"
    answer = await at.get("Keycloak", url)
    issuer = answer.json.get("issuer")
    known = Evidence(f"GET {url}: issuer {issuer}; KEYCLOAK_ISSUER_URL is {expected}")
    if answer.status != 200 or not isinstance(issuer, str):
        yield answer.unknown("The realm does not say what it calls itself.")
    elif issuer == expected:
        yield known.ok("The realm calls itself what the tokens are compared with.")
    else:
        what = f"The realm calls itself {issuer}, and so will its tokens; all would be refused."
        mend = at.place.set_variable("KEYCLOAK_ISSUER_URL", issuer)
        mend += f", and where that cannot be reached from here, KEYCLOAK_JWKS_URL to {keys_url}"
        yield known.failed(what, mend)


async def of_clock_and_service(at: Context) -> AsyncGenerator[Finding]:
    skews = at.skews
    known = Evidence("Date: " + ", ".join(f"{who} {skew:+.0f} s" for who, skew in skews.items()))
    wrong = [who for who, skew in skews.items() if abs(skew) > MOST_SKEW_SECONDS]
    if wrong:
        all_do = len(wrong) == len(skews) > 1
        whose = "This machine's clock" if all_do else f"The clock here or of {', '.join(wrong)}"
        most = f"{max(map(abs, skews.values())):.0f} s"
        what = f"{whose} is wrong, by {most}: tokens and tickets are refused, traces are misplaced."
        pod = "kubectl get pods -o wide, then chronyc tracking on the node"
        yield known.failed(what, at.place.mend("timedatectl set-ntp true", pod=pod))
    else:
        yield known.ok("The clocks agree.") if skews else known.unknown("Nobody says the time.")

    at.need("gateway_ready", "realm_keys")
    port, host = at.settings.port, EVERY_ADDRESS.get(at.settings.host, at.settings.host)
    if port == 0:
        raise skipped("PORT is 0: nobody knows where it listens")
    try:
        answer = await at.get("This service", f"http://{host}:{port}/health/ready")
    except Ended as end:
        raise skipped(f"it does not listen here ({end.args[0].how})") from None
    status = answer.json.get("status")
    if answer.status == 200 and status == "ok":
        yield answer.ok("The service is ready.")
    elif status is None:
        yield answer.unknown(f"What listens on PORT {port} is another.")
    else:
        mend = at.place.mend("look at what make api says", pod="kubectl logs {it} -c api")
        yield answer.failed(f"The service is not ready: {status}.", mend)


OF_REALM = Checks(["realm_keys", "realm_issuer"], of_realm)
CHECKS = Checks(["clock", "service"], of_clock_and_service)
