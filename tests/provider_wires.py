"""The wires of the six kinds of provider, each as a small server that checks what it is asked.

A request that is not of that wire is refused with a 400 that says why; what comes back is in the
provider's own form, whole or streamed, and always the same answer.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from local import openai_wire
from local.openai_wire import PROMPT_TOKENS

SYSTEM = "Answer in one word."
PROMPT = "What is the capital of France?"
MAX_TOKENS = 300
WORDS = ["Paris", "."]
Body = dict[str, Any]


def event(body: Body, name: str = "") -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + openai_wire.event(json.dumps(body).encode())


@dataclass
class Wire:
    """
    Args:
        model: as the provider knows it.
        secret: the key, or what stands in for it.
    """

    model: str
    secret: str
    asked: list[str] = field(default_factory=list)
    """Everything of each request, as text."""

    base = ""
    """What the entry's `api_base` ends in."""
    content_type = "text/event-stream"

    def path(self, *, stream: bool) -> str:
        raise NotImplementedError

    def headers(self) -> dict[str, str]:
        raise NotImplementedError

    def expected(self, *, stream: bool) -> Body:
        """The fields that the body has."""
        raise NotImplementedError

    def whole(self) -> Body:
        raise NotImplementedError

    def pieces(self) -> Iterator[bytes]:
        raise NotImplementedError

    def streams(self, request: web.Request, body: Body) -> bool:
        return body.get("stream") is True

    def complaints(self, request: web.Request, body: Body, *, stream: bool) -> Iterator[str]:
        if (path := self.path(stream=stream)) != request.path_qs:
            yield f"the path is not {path} but {request.path_qs}"
        for name, value in self.headers().items():
            if request.headers.get(name) != value:
                yield f"{name} is {request.headers.get(name)!r}"
        for name, value in self.expected(stream=stream).items():
            if body.get(name) != value:
                yield f"{name} is {body.get(name)!r}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        self.asked.append(f"{request.method} {request.path_qs} {dict(request.headers)} {text}")
        body = json.loads(text)
        stream = self.streams(request, body)
        if complaints := list(self.complaints(request, body, stream=stream)):
            return openai_wire.problem(400, "; ".join(complaints), "not_this_wire", None)
        if not stream:
            return web.json_response(self.whole())
        response = web.StreamResponse(headers={"Content-Type": self.content_type})
        await response.prepare(request)
        for piece in self.pieces():
            await response.write(piece)
        await response.write_eof()
        return response

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app


class OpenAi(Wire):
    """Source: OpenAI's API reference, "Create chat completion"; vLLM serves the same."""

    base = "/v1"

    def path(self, *, stream: bool) -> str:
        return "/v1/chat/completions"

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}

    def expected(self, *, stream: bool) -> Body:
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PROMPT}]
        fields: Body = {"model": self.model, "messages": messages, "max_tokens": MAX_TOKENS}
        if stream:
            fields["stream_options"] = {"include_usage": True}
        return fields

    def whole(self) -> Body:
        whole: Body = json.loads(openai_wire.answer(self.model, "".join(WORDS), "length", 2))
        return whole

    def pieces(self) -> Iterator[bytes]:
        yield openai_wire.chunk(self.model, {"role": "assistant", "content": ""})
        for word in WORDS:
            yield openai_wire.chunk(self.model, {"content": word})
        yield openai_wire.last_chunks(self.model, "length", 2)


class Azure(OpenAi):
    """Source: Azure OpenAI's REST reference: the deployment in the path, the key in `api-key`."""

    base = ""
    version = "2024-10-21"

    def path(self, *, stream: bool) -> str:
        return f"/openai/deployments/{self.model}/chat/completions?api-version={self.version}"

    def headers(self) -> dict[str, str]:
        return {"api-key": self.secret}


