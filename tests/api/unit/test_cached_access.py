"""Decisions are remembered for seconds, and only decisions are."""

import asyncio

import pytest

from api.errors import AccessUnavailable
from api.openfga.cached_access import KEPT_SECONDS, CachedAccess
from api.project_access import Permission
from chassis.identity.callers import Caller
from chassis.project_id import ProjectId

ADA, VERA = Caller("ada", "acme"), Caller("vera", "acme")
DEMO = ProjectId("demo")


class Asked:
    """Says what it was told to, and counts."""

    def __init__(self) -> None:
        self.answer: bool | Exception = True
        self.count = 0

    async def allows(self, _: Caller, __: Permission, ___: ProjectId) -> bool:
        self.count += 1
        await asyncio.sleep(0.01)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_change_is_noticed_within_seconds() -> None:
    assert KEPT_SECONDS <= 5


@pytest.mark.parametrize("answer", [True, False])
async def test_a_yes_and_a_no_are_remembered_until_their_time_is_over(answer: bool) -> None:
    asked = Asked()
    asked.answer = answer
    access = CachedAccess(asked, seconds=0.1)
    assert await access.allows(ADA, "can_execute", DEMO) is answer
    asked.answer = not answer
    assert await access.allows(ADA, "can_execute", DEMO) is answer
    assert asked.count == 1
    await asyncio.sleep(0.15)
    assert await access.allows(ADA, "can_execute", DEMO) is not answer


async def test_a_decision_is_for_one_caller_one_permission_and_one_project() -> None:
    asked = Asked()
    access = CachedAccess(asked)
    await access.allows(ADA, "can_execute", DEMO)
    await access.allows(VERA, "can_execute", DEMO)
    await access.allows(ADA, "can_read", DEMO)
    await access.allows(ADA, "can_execute", ProjectId("other"))
    await access.allows(Caller("ada", "globex"), "can_execute", DEMO)
    assert asked.count == 5


async def test_that_nobody_could_tell_is_not_remembered() -> None:
    asked = Asked()
    asked.answer = AccessUnavailable("away")
    access = CachedAccess(asked)
    several = [access.allows(ADA, "can_execute", DEMO) for _ in range(3)]
    failed = await asyncio.gather(*several, return_exceptions=True)
    assert {type(error) for error in failed} == {AccessUnavailable}
    assert asked.count == 1
    asked.answer = True
    assert await access.allows(ADA, "can_execute", DEMO)


async def test_who_leaves_takes_the_answer_from_nobody() -> None:
    asked = Asked()
    access = CachedAccess(asked)
    first = asyncio.create_task(access.allows(ADA, "can_execute", DEMO))
    second = asyncio.create_task(access.allows(ADA, "can_execute", DEMO))
    await asyncio.sleep(0)
    first.cancel()
    assert await second
    assert asked.count == 1
