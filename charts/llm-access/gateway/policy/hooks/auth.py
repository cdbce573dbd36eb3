"""Who calls, for LiteLLM's `custom_auth`."""

from fastapi import Request
from litellm.constants import LITELLM_PROXY_MASTER_KEY_ALIAS
from litellm.proxy._types import LitellmUserRoles, UserAPIKeyAuth
from litellm.proxy.auth.auth_utils import get_request_route
from litellm.proxy.auth.route_checks import RouteChecks

from policy.hooks.answers import refuse
from policy.hooks.router import leave_out_unserved
from policy.rules import open_routes, request_callbacks
from policy.rules.project_keys import Caller
from policy.state import state

KEY_PROJECT = "key_project"


async def authenticated(request: Request, api_key: str) -> UserAPIKeyAuth:
    """
    Raises:
        ProxyException: the key is not known, or does not reach this route.
    """
    try:
        request_callbacks.take_out(request.scope)
        leave_out_unserved()
        caller = state().keys.caller(api_key or "")
        open_routes.check(
            request.scope.get("method", ""),
            getattr(request.scope.get("route"), "path", None),
            calls_models=RouteChecks.is_llm_api_route(get_request_route(request)),
            is_master=caller.project is None,
        )
        return user(caller)
    except Exception as error:  # noqa: BLE001 - `refuse` lets nothing pass
        refuse(error)


def user(caller: Caller) -> UserAPIKeyAuth:
    """A caller as LiteLLM knows it: the master key as the admin, a project with the least role."""
    if caller.project is None:
        return UserAPIKeyAuth(
            api_key=LITELLM_PROXY_MASTER_KEY_ALIAS,
            user_id="default_user_id",
            user_role=LitellmUserRoles.PROXY_ADMIN,
        )
    return UserAPIKeyAuth(
        api_key=f"project:{caller.project}",
        key_alias=caller.project,
        user_role=LitellmUserRoles.INTERNAL_USER_VIEW_ONLY,
        models=state().config.models(caller.project) or ["no-default-models"],
        metadata={KEY_PROJECT: caller.project},
    )
