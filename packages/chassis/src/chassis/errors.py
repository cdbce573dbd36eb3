"""Every failure has one name, one status, one sentence for the caller and its meaning for a retry.

ServiceError
├── Unauthenticated, PermissionDenied                                 the caller may not
├── ProjectMissing, ProjectInvalid, InvalidRequest, RequestTooLarge   the request is at fault
├── NotFound, MethodNotAllowed                                       no such route
├── Overloaded, Draining                                             this process
├── IdentityUnavailable                                              nobody can tell who calls
├── ForeignPage                                                      a page of another site asks
└── InternalError                                                    we are

Those of a service's own are in its `errors.py`.
"""

from typing import Any, ClassVar

CLIENT_CLOSED_REQUEST = 499
"""The status, as nginx has it, of what nobody was left to be answered with."""


class ServiceError(Exception):
    """A failure that the caller may know about.

    Args:
        reason: for the operator's log only; may hold a gateway's words.
        retry_after: seconds after which to try again, where we were told.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    """The code in words."""
    detail: ClassVar[str] = "Something went wrong here; the operator finds it by the request id."
    remedy: ClassVar[str] = "report it with the traceback that is in the log"
    """What the operator does; it is in the log line, and in the README's table."""
    advice: ClassVar[float | None] = None
    """Seconds after which the caller may try again, where nobody told us."""

    def __init_subclass__(cls) -> None:
        cls.title = cls.code.replace("_", " ").capitalize()

    def __init__(self, reason: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.extra: dict[str, Any] = {}
        self.is_logged = False


class InternalError(ServiceError):
    pass


class Unauthenticated(ServiceError):
    status = 401
    code = "unauthenticated"
    detail = "Missing or invalid bearer token; please log in again."
    remedy = (
        "nothing, or compare the reason with `KEYCLOAK_ISSUER_URL`, `KEYCLOAK_AUDIENCE` and the "
        "clock"
    )


class PermissionDenied(ServiceError):
    status = 403
    code = "permission_denied"
    detail = "Permission denied: you have no such access to this project."
    remedy = "nothing, or give the caller a role on the project"


class ForeignPage(ServiceError):
    status = 403
    code = "foreign_page"
    detail = "A page of another site may not use this service, unless the operator names it."
    remedy = (
        "nothing, or name the page's origin in `CORS_ALLOW_ORIGINS`; open the service itself as "
        "localhost"
    )


class ProjectMissing(ServiceError):
    status = 400
    code = "project_missing"
    detail = (
        "Say on which project's account the call is made, in the header X-Project-ID "
        "(an EventSource: in the query, as project_id)."
    )
    remedy = "nothing; the caller has to say its project"


class ProjectInvalid(ServiceError):
    status = 400
    code = "project_invalid"
    detail = (
        "X-Project-ID is given once, as 1 to 128 letters, digits, dots, hyphens or underscores."
    )
    remedy = "nothing; the caller has to send one project id"


class InvalidRequest(ServiceError):
    status = 422
    code = "invalid_request"
    detail = "The request is not valid; `errors` says where."
    remedy = "nothing; the caller has to mend the request"


class RequestTooLarge(ServiceError):
    status = 413
    code = "request_too_large"
    detail = "The request's body is larger than this service takes."
    remedy = "nothing, or raise `MAX_BODY_BYTES`"


class NotFound(ServiceError):
    status = 404
    code = "not_found"
    detail = "There is nothing at this address."
    remedy = "nothing, or look at the ingress: `ROOT_PATH`, the path it strips"


class MethodNotAllowed(ServiceError):
    status = 405
    code = "method_not_allowed"
    detail = "This address does not take that method."
    remedy = "nothing; the caller has to use the other method"


class Overloaded(ServiceError):
    status = 503
    code = "overloaded"
    detail = "Too many calls are under way here; please try again in a moment."
    remedy = "add replicas, or raise `LLM_MAX_IN_FLIGHT`"
    advice = 1


class Draining(ServiceError):
    status = 503
    code = "draining"
    detail = "This instance is shutting down; please try again, another one will answer."
    remedy = "nothing; when it lasts, look why the pod does not end"
    advice = 1


class IdentityUnavailable(ServiceError):
    status = 503
    code = "identity_unavailable"
    detail = "Nobody can say now who is calling; please try again in a moment."
    remedy = "bring the realm's server back, or look at `KEYCLOAK_JWKS_URL`"
    advice = 10
