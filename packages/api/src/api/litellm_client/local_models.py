"""`LLM_ALLOW_LOCAL_MODELS`: a local model's prefix goes out without the gateway, on a laptop."""

from collections.abc import AsyncGenerator

from api.gateway.chat_client import ChatAnswer, ChatClient, ChatRead, ChatRequest
from api.litellm_client.client import LitellmClient

LOCAL_PREFIXES = ("ollama/", "ollama_chat/")


class LocalModels:
    """A lane that lets a local model's prefix go out without the gateway, for work on a laptop.

    Args:
        through_gateway: the lane for every other model.
        timeout: for one call of a local model, in seconds.
    """

    def __init__(self, through_gateway: ChatClient, timeout: float) -> None:
        self._through_gateway = through_gateway
        self._local = LitellmClient(timeout)

    def _lane(self, call: ChatRequest) -> ChatClient:
        return self._local if call.alias.startswith(LOCAL_PREFIXES) else self._through_gateway

    async def warm_up(self) -> None:
        """See `ChatClient.warm_up`."""
        await self._through_gateway.warm_up()
        await self._local.warm_up()

    async def complete(self, call: ChatRequest) -> ChatAnswer:
        """See `ChatClient.complete`."""
        return await self._lane(call).complete(call)

    def stream(self, call: ChatRequest) -> AsyncGenerator[ChatRead]:
        """See `ChatClient.stream`."""
        return self._lane(call).stream(call)
