"""What this gateway adds to LiteLLM, which imports it from beside the config.

Who may call, which models, on whose account; every answer says on whom it is booked. Each concern
is a module of its own beside this one, and knows nothing of LiteLLM where it can.
"""

import logging
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

from fastapi import Request
from litellm.constants import LITELLM_PROXY_MASTER_KEY_ALIAS  # noqa: TID251 - runs inside LiteLLM
from litellm.integrations.custom_logger import CustomLogger  # noqa: TID251
from litellm.proxy._types import (  # noqa: TID251
    LitellmUserRoles,
    ProxyException,
    UserAPIKeyAuth,
)
from litellm.proxy.auth.auth_utils import get_request_route  # noqa: TID251
from litellm.proxy.auth.route_checks import RouteChecks  # noqa: TID251

if str(Path(__file__).parent) not in sys.path:
    sys.path.append(str(Path(__file__).parent))

import policy_allowlist
import policy_attribution
import policy_callbacks
import policy_exports
import policy_routes
import policy_scrape
from policy_finish_reasons import FinishReasons
from policy_keys import Caller
from policy_metrics import Metrics
from policy_refusal import Refusal
from policy_state import state

logger = logging.getLogger("gateway.policy")

HEADER_SAFE = re.compile(r"[A-Za-z0-9._:/@-]{1,128}")
KEY_PROJECT = "key_project"


async def authenticated(request: Request, api_key: str) -> UserAPIKeyAuth:
    """Who calls, for LiteLLM's `custom_auth`.

    Raises:
        ProxyException: the key is not known, or does not reach this route.
    """
    try:
        policy_callbacks.take_out(request.scope)
        caller = state().keys.caller(api_key or "")
        route = getattr(request.scope.get("route"), "path", None)
        policy_routes.check(
            request.scope.get("method", ""),
            route,
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


class Admission(CustomLogger):  # type: ignore[misc]
    """Lets a call pass, or says why not, before anything is paid for."""

    async def async_pre_call_hook(
        self, user_api_key_dict: UserAPIKeyAuth, data: dict[str, Any], **_: object
    ) -> None:
        """
        Raises:
            ProxyException: the call does not pass.
        """
        try:
            config = state().config
            attributed = policy_attribution.attribution(
                data, user_api_key_dict.metadata.get(KEY_PROJECT)
            )
            policy_attribution.write(attributed, data)
            policy_allowlist.check(data, config.models(attributed.project))
            try:
                policy_attribution.require(attributed)
            except Refusal as refusal:
                if config.required:
                    raise
                logger.warning("passed all the same: %s", refusal.message)
        except Exception as error:  # noqa: BLE001 - `refuse` lets nothing pass
            refuse(error)


def refuse(error: Exception) -> NoReturn:
    """
    Raises:
        ProxyException: always; what the policy did not foresee lets nothing pass either.
    """
    if not isinstance(error, Refusal):
        logger.error("the policy failed, and the call with it", exc_info=error)
        error = Refusal(503, "policy_failed", "The gateway's policy failed; its log says why.")
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    raise ProxyException(
        error.message, type=error.kind, param=None, code=error.status, headers=headers
    ) from None


class Attribution(CustomLogger):  # type: ignore[misc]
    """Sends back the attribution that LiteLLM's own loggers see for the same call."""

    async def async_post_call_response_headers_hook(
        self, data: dict[str, Any], **_: object
    ) -> dict[str, str]:
        """The headers to add to an answer, a stream's or an error's.

        Args:
            data: the request as LiteLLM processed it; its metadata is what gets booked. What is
                not safe in a header is left out.
        """
        metadata = data.get("litellm_metadata") or data.get("metadata") or {}
        headers = {
            "x-llm-access-project-id": metadata.get("project_id"),
            "x-llm-access-solution": metadata.get("solution"),
        }
        return {
            name: value
            for name, value in headers.items()
            if isinstance(value, str) and HEADER_SAFE.fullmatch(value)
        }


state()
admission = Admission()
attribution = Attribution()
finish_reasons = FinishReasons()
metrics = Metrics()
policy_exports.turn_on()
policy_scrape.serve()
