"""The gateway: is it there and ready, does it take our key, does it route the models we ask for."""

from collections.abc import AsyncGenerator, Sequence
from fnmatch import fnmatchcase

from api.doctor.checks import Checks, Context, Evidence, Finding, skipped
from api.errors import GatewayError, GatewayKeyRejected
from api.llm.retry_policy import family
from api.llm.settings import GEMINI_THINKING

LOGS = "kubectl logs {it} -c litellm"
RESTART = "kubectl rollout restart {it}, which takes the key that the secret has now"
LIST = "model_list in the gateway's config.yaml"
LEAST_FOR_THINKING = 200
"""Fewer are used up by the thinking, and the answer is empty; the platform's page names it."""


async def of_gateway(at: Context) -> AsyncGenerator[Finding]:
    url = f"{at.gateway.url.removesuffix('/v1')}/health/readiness"
    start = at.place.mend("make gateway, then the two export lines that it prints", pod=LOGS)
    answer = await at.get("The gateway", url, mend=start)
    yield answer.ok("The gateway takes connections.")
    if "json" not in answer.content_type or answer.status == 404:
        mend = at.place.set_variable("LLM_GATEWAY_URL", "http://127.0.0.1:4000/v1")
        raise answer.ended("What answers at LLM_GATEWAY_URL is no LiteLLM gateway.", mend)
    if answer.status != 200 or not answer.json.get("status"):
        mend = at.place.mend("look at what make gateway says", pod=LOGS)
        raise answer.ended("The gateway is not ready.", mend)
    yield answer.ok("The gateway is ready.")

    asked = f"GET {at.gateway.url}/models with our key"
    try:
        aliases = await at.gateway.models()
    except GatewayKeyRejected as refusal:
        mend = at.place.mend("export LLM_GATEWAY_API_KEY=… as make gateway printed it", pod=RESTART)
        known = Evidence(f"{asked}: {refusal.reason}")
        raise known.ended("The gateway refuses this service's key.", mend) from None
    except GatewayError as error:
        known = Evidence(f"{asked}: {error.reason}")
        yield known.ok("The gateway does not refuse the key.")
        raise known.ended("The gateway does not list its models.", error.remedy) from None
    yield Evidence(f"{asked}: 200").ok("The gateway accepts this service's key.")
    known = Evidence(f"GET /models listed {', '.join(aliases)[:300] or 'nothing: it is empty'}")
    if not aliases:
        raise known.ended("The gateway serves no model to this key.", f"add the models to {LIST}")
    yield known.ok(f"The gateway serves {len(aliases)} models.")

    default, *fallbacks = at.models
    if at.is_local:
        yield Finding("skipped", f"{default} is local, and goes out without the gateway")
    else:
        yield routed(known, aliases, "LLM_DEFAULT_MODEL", [default])
    if not fallbacks:
        raise skipped("LLM_FALLBACK_MODELS is empty")
    yield routed(known, aliases, "LLM_FALLBACK_MODELS", fallbacks)


def routed(known: Evidence, served: Sequence[str], variable: str, aliases: list[str]) -> Finding:
    def is_served(alias: str) -> bool:
        return alias in served or any("*" in each and fnmatchcase(alias, each) for each in served)

    if missing := ", ".join(alias for alias in aliases if not is_served(alias)):
        mend = f"set {variable} to models of that list, or add {missing} to {LIST}"
        return known.failed(f"The gateway does not route {missing} of {variable}.", mend)
    return known.ok(f"The gateway routes {', '.join(aliases)}.")


async def of_settings(at: Context) -> AsyncGenerator[Finding]:
    default, *fallbacks = at.models
    known = Evidence(f"by the names: {default}, then {', '.join(fallbacks)}")
    if others := [alias for alias in fallbacks if family(alias) != family(default)]:
        yield known.ok(f"{others[0]} of another provider stands in for {default}.")
    elif fallbacks:
        mend = at.place.set_variable("LLM_FALLBACK_MODELS", "openai/claude-opus-4-8")
        yield known.failed(f"No fallback is of another provider than {default}.", mend)
    else:
        yield Finding("skipped", f"LLM_FALLBACK_MODELS is empty: nobody stands in for {default}")

    floor, thinking = at.settings.llm_min_tokens_thinking, at.settings.thinking_aliases
    known = Evidence(f"LLM_MIN_TOKENS_THINKING is {floor}, for {len(thinking)} thinking models")
    if thinking and floor < LEAST_FOR_THINKING:
        mend = at.place.set_variable("LLM_MIN_TOKENS_THINKING", str(LEAST_FOR_THINKING))
        what = f"A thinking model may be left with {floor} tokens, and answer with nothing."
        yield known.failed(what, mend)
    elif forgotten := sorted(set(at.models) & set(GEMINI_THINKING) - thinking):
        names = ",".join(sorted(thinking.union(forgotten)))
        what = f"{', '.join(forgotten)} thinks before it writes, and has no floor for that."
        yield known.failed(what, at.place.set_variable("LLM_THINKING_MODELS", names))
    else:
        yield known.ok(f"A thinking model gets at least {floor} tokens.")


ASKED = ("gateway_reachable", "gateway_ready", "gateway_key", "gateway_models")
CHECKS = Checks([*ASKED, "default_model", "fallback_models"], of_gateway)
OF_SETTINGS = Checks(["fallback_provider", "thinking_floor"], of_settings)
