"""Where the doctor was called, which decides how a command that mends is written."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """
    Attributes:
        namespace: of the pod; None is a laptop.
        solution: names the deployment, the secret and the chart.
    """

    namespace: str | None
    solution: str

    @property
    def name(self) -> str:
        return "laptop" if self.namespace is None else "pod"

    def mend(self, *, pod: str, laptop: str) -> str:
        return laptop if self.namespace is None else pod

    def kubectl(self, command: str) -> str:
        """A command for this namespace; `{it}` becomes the deployment."""
        return f"kubectl -n {self.namespace} {command.format(it=f'deployment/{self.solution}-api')}"

    @property
    def restart(self) -> str:
        return self.kubectl("rollout restart {it}")

    def set_variable(self, name: str, to: str) -> str:
        return self.mend(
            pod=f"set {name} to {to} in the chart's api.env",
            laptop=f"export {name}={to}",
        )

    def renew_secret(self, name: str, key: str) -> str:
        """How a secret value gets into the process anew.

        Args:
            name: the variable.
            key: the one in the solution's Secret.
        """
        return self.mend(
            pod=f"renew {key} in the Secret {self.solution}-secrets, then: {self.restart}",
            laptop=f"export {name}=… with the right one",
        )

    @property
    def gateway_config(self) -> str:
        return f"charts/{self.solution}/gateway/config.yaml"
