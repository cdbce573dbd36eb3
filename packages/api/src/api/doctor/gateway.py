"""The gateway: is it there, is it LiteLLM and ready, does it take our key, what does it serve."""

from api.doctor.findings import Check, Finding, failed, ok
from api.doctor.http import Answer, Http, NoAnswer
from api.doctor.place import Place
from api.errors import GatewayError, GatewayKeyRejected
from api.gateway.peer import CONNECT_SECONDS, Gateway


class GatewayChecks:
    """
    Attributes:
        aliases: what the gateway serves to our key, once it has been asked.
    """

    def __init__(self, http: Http, gateway: Gateway, place: Place) -> None:
        self._http = http
        self._gateway = gateway
        self._place = place
        self._readiness: Answer | None = None
        self._not_listed: GatewayError | None = None
        self.aliases: list[str] = []

    def checks(self) -> list[Check]:
        return [
            Check("gateway_reachable", self.reachable),
            Check("gateway_ready", self.ready, ["gateway_reachable"]),
            Check("gateway_key", self.key, ["gateway_ready"], seconds=CONNECT_SECONDS + 1),
            Check("gateway_models", self.models, ["gateway_key"]),
        ]

    async def reachable(self) -> Finding:
        url = f"{self._gateway.url.removesuffix('/v1')}/health/readiness"
        try:
            self._readiness = await self._http.get("gateway", url)
        except NoAnswer as nothing:
            return failed(
                f"The gateway {nothing.what}.",
                nothing.how,
                self._place.mend(
                    pod=self._place.kubectl("logs {it} -c litellm"),
                    laptop="make gateway, then the two export lines that it prints",
                ),
            )
        return ok("The gateway takes connections.", self._readiness.how)

    async def ready(self) -> Finding:
        assert self._readiness is not None, "it was reached"  # noqa: S101
        answer = self._readiness
        if answer.status == 200 and answer.json().get("status"):
            return ok("The gateway is ready.", answer.how)
        if "json" in answer.content_type and answer.status != 404:
            return failed(
                "The gateway is not ready.",
                answer.how,
                self._place.mend(
                    pod=self._place.kubectl("logs {it} -c litellm"),
                    laptop="look at what make gateway says",
                ),
            )
        return failed(
            "What answers at LLM_GATEWAY_URL is no LiteLLM gateway.",
            answer.how,
            self._place.set_variable("LLM_GATEWAY_URL", "http://127.0.0.1:4000/v1"),
        )

    async def key(self) -> Finding:
        asked = f"GET {self._gateway.url}/models with our key"
        try:
            self.aliases = await self._gateway.models()
        except GatewayKeyRejected as refusal:
            return failed(
                "The gateway refuses this service's key.",
                f"{asked}: {refusal.reason}",
                self._place.mend(
                    pod=f"{self._place.restart}, which takes the key that the secret has now",
                    laptop="export LLM_GATEWAY_API_KEY=… as make gateway printed it",
                ),
            )
        except GatewayError as error:
            self._not_listed = error
            return ok("The gateway does not refuse the key.", f"{asked}: {error.reason}")
        return ok("The gateway accepts this service's key.", f"{asked}: 200")

    async def models(self) -> Finding:
        asked = f"GET {self._gateway.url}/models"
        if self._not_listed is not None:
            return failed(
                "The gateway does not list its models.",
                f"{asked}: {self._not_listed.reason}",
                self._not_listed.remedy,
            )
        if not self.aliases:
            return failed(
                "The gateway serves no model to this key.",
                f"{asked}: an empty list",
                f"add the models to model_list in {self._place.gateway_config}",
            )
        return ok(f"The gateway serves {len(self.aliases)} models.", f"{asked}: {self.listed}")

    @property
    def listed(self) -> str:
        shown = ", ".join(self.aliases[:12])
        return shown if len(self.aliases) <= 12 else f"{shown} and {len(self.aliases) - 12} more"
