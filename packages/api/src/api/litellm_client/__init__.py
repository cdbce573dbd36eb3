"""`LLM_CLIENT=litellm`: the chat client over litellm, and local models without the gateway."""

from api.gateway.chat_client import ChatClient
from api.gateway.peer import Gateway
from api.settings import Settings


def opened(settings: Settings, gateway: Gateway, wire: ChatClient) -> ChatClient:
    """The client that `LLM_CLIENT` and `LLM_ALLOW_LOCAL_MODELS` name.

    Args:
        wire: the default client.
    """
    from api.litellm_client.client import LitellmClient
    from api.litellm_client.local_models import LocalModels

    client = wire
    if settings.llm_client == "litellm":
        client = LitellmClient(settings.llm_timeout_seconds, gateway.url, gateway.key)
    if settings.llm_allow_local_models:
        client = LocalModels(client, settings.llm_timeout_seconds)
    return client
