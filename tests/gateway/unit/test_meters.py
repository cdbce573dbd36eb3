"""The labels of the metrics are bounded, whatever is booked."""

from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry

from policy.collectors import CallCollectors
from policy.outcomes import Outcome, outcome

ASKED = datetime(2026, 11, 1, 12)  # noqa: DTZ001 - as LiteLLM has it


def booked(project: str, *, refused: bool = False) -> Outcome:
    return Outcome("ok", "400" if refused else "200", project, "s", None if refused else 1, 1, 1, 1)


def projects(meters: CallCollectors) -> set[str]:
    (family,) = meters.requests.collect()
    return {sample.labels["project_id"] for sample in family.samples}


def test_what_comes_after_the_last_account_is_other() -> None:
    meters = CallCollectors(CollectorRegistry(), most_accounts=2)
    for project in ("a", "b", "c", "d", "a"):
        meters.count(booked(project))
    assert projects(meters) == {"a", "b", "other"}


def test_a_refused_call_takes_no_account_from_others() -> None:
    meters = CallCollectors(CollectorRegistry(), most_accounts=1)
    meters.count(booked("refused", refused=True))
    meters.count(booked("a"))
    assert projects(meters) == {"a", "other"}


def test_the_time_is_that_of_the_attempt_and_not_of_the_call() -> None:
    details = {"model": "ok", "api_call_start_time": ASKED}
    said = outcome(details, ASKED + timedelta(seconds=2), ["ok"], "200")
    assert (said.seconds, said.model, said.status) == (2, "ok", "200")


def test_what_litellm_does_not_tell_is_counted_all_the_same() -> None:
    said = outcome({}, ASKED, ["ok"], "500")
    assert said == Outcome("unlisted", "500", "", "", None, 0, 0, 0)