class Anthropic(Wire):
    """Source: Anthropic's API reference, "Create a message" and "Streaming messages"."""

    def path(self, *, stream: bool) -> str:
        return "/v1/messages"

    def headers(self) -> dict[str, str]:
        return {"x-api-key": self.secret, "anthropic-version": "2023-06-01"}

    def expected(self, *, stream: bool) -> Body:
        return {
            "model": self.model,
            "max_tokens": MAX_TOKENS,
            "system": [{"type": "text", "text": SYSTEM}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": PROMPT}]}],
        }

    def message(self, **more: Any) -> Body:
        head = {"id": "msg_1", "type": "message", "role": "assistant", "model": self.model}
        return head | {"stop_sequence": None} | more

    def whole(self) -> Body:
        return self.message(
            content=[{"type": "text", "text": "".join(WORDS)}],
            stop_reason="max_tokens",
            usage={"input_tokens": PROMPT_TOKENS, "output_tokens": 2},
        )

    def pieces(self) -> Iterator[bytes]:
        counted = {"input_tokens": PROMPT_TOKENS, "output_tokens": 1}
        begun = self.message(content=[], stop_reason=None, usage=counted)
        ended = {"stop_reason": "max_tokens", "stop_sequence": None}
        text = {"type": "text", "text": ""}
        yield self.typed("message_start", message=begun)
        yield self.typed("content_block_start", index=0, content_block=text)
        yield self.typed("ping")
        for word in WORDS:
            delta = {"type": "text_delta", "text": word}
            yield self.typed("content_block_delta", index=0, delta=delta)
        yield self.typed("content_block_stop", index=0)
        yield self.typed("message_delta", delta=ended, usage={"output_tokens": 2})
        yield self.typed("message_stop")

    def typed(self, kind: str, **fields: Any) -> bytes:
        return event({"type": kind} | fields, kind)


class Gemini(Wire):
    """Source: the Gemini API's reference, `models.generateContent` and `streamGenerateContent`."""

    base = "/v1beta"

    def streams(self, request: web.Request, body: Body) -> bool:
        return "streamGenerateContent" in request.path

    def path(self, *, stream: bool) -> str:
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"{self.base}/models/{self.model}:{verb}"

    def headers(self) -> dict[str, str]:
        return {"x-goog-api-key": self.secret}

    def expected(self, *, stream: bool) -> Body:
        return {
            "contents": [{"role": "user", "parts": [{"text": PROMPT}]}],
            "system_instruction": {"parts": [{"text": SYSTEM}]},
        }

    def complaints(self, request: web.Request, body: Body, *, stream: bool) -> Iterator[str]:
        yield from super().complaints(request, body, stream=stream)
        if (limit := body.get("generationConfig", {}).get("max_output_tokens")) != MAX_TOKENS:
            yield f"max_output_tokens is {limit}"

    def part(self, text: str, **more: str) -> Body:
        candidate = {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}} | more
        counted = {"promptTokenCount": PROMPT_TOKENS, "candidatesTokenCount": 2}
        usage = counted | {"totalTokenCount": PROMPT_TOKENS + 2}
        return {
            "candidates": [candidate],
            "usageMetadata": usage,
            "modelVersion": self.model,
            "responseId": "r-1",
        }

    def whole(self) -> Body:
        return self.part("".join(WORDS), finishReason="MAX_TOKENS")

    def pieces(self) -> Iterator[bytes]:
        *first, last = WORDS
        for word in first:
            yield event(self.part(word))
        yield event(self.part(last, finishReason="MAX_TOKENS"))


@dataclass
class Vertex(Gemini):
    """Source: Vertex AI's reference; the token is the one that the metadata server gave.

    It refuses labels that are not those of the config: a project id often is not a valid one.

    Args:
        location: of the path.
    """

    location: str = "global"
    project = "a-google-project"

    base = ""

    def path(self, *, stream: bool) -> str:
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        place = f"projects/{self.project}/locations/{self.location}"
        return f"/v1/{place}/publishers/google/models/{self.model}:{verb}"

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}

    def expected(self, *, stream: bool) -> Body:
        return super().expected(stream=stream) | {"labels": {"gateway": "litellm"}}


class Ollama(Wire):
    """Source: Ollama's API reference, "Generate a chat completion"; a stream is lines of JSON."""

    content_type = "application/x-ndjson"

    def path(self, *, stream: bool) -> str:
        return "/api/chat"

    def headers(self) -> dict[str, str]:
        return {}

    def expected(self, *, stream: bool) -> Body:
        system = {"role": "system", "content": SYSTEM, "images": []}
        return {
            "model": self.model,
            "messages": [system, {"role": "user", "content": PROMPT, "images": []}],
            "options": {"num_predict": MAX_TOKENS},
            "stream": stream,
        }

    def part(self, text: str, **more: Any) -> Body:
        head = {"model": self.model, "created_at": "2026-11-24T10:00:00Z", "done": False}
        return head | {"message": {"role": "assistant", "content": text}} | more

    def end(self) -> Body:
        counted = {"prompt_eval_count": PROMPT_TOKENS, "eval_count": 2}
        return counted | {"done": True, "done_reason": "length", "total_duration": 1}

    def whole(self) -> Body:
        return self.part("".join(WORDS), **self.end())

    def pieces(self) -> Iterator[bytes]:
        for word in WORDS:
            yield json.dumps(self.part(word)).encode() + b"\n"
        yield json.dumps(self.part("", **self.end())).encode() + b"\n"


class MetadataServer:
    """What a pod of Google's finds at its link-local address: whose it is, and a token for it.

    Source: "About VM metadata"; the header keeps a browser from being talked into asking.
    """

    def __init__(self, token: str) -> None:
        self.token = token
        self.paths: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        headers = {"Metadata-Flavor": "Google"}
        account = "/computeMetadata/v1/instance/service-accounts/default/"
        if request.path != "/" and request.headers.get("Metadata-Flavor") != "Google":
            return web.Response(status=403)
        if request.path == f"{account}token":
            token = {"access_token": self.token, "expires_in": 3599, "token_type": "Bearer"}
            return web.json_response(token, headers=headers)
        if request.path == account:
            known = {"email": "pod@a-google-project.iam", "scopes": [], "aliases": ["default"]}
            return web.json_response(known, headers=headers)
        if request.path == "/computeMetadata/v1/project/project-id":
            return web.Response(text="a-google-project", headers=headers)
        return web.Response(status=200 if request.path == "/" else 404, headers=headers)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.answer)
        return app
