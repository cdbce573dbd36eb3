"""Why an upstream gave no result: a code, a sentence for the agent, a line for the operator."""

from typing import ClassVar


class UpstreamError(Exception):
    """
    Args:
        reason: for the operator's log only.
    """

    code: ClassVar[str] = "upstream_broken"
    detail: ClassVar[str] = "The tool's server gave no sensible answer."

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UpstreamDown(UpstreamError):
    code = "upstream_down"
    detail = "The tool's server cannot be reached now."


class UpstreamTimeout(UpstreamError):
    code = "upstream_timeout"
    detail = "The tool did not answer in time."


class UpstreamTooLarge(UpstreamError):
    code = "upstream_too_large"
    detail = "The tool's answer is larger than allowed."


class UpstreamBusy(UpstreamError):
    code = "upstream_busy"
    detail = "Too many calls of this tool's server are under way; try again in a moment."


class UpstreamForbidden(UpstreamError):
    code = "upstream_forbidden"
    detail = "The tool's server does not let this caller in."


class UpstreamRefused(UpstreamError):
    """The gateway does not go there."""

    code = "upstream_refused"
    detail = "The tool's server is where the gateway does not go."


class UpstreamRedirected(UpstreamRefused):
    code = "upstream_redirected"
    detail = "The tool's server is said to be elsewhere, and the gateway does not go there."


def leaves(error: BaseException) -> list[BaseException]:
    """The errors in a group, or the one."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in leaves(each)]
    return [error]
