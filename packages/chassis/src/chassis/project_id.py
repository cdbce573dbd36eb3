"""X-Project-ID to a ProjectId: one reader, one type."""

import re
from typing import Self

from chassis.errors import ProjectInvalid, ProjectMissing

SAFE_NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
SAFE_NAME = re.compile(SAFE_NAME_PATTERN)


class SafeName(str):
    """A name that is safe in a header, a tag, a log line and a trace."""

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        """
        Raises:
            ValueError: `value` is empty, longer than 128 characters or has others than letters,
                digits, dots, hyphens and underscores.
        """
        if not SAFE_NAME.fullmatch(value):
            raise ValueError("must be 1 to 128 letters, digits, dots, hyphens or underscores")
        return super().__new__(cls, value)


class ProjectId(SafeName):
    """The project a call is booked on: a slug or a UUID."""

    __slots__ = ()


HEADER = "X-Project-ID"


def one_project(values: list[str]) -> ProjectId:
    """The one project that these values name.

    Raises:
        ProjectMissing: none is given, or it is empty.
        ProjectInvalid: it is malformed.
    """
    if not any(values):
        raise ProjectMissing
    if len(values) != 1:
        raise ProjectInvalid("given more than once")
    try:
        return ProjectId(values[0])
    except ValueError as error:
        raise ProjectInvalid(str(error)) from None
