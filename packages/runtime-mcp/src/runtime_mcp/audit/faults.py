"""What a database's error says of a row: that it may be taken later, or never."""

import asyncpg
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnection

MAY_PASS = (
    DBAPIError, NoConnection, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError
)  # fmt: skip
"""What a database raises that may take the same row later."""
NOT_TAKEN = ("22", "23")
"""The classes of SQLSTATE that say that a row will never be taken."""


def will_never_be_taken(error: Exception) -> bool:
    """Whether the row is at fault: the same one will not be taken later."""
    if isinstance(error, IntegrityError | DataError):
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    if str(getattr(cause, "sqlstate", None) or "").startswith(NOT_TAKEN):
        return True
    return not isinstance(error, MAY_PASS)


def said(error: Exception) -> str:
    """Its kind and its first line, which has no parameters."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
