"""The baseline: the code of the seed's page as the page shows it, in the smallest FastAPI app.

It keeps what the page leaves out left out; do not tune it.
"""

import os
from collections.abc import AsyncIterator
from typing import Annotated

import litellm
from fastapi import FastAPI, Header
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

litellm.api_base = os.environ["LLM_GATEWAY_URL"]
litellm.api_key = os.environ["LLM_GATEWAY_API_KEY"]
DEFAULT_MODEL = os.environ.get("LLM_DEFAULT_MODEL", "openai/gemini-3.5-flash")

app = FastAPI()


async def complete(prompt: str, *, model: str | None = None, project_id: str, solution: str) -> str:
    response = await litellm.acompletion(
        model=model or DEFAULT_MODEL,
        messages=[{"role": "user", "content": prompt}],
        max_tokens=1024,
        metadata={
            "project_id": project_id,
            "solution": solution,
            "trace_id": "auto",
        },
    )
    text: str = response.choices[0].message.content
    return text


async def stream_completion(prompt: str, *, project_id: str, solution: str) -> AsyncIterator[str]:
    response = await litellm.acompletion(
        model=DEFAULT_MODEL,
        messages=[{"role": "user", "content": prompt}],
        stream=True,
        metadata={"project_id": project_id, "solution": solution},
    )
    async for chunk in response:
        delta = chunk.choices[0].delta.content
        if delta:
            yield delta


class Ask(BaseModel):
    prompt: str


ProjectID = Annotated[str, Header(alias="X-Project-ID")]


@app.get("/health/live")
async def live() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/llm/complete")
async def llm_complete(ask: Ask, project_id: ProjectID) -> dict[str, str]:
    return {"text": await complete(ask.prompt, project_id=project_id, solution="bench")}


@app.post("/llm/stream")
async def llm_stream(ask: Ask, project_id: ProjectID) -> StreamingResponse:
    deltas = stream_completion(ask.prompt, project_id=project_id, solution="bench")
    events = (f"data: {delta}\n\n" async for delta in deltas)
    return StreamingResponse(events, media_type="text/event-stream")
