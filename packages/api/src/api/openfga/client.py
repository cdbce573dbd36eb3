"""OpenFGA, asked through its SDK: may this user do that on this project? Away, it means no.

The types and relations are the platform's: `user:<sub>`, `project:<id>`, `can_execute`.
"""

import asyncio
from types import TracebackType
from typing import Self

from openfga_sdk import ClientConfiguration, OpenFgaClient
from openfga_sdk.configuration import RetryParams
from openfga_sdk.credentials import CredentialConfiguration, Credentials

from api.errors import AccessUnavailable
from api.project_access import Permission
from chassis.identity.callers import Caller
from chassis.project_id import ProjectId

ANSWER_SECONDS = 2.0


class OpenFga:
    """See `ProjectAccess`.

    Args:
        url: of OpenFGA's HTTP API.
        store_id: the store that has the platform's model and tuples.
        token: a preshared key, where OpenFGA wants one.
    """

    def __init__(self, url: str, store_id: str, token: str | None) -> None:
        self._store_id = store_id
        credentials = token and Credentials(
            method="api_token", configuration=CredentialConfiguration(api_token=token)
        )
        self._client = OpenFgaClient(
            ClientConfiguration(
                api_url=url,
                store_id=store_id,
                credentials=credentials or None,
                retry_params=RetryParams(max_retry=1, min_wait_in_ms=100, max_wait_in_sec=1),
                timeout_millisec=int(ANSWER_SECONDS * 1000),
            )
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self._client.close()

    async def allows(self, caller: Caller, permission: Permission, project: ProjectId) -> bool:
        """See `ProjectAccess.allows`."""
        asked = {
            "user": f"user:{caller.subject}",
            "relation": permission,
            "object": f"project:{project}",
        }
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                # 1. Not the SDK's `check`: it makes a yes of whatever Python takes for true.
                answer = await self._client.execute_api_request(
                    operation_name="Check",
                    method="POST",
                    path="/stores/{store_id}/check",
                    path_params={"store_id": self._store_id},
                    body={"tuple_key": asked},
                )
        except Exception as error:  # noqa: BLE001 -- the SDK makes a TypeError or worse of an odd answer
            raise AccessUnavailable(f"OpenFGA: {type(error).__name__}: {error}") from None
        allowed = (answer.json() or {}).get("allowed")
        if not isinstance(allowed, bool):
            raise AccessUnavailable("OpenFGA: its answer is neither a yes nor a no")
        return allowed
