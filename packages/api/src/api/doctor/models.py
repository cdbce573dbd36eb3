"""The models we ask for: routed by the gateway, with a stand-in, and with room to think."""

from fnmatch import fnmatchcase

from api.doctor.findings import Check, Finding, failed, ok, skipped
from api.doctor.gateway import GatewayChecks
from api.doctor.place import Place
from api.llm.call import alias_of
from api.llm.retry_policy import family
from api.llm.settings import GEMINI_THINKING
from api.settings import Settings

LEAST_FOR_THINKING = 200
"""Fewer are used up by the thinking, and the answer is empty; the platform's page names it."""


class ModelChecks:
    def __init__(self, settings: Settings, gateway: GatewayChecks, place: Place) -> None:
        self._settings = settings
        self._gateway = gateway
        self._place = place
        self.default = alias_of(settings.llm_default_model)
        self._fallbacks = [alias_of(model) for model in settings.llm_fallback_models]

    def checks(self) -> list[Check]:
        return [
            Check("default_model", self.default_is_routed, ["gateway_models"]),
            Check("fallback_models", self.fallbacks_are_routed, ["gateway_models"]),
            Check("fallback_provider", self.another_provider_stands_in),
            Check("thinking_floor", self.thinking_has_room),
        ]

    async def default_is_routed(self) -> Finding:
        if self.goes_round_the_gateway:
            return skipped(f"{self.default} is local, and goes out without the gateway")
        return self._routed("LLM_DEFAULT_MODEL", [self.default])

    async def fallbacks_are_routed(self) -> Finding:
        if not self._fallbacks:
            return skipped("LLM_FALLBACK_MODELS is empty")
        return self._routed("LLM_FALLBACK_MODELS", self._fallbacks)

    @property
    def goes_round_the_gateway(self) -> bool:
        return self._settings.llm_allow_local_models and self.default.startswith("ollama")

    def _routed(self, variable: str, aliases: list[str]) -> Finding:
        how = f"GET /models listed {self._gateway.listed}"
        missing = [alias for alias in aliases if not self._is_served(alias)]
        if missing:
            are = "is" if len(missing) == 1 else "are"
            return failed(
                f"{', '.join(missing)} of {variable} {are} not routed by the gateway.",
                how,
                f"set {variable} to models of that list, or add {', '.join(missing)} to model_list "
                f"in {self._place.gateway_config}",
            )
        return ok(f"The gateway routes {', '.join(aliases)}.", how)

    def _is_served(self, alias: str) -> bool:
        return any(
            alias == served or ("*" in served and fnmatchcase(alias, served))
            for served in self._gateway.aliases
        )

    async def another_provider_stands_in(self) -> Finding:
        if not self._fallbacks:
            return skipped(f"LLM_FALLBACK_MODELS is empty: nobody stands in for {self.default}")
        how = f"by the names: {self.default}, then {', '.join(self._fallbacks)}"
        others = [alias for alias in self._fallbacks if family(alias) != family(self.default)]
        if not others:
            return failed(
                f"No fallback is of another provider than {self.default}.",
                how,
                self._place.set_variable("LLM_FALLBACK_MODELS", "openai/claude-opus-4-8"),
            )
        return ok(f"{others[0]} of another provider stands in for {self.default}.", how)

    async def thinking_has_room(self) -> Finding:
        floor, thinking = self._settings.llm_min_tokens_thinking, self._settings.thinking_aliases
        how = f"LLM_MIN_TOKENS_THINKING is {floor}, LLM_THINKING_MODELS {len(thinking)} models"
        if thinking and floor < LEAST_FOR_THINKING:
            return failed(
                f"A thinking model may be left with {floor} tokens, and answer with nothing.",
                how,
                self._place.set_variable("LLM_MIN_TOKENS_THINKING", str(LEAST_FOR_THINKING)),
            )
        used = {self.default, *self._fallbacks}
        forgotten = sorted((used & set(GEMINI_THINKING)) - thinking)
        if forgotten:
            names = ",".join(sorted(thinking | set(forgotten)))
            return failed(
                f"{', '.join(forgotten)} thinks before it writes, and has no floor for that.",
                how,
                self._place.set_variable("LLM_THINKING_MODELS", names),
            )
        return ok(f"A thinking model gets at least {floor} tokens.", how)
