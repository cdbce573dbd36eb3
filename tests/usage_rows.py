"""What a gateway answers of a month."""

ROW = {
    "day": "2026-11-25",
    "project_id": "demo",
    "solution": "tests",
    "model": "priced",
    "calls": 1,
    "answered": 1,
    **dict.fromkeys(("failed", "aborted", "unpriced", "estimated"), 0),
    "input_tokens": 11,
    "output_tokens": 7,
    "usd": "0.1",
    "estimated_usd": "0",
}
UNPRICED = ROW | {"model": "free", "unpriced": 1, "usd": "0"}
BOOKED = {
    "month": "2026-11",
    "since": "2026-10-01T00:00:00+00:00",
    "scope": "replicas",
    "overflowed": False,
}
