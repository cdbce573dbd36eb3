"""What the runner tells the person who started it. Every line to paste works as it is."""

import json
from collections.abc import Sequence

from local.run.config import Route

QUESTION = "What is the capital of France?"
TOOL_CALL = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "llm_complete", "arguments": {"prompt": QUESTION}},
    }
)


def say(text: str = "") -> None:
    print(text, flush=True)


def routes(answered_by: Sequence[Route]) -> str:
    """Who answers each alias, and what would have to be set to change it."""
    width = max((len(route.alias) for route in answered_by), default=0)
    lines = ["Who answers:"]
    for route in answered_by:
        by = f"the provider, as {route.model}"
        if route.missing:
            by = f"the local LLM ({', '.join(route.missing)} not set)"
        lines.append(f"  {route.alias:<{width}}  {by}")
    lines.append('and fault models, which misbehave on purpose: "Break it" in README.md lists them')
    return "\n".join(lines)


def gateway(url: str, key: str) -> str:
    """How `make api`, in another terminal, finds this gateway.

    Args:
        url: OpenAI-compatible, ends in `/v1`.
        key: as it should be shown, within double quotes.
    """
    return f"""
The gateway is ready. For the API, in another terminal:

export LLM_GATEWAY_URL={url}
export LLM_GATEWAY_API_KEY="{key}"
AUTH_MODE=disabled make api

{models(url, key)}

Ctrl-C stops it."""


def models(url: str, key: str) -> str:
    """The line that lists the models of the gateway."""
    return f'curl -s {url}/models -H "Authorization: Bearer {key}"'


def everything(url: str, traces: str, tools: str, gateway_url: str, key: str) -> str:
    """
    Args:
        url: of the API, without a path.
        traces: where Langfuse is.
        tools: of the tool gateway, without a path.
        gateway_url: OpenAI-compatible, ends in `/v1`.
        key: the gateway's, as it should be shown, within double quotes.
    """
    project = "-H 'X-Project-ID: demo'"
    is_json = "-H 'Content-Type: application/json'"
    body = f"""{is_json} -d '{{"prompt": "{QUESTION}"}}'"""
    accept = "-H 'Accept: application/json, text/event-stream'"
    return f"""
Ready: {url}/docs
Traces: {traces}
Tools: {tools}/mcp
Gateway: {gateway_url}, its key {key}

curl -s {url}/llm/complete {project} {body}
curl -sN {url}/llm/stream {project} {body}
curl -s {url}/llm/test {project}
{models(gateway_url, key)}
curl -s {tools}/mcp {is_json} {accept} {project} -d '{TOOL_CALL}'

Ctrl-C stops everything."""
