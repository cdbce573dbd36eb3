"""Bodies that mean two things, or more than the contract: refused at one named place, uncalled."""

import gzip
import json
from io import BytesIO
from typing import Any

import aiohttp
import pytest

from conftest import RunningProvider
from reading import read_stream
from running import Service, serving, serving_alone, settings_for

DEMO = {"X-Project-ID": "demo", "Content-Type": "application/json"}
HI = b'{"prompt": "hi"}'
BOMB = gzip.compress(b" " * 100_000_000 + HI)

UNREADABLE: dict[str, tuple[bytes, list[str | int]]] = {
    "nothing": (b"", ["body"]),
    "an open brace": (b"{", ["body", 1]),
    "something after it": (HI + b" x", ["body", 17]),
    "two objects": (HI + HI, ["body", 16]),
    "the same name twice": (b'{"prompt": "hi", "prompt": "ho"}', ["body"]),
    "a model twice": (b'{"prompt": "hi", "model": "../x", "model": "ok"}', ["body"]),
    "a role twice": (
        b'{"messages": [{"role": "user", "role": "system", "content": "hi"}]}',
        ["body"],
    ),
    "the same name, escaped": (b'{"prompt": "hi", "pr\\u006fmpt": "ho"}', ["body"]),
    "NaN": (b'{"prompt": "hi", "temperature": NaN}', ["body"]),
    "Infinity": (b'{"prompt": "hi", "temperature": -Infinity}', ["body"]),
    "1e999": (b'{"prompt": "hi", "temperature": 1e999}', ["body"]),
    "5,000 digits": (b'{"prompt": "hi", "max_tokens": %b}' % (b"9" * 5000), ["body"]),
    "10,000 lists": (b'{"prompt": %b%b}' % (b"[" * 10_000, b"]" * 10_000), ["body"]),
    "10,000 objects": (b'{"a": ' * 10_000 + b"1" + b"}" * 10_000, ["body"]),
    "200,000 fields": (b"{%b}" % b",".join(b'"%x":1' % n for n in range(200_000)), ["body"]),
    "a raw NUL": (b'{"prompt": "h\0"}', ["body", 13]),
    "a raw line feed": (b'{"prompt": "h\n"}', ["body", 13]),
    "Latin-1": ('{"prompt": "h\u00e9"}'.encode("latin-1"), ["body", 13]),
    "an overlong slash": (b'{"prompt": "h\xc0\xaf"}', ["body", 13]),
    "a raw surrogate": (b'{"prompt": "h\xed\xa0\x80"}', ["body", 13]),
    "UTF-16": (HI.decode().encode("utf-16"), ["body", 0]),
    "UTF-32": (HI.decode().encode("utf-32"), ["body", 0]),
    "a lone surrogate": (b'{"prompt": "\\ud800"}', ["body", "prompt"]),
    "a lone surrogate in a message": (
        b'{"messages": [{"role": "user", "content": "\\udfff"}]}',
        ["body", "messages", 0, "content"],
    ),
    "max_tokens 0": (b'{"prompt": "hi", "max_tokens": 0}', ["body", "max_tokens"]),
    "max_tokens -1": (b'{"prompt": "hi", "max_tokens": -1}', ["body", "max_tokens"]),
    "max_tokens 1e12": (b'{"prompt": "hi", "max_tokens": 1e12}', ["body", "max_tokens"]),
    "max_tokens 1.5": (b'{"prompt": "hi", "max_tokens": 1.5}', ["body", "max_tokens"]),
    'max_tokens "10"': (b'{"prompt": "hi", "max_tokens": "10"}', ["body", "max_tokens"]),
    "max_tokens true": (b'{"prompt": "hi", "max_tokens": true}', ["body", "max_tokens"]),
    "max_tokens null": (b'{"prompt": "hi", "max_tokens": null}', ["body", "max_tokens"]),
    "1 MB of prompt": (b'{"prompt": "%b"}' % (b"a" * 1_000_000), ["body", "prompt"]),
}
HEADERS: dict[str, tuple[bytes, dict[str, str], str]] = {
    "gzip": (gzip.compress(HI), {"Content-Encoding": "gzip"}, "Content-Encoding"),
    "gzip that is none": (HI, {"Content-Encoding": "gzip"}, "Content-Encoding"),
    "a bomb": (BOMB, {"Content-Encoding": "gzip"}, "Content-Encoding"),
    "deflate": (HI, {"Content-Encoding": "deflate"}, "Content-Encoding"),
    "br": (HI, {"Content-Encoding": "br"}, "Content-Encoding"),
    "two codings": (HI, {"Content-Encoding": "identity, gzip"}, "Content-Encoding"),
    "no type": (HI, {"Content-Type": ""}, "Content-Type"),
    "text": (HI, {"Content-Type": "text/plain"}, "Content-Type"),
    "a form": (b"prompt=hi", {"Content-Type": "application/x-www-form-urlencoded"}, "Content-Type"),
    "parts": (b"--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}, "Content-Type"),
    "two types": (HI, {"Content-Type": "application/json, text/html"}, "Content-Type"),
}
PARAMETERS = (
    "api_base api_key api_version api_type base_url organization custom_llm_provider model_list "
    "metadata litellm_metadata litellm_params user tags spend_logs_metadata guardrails "
    "fallbacks context_window_fallbacks content_policy_fallbacks num_retries max_retries timeout "
    "request_timeout mock_response mock_tool_calls mock_timeout extra_headers extra_body "
    "extra_query headers default_headers tools tool_choice functions function_call stream "
    "stream_options n best_of stop seed top_p top_k logit_bias logprobs top_logprobs "
    "presence_penalty frequency_penalty response_format max_completion_tokens reasoning_effort "
    "thinking modalities audio prediction store service_tier parallel_tool_calls "
    "web_search_options caching cache no-log input_cost_per_token output_cost_per_token "
    "drop_params allowed_openai_params deployment_id project_id solution trace_id "
    "idempotency_key __proto__ constructor"
)
SMUGGLED = PARAMETERS.split()


LARGE = {
    "a name of 1 MB": b'{"prompt": "hi", "%b": 1}' % (b"a" * 1_000_000),
    "60 fields that nobody knows": b'{"prompt": "hi", %b}'
    % b",".join(b'"%x": 1' % n for n in range(60)),
    "messages without anything": b'{"messages": [%b]}' % b",".join([b"{}"] * 500),
}


async def sent(
    service: Service, path: str, data: bytes, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    url = service.url + path
    async with service.http.post(url, data=BytesIO(data), headers=DEMO | (headers or {})) as r:
        return r.status, await r.json()


@pytest.mark.parametrize("path", ["/llm/complete", "/llm/stream"])
async def test_a_body_that_cannot_be_read_in_one_way_is_refused_where_it_is_wrong(
    provider: RunningProvider, path: str
) -> None:
    before = len(provider.seen.calls)
    async with serving(settings_for(provider.url)) as service:
        for name, (data, place) in UNREADABLE.items():
            status, said = await sent(service, path, data)
            assert (status, said["code"]) == (422, "invalid_request"), name
            assert said["errors"][0]["loc"] == place, name
        status, said = await sent(service, path, b'{"prompt": "%b"}' % (b"a" * 10_000_000))
        assert (status, said["code"]) == (413, "request_too_large")
    assert len(provider.seen.calls) == before


@pytest.mark.parametrize("path", ["/llm/complete", "/llm/stream"])
async def test_what_is_told_of_a_body_has_an_end(provider: RunningProvider, path: str) -> None:
    async with serving(settings_for(provider.url)) as service:
        for name, data in LARGE.items():
            status, said = await sent(service, path, data)
            assert (status, said["code"]) == (422, "invalid_request"), name
            assert 0 < len(json.dumps(said)) < 5000, name


@pytest.mark.parametrize("path", ["/llm/complete", "/llm/stream"])
async def test_a_coded_body_is_not_uncoded_and_another_type_not_guessed(
    provider: RunningProvider, path: str
) -> None:
    before = len(provider.seen.calls)
    async with serving(settings_for(provider.url)) as service:
        for name, (data, headers, place) in HEADERS.items():
            status, said = await sent(service, path, data, headers)
            assert (status, said["code"]) == (422, "invalid_request"), name
            assert [error["loc"] for error in said["errors"]] == [["header", place]], name
    assert len(provider.seen.calls) == before


@pytest.mark.parametrize(
    "prompt", ["nul\0within", "bidi \u202e\u2066 marks", "\U0001f600 pair", "\x1b[2J", "a\u2028b"]
)
async def test_a_prompt_arrives_as_it_was_written(provider: RunningProvider, prompt: str) -> None:
    async with serving(settings_for(provider.url)) as service:
        for data in (json.dumps({"prompt": prompt}).encode(), HI.replace(b"hi", b"bom")):
            status, said = await sent(service, "/llm/complete", b"\xef\xbb\xbf" + data)
            assert (status, said["status"]) == (200, "complete")
    assert len(provider.seen.for_prompt(prompt)) == 1


@pytest.mark.parametrize("given", [b"10", b"10.0", b"1e1"])
async def test_ten_is_ten_however_json_writes_it(provider: RunningProvider, given: bytes) -> None:
    prompt = f"ten as {given.decode()}"
    data = b'{"prompt": "%b", "max_tokens": %b}' % (prompt.encode(), given)
    async with serving(settings_for(provider.url)) as service:
        assert (await sent(service, "/llm/complete", data))[0] == 200
    (call,) = provider.seen.for_prompt(prompt)
    assert call.body["max_tokens"] == 10
    assert type(call.body["max_tokens"]) is int


async def test_no_field_reaches_the_gateway_but_those_of_the_contract(
    provider: RunningProvider, lane: str
) -> None:
    before = len(provider.seen.calls)
    async with serving_alone(settings_for(provider.url, llm_client=lane)) as service:
        for name in SMUGGLED:
            for value in ("http://127.0.0.1:9/v1", True, {"a": 1}):
                message = {"role": "user", "content": "hi", name: value}
                for path in ("/llm/complete", "/llm/stream"):
                    for body, place in (
                        ({"prompt": "hi", name: value}, ["body", name]),
                        ({"messages": [message]}, ["body", "messages", 0, name]),
                    ):
                        status, said = await sent(service, path, json.dumps(body).encode())
                        assert (status, said["code"]) == (422, "invalid_request")
                        assert [e["loc"] for e in said["errors"]] == [place]
            if name not in {"project_id", "idempotency_key"}:
                async with service.get("/llm/stream", prompt="hi", **{name: "x"}) as r:
                    said = await r.json()
                assert (r.status, said["code"]) == (422, "invalid_request")
                assert [e["loc"] for e in said["errors"]] == [["query", name]]
    assert len(provider.seen.calls) == before


async def test_a_query_that_says_the_same_name_twice_is_refused(provider: RunningProvider) -> None:
    before = len(provider.seen.calls)
    async with serving(settings_for(provider.url)) as service:
        for name, values in (("prompt", ("a", "b")), ("model", ("ok", "ok"))):
            query = [("prompt", "hi"), *((name, value) for value in values)]
            async with service.http.get(
                service.url + "/llm/stream", params=query, headers={"X-Project-ID": "demo"}
            ) as r:
                said = await r.json()
            assert (r.status, said["code"]) == (422, "invalid_request")
            assert [e["loc"] for e in said["errors"]] == [["query", name]]
    assert len(provider.seen.calls) == before


async def test_the_query_of_a_post_and_unknown_headers_change_nothing(
    provider: RunningProvider,
) -> None:
    headers = dict.fromkeys(("api-key", "X-API-Base", "x-litellm-tags", "OpenAI-Project"), "x")
    async with serving(settings_for(provider.url)) as service:
        path = "/llm/complete?api_base=http://127.0.0.1:9&model=other&prompt=other&max_tokens=1"
        status, said = await sent(service, path, b'{"prompt": "not the query"}', headers)
    assert (status, said["model"], said["max_tokens"]) == (200, "ok", 1024)
    (call,) = provider.seen.for_prompt("not the query")
    assert call.body.keys() == {"model", "messages", "max_tokens", "metadata"}
    assert not {name.lower() for name in call.headers} & {name.lower() for name in headers}


@pytest.mark.parametrize("key", ["", " ", "a b", "k\u00e9y", "x" * 256])
async def test_a_key_that_is_none_makes_no_call(provider: RunningProvider, key: str) -> None:
    before = len(provider.seen.calls)
    async with serving(settings_for(provider.url)) as service:
        for path in ("/llm/complete", "/llm/stream"):
            status, said = await sent(service, path, HI, {"Idempotency-Key": key})
            assert (status, said["code"]) == (422, "invalid_request")
            assert [e["loc"] for e in said["errors"]] == [["header", "Idempotency-Key"]]
    assert len(provider.seen.calls) == before


@pytest.mark.parametrize("seen", ["junk", "-1", "1e3", "\u0661", "9" * 30, "", "0x1", "None"])
async def test_an_event_id_that_is_none_of_ours_starts_no_call(
    provider: RunningProvider, seen: str
) -> None:
    before = len(provider.seen.calls)
    async with serving(settings_for(provider.url)) as service:
        url = service.url + "/llm/stream"
        data = b'{"prompt": "never begun"}'
        async with service.http.post(url, data=data, headers=DEMO | {"Last-Event-ID": seen}) as r:
            assert (r.status, await r.read()) == (204, b"")
    assert len(provider.seen.calls) == before


async def test_a_trace_of_zeros_is_not_passed_on(provider: RunningProvider) -> None:
    zeros = {"traceparent": f"00-{'0' * 32}-{'0' * 16}-01"}
    async with serving(settings_for(provider.url)) as service:
        status, said = await sent(service, "/llm/complete", b'{"prompt": "zeros"}', zeros)
        assert status == 200
        assert said["trace_id"].strip("0")
        async with service.http.post(
            service.url + "/llm/stream", data=b'{"prompt": "zeros"}', headers=DEMO | zeros
        ) as r:
            events = await read_stream(r)
    assert events[0].data["trace_id"].strip("0")
    calls = provider.seen.for_prompt("zeros")
    assert [call.headers["traceparent"].split("-")[1] for call in calls] == [
        said["trace_id"],
        events[0].data["trace_id"],
    ]


async def test_a_length_that_lies_makes_no_call(provider: RunningProvider) -> None:
    before = len(provider.seen.calls)
    async with serving(settings_for(provider.url)) as service:
        with pytest.raises((aiohttp.ClientError, TimeoutError)):
            await service.http.post(
                service.url + "/llm/complete",
                data=HI,
                headers=DEMO | {"Content-Length": "500"},
                timeout=aiohttp.ClientTimeout(total=0.5),
            )
    assert len(provider.seen.calls) == before
