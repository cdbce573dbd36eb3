"""An answer that was cut is never `complete`, though LiteLLM would call it so: in both lanes."""

import pytest

from provider import WORDS
from reading import read_stream, text_of
from running import RunningGateway, serving_alone, settings_for


@pytest.mark.parametrize("model", ["cutclean", "cut-clean", "anthropic-cutclean", "cut"])
async def test_a_stream_that_was_cut_is_interrupted(
    gateway: RunningGateway, lane: str, model: str
) -> None:
    settings = settings_for(gateway.url, llm_client=lane, llm_fallback_models=("ok",))
    async with serving_alone(settings) as service:
        async with service.post("/llm/stream", model=model, prompt=f"{model}, {lane}") as r:
            events = await read_stream(r)
    error = events[-1]
    assert (error.name, error.data["code"]) == ("error", "stream_interrupted")
    assert text_of(events) in {"".join(WORDS[:4]), "This is what a", "Paris."}
    assert [attempt["outcome"] for attempt in error.data["attempts"]] == ["stream_interrupted"]


@pytest.mark.parametrize("path", ["/llm/complete", "/llm/stream"])
@pytest.mark.parametrize("model", ["html", "garbage"])
async def test_an_answer_without_a_word_is_a_failure_with_its_status(
    gateway: RunningGateway, lane: str, model: str, path: str
) -> None:
    settings = settings_for(gateway.url, llm_client=lane)
    async with serving_alone(settings) as service:
        async with service.post(path, model=model, prompt=f"{model}, {lane}") as r:
            body = await r.json()
    assert (r.status, body["code"]) == (502, "upstream_failed")
    assert [attempt["outcome"] for attempt in body["attempts"]] == ["upstream_failed"] * 2


async def test_a_whole_answer_that_was_cut_is_a_failure(gateway: RunningGateway, lane: str) -> None:
    async with serving_alone(settings_for(gateway.url, llm_client=lane)) as service:
        async with service.post("/llm/complete", model="cut-clean", prompt=f"cut, {lane}") as r:
            body = await r.json()
    assert (r.status, body["code"]) == (502, "upstream_failed")
    assert [attempt["outcome"] for attempt in body["attempts"]] == ["upstream_failed"] * 2
