"""The variables of Langfuse."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, SecretStr

from chassis.setting_values import http_url, one_line_key, unless_empty
from chassis.settings import ServiceSettings

Key = Annotated[SecretStr | None, BeforeValidator(unless_empty), AfterValidator(one_line_key)]


def langfuse_url(value: str | None) -> str | None:
    """The platform gives Langfuse's host with its scheme and without."""
    if value is None:
        return None
    url = value if "://" in value else f"https://{value}"
    return str(http_url(url)).rstrip("/")


class LangfuseSettings(ServiceSettings):
    """Where traces go, and what is in them; without all three of the first there are none."""

    langfuse_host: Annotated[
        str | None, BeforeValidator(unless_empty), AfterValidator(langfuse_url)
    ] = None
    langfuse_public_key: Key = None
    langfuse_secret_key: Key = None
    langfuse_generations: Literal["gateway", "service"] = "gateway"
    langfuse_capture_content: bool = True

    @property
    def langfuse_keys(self) -> tuple[str, str] | None:
        """The public one and the secret one; None where one is missing."""
        public, secret = self.langfuse_public_key, self.langfuse_secret_key
        if public is None or secret is None:
            return None
        return public.get_secret_value(), secret.get_secret_value()

    @property
    def has_langfuse(self) -> bool:
        """Whether all three variables of Langfuse are set; with less, there are no traces there."""
        return None not in (self.langfuse_host, self.langfuse_public_key, self.langfuse_secret_key)

    @property
    def records_generations(self) -> bool:
        """Whether this service records the generations in Langfuse, and not the gateway."""
        return self.has_langfuse and self.langfuse_generations == "service"

    def missing_for_langfuse(self) -> list[str]:
        """The variables that keep tracing off though others of the three are set."""
        names = ("langfuse_host", "langfuse_public_key", "langfuse_secret_key")
        missing = [name.upper() for name in names if getattr(self, name) is None]
        return missing if len(missing) < len(names) else []

    def langfuse_notes(self) -> list[str]:
        """What to say at the start of variables that do not make sense together."""
        if not (missing := self.missing_for_langfuse()):
            return []
        return [
            f"{', '.join(missing)}: not set, and so nothing is traced; Langfuse takes all three"
        ]
