"""`LLM_CLIENT=litellm`: the chat client over litellm, and local models without the gateway."""

from api.gateway.chat_client import ChatClient
from api.gateway.peer import Gateway
from api.litellm_client.settings import LitellmSettings


def opened(
    settings: LitellmSettings, timeout: float, gateway: Gateway, wire: ChatClient
) -> ChatClient:
    """The client that `LLM_CLIENT` and `LLM_ALLOW_LOCAL_MODELS` name.

    Args:
        timeout: for one call, in seconds.
        wire: the default client.
    """
    from api.litellm_client.client import LitellmClient
    from api.litellm_client.local_models import LocalModels

    client = wire
    if settings.llm_client == "litellm":
        client = LitellmClient(timeout, gateway.url, gateway.key)
    if settings.llm_allow_local_models:
        client = LocalModels(client, timeout)
    return client
