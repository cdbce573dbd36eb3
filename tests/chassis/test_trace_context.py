"""The caller's trace is continued when it is one; what is not valid is replaced, never refused."""

import re

import pytest

from chassis.trace_context import Trace

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"


@pytest.mark.parametrize("flags", ["00", "01", "ff"])
def test_the_callers_trace_and_flags_are_kept_and_the_span_is_our_own(flags: str) -> None:
    trace = Trace.from_headers(f"00-{TRACE_ID}-{SPAN_ID}-{flags}", None)
    assert trace.trace_id == TRACE_ID
    assert trace.span_id != SPAN_ID
    assert trace.traceparent == f"00-{TRACE_ID}-{trace.span_id}-{flags}"


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "auto",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID.upper()}-01",
        f"01-{TRACE_ID}-{SPAN_ID}-01",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}",
        f"00-{TRACE_ID}-{SPAN_ID}-01-more",
        f"00-{TRACE_ID[:-1]}-{SPAN_ID}-01",
        f"00-{TRACE_ID[:-1]}g-{SPAN_ID}-01",
        f" 00-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-01\n",
        f"00-{TRACE_ID}-{SPAN_ID}-01,00-{TRACE_ID}-{SPAN_ID}-01",
    ],
)
def test_a_trace_that_is_not_valid_is_replaced_by_a_new_one(given: str | None) -> None:
    trace = Trace.from_headers(given, None)
    assert trace.trace_id != TRACE_ID
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", trace.traceparent)
    assert trace.trace_id.strip("0")
    assert trace.span_id.strip("0")


@pytest.mark.parametrize("given", ["abc", "a-b_c.7", "A" * 128, TRACE_ID])
def test_a_safe_request_id_is_kept(given: str) -> None:
    assert Trace.from_headers(None, given).request_id == given


@pytest.mark.parametrize("given", [None, "", "a b", "a" * 129, "é", "a\n", "a\r\nX: y", "<b>"])
def test_any_other_request_id_is_replaced(given: str | None) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", Trace.from_headers(None, given).request_id)


def test_no_two_requests_share_an_id() -> None:
    traces = [Trace.from_headers(None, None) for _ in range(100)]
    for name in ("trace_id", "span_id", "request_id"):
        assert len({getattr(trace, name) for trace in traces}) == 100


def test_two_requests_of_one_trace_have_spans_of_their_own() -> None:
    given = f"00-{TRACE_ID}-{SPAN_ID}-01"
    first, second = (Trace.from_headers(given, "r") for _ in range(2))
    assert first.trace_id == second.trace_id
    assert first.span_id != second.span_id
