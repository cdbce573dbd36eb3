"""What is around: how far our clock is from the others', and the service, where it listens."""

from api.doctor.findings import Check, Finding, failed, ok, skipped, unknown
from api.doctor.http import Http, NoAnswer
from api.doctor.place import Place
from api.settings import Settings

MOST_SKEW_SECONDS = 5.0
"""A token is let pass with so much, see `tokens.py`."""
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 -- compared, not listened on


class SurroundingsChecks:
    """
    Args:
        peers: the checks that ask those whose clocks are looked at.
    """

    def __init__(self, settings: Settings, http: Http, place: Place, peers: list[str]) -> None:
        self._settings = settings
        self._http = http
        self._place = place
        self._peers = peers

    def checks(self) -> list[Check]:
        return [
            Check("clock", self.clock, after=self._peers),
            Check("service", self.service, ["gateway_ready", "realm_keys"]),
        ]

    async def clock(self) -> Finding:
        skews = self._http.skews
        if not skews:
            return unknown("Nobody said what time it is.")
        how = "Date headers: " + ", ".join(f"{who} {skew:+.0f} s" for who, skew in skews.items())
        wrong = {who: skew for who, skew in skews.items() if abs(skew) > MOST_SKEW_SECONDS}
        if not wrong:
            return ok("The clocks agree.", how)
        if len(wrong) == len(skews) > 1:
            whose = "This machine's clock is wrong"
        else:
            whose = f"The clock here and that of {', '.join(wrong)} differ"
        most = max(abs(skew) for skew in wrong.values())
        return failed(
            f"{whose}, by {most:.0f} s: tokens and tickets are refused, traces are misplaced.",
            how,
            self._place.mend(
                pod=self._place.kubectl("get pods -o wide") + ", then chronyc tracking on the node",
                laptop="timedatectl set-ntp true",
            ),
        )

    async def service(self) -> Finding:
        if self._settings.port == 0:
            return skipped("PORT is 0: nobody knows where it listens")
        host = EVERY_ADDRESS.get(self._settings.host, self._settings.host)
        url = f"http://{host}:{self._settings.port}/health/ready"
        try:
            answer = await self._http.get("this service", url)
        except NoAnswer as nothing:
            return skipped(f"it does not listen here ({nothing.how})")
        status = answer.json().get("status")
        if answer.status == 200 and status == "ok":
            return ok("The service is ready.", answer.how)
        if status is None:
            return unknown(f"What listens on PORT {self._settings.port} is another.", answer.how)
        return failed(
            f"The service is not ready: {status}.",
            answer.how,
            self._place.mend(
                pod=self._place.kubectl("logs {it} -c api"), laptop="look at what make api says"
            ),
        )
