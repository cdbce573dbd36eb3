"""The variable of the Redis that several replicas share."""

from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    RedisDsn,
    SecretStr,
    TypeAdapter,
    ValidationError,
)

from chassis.setting_values import unless_empty
from chassis.settings import ServiceSettings


def url_of_redis(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        try:
            TypeAdapter(RedisDsn).validate_python(value.get_secret_value())
        except ValidationError:
            raise ValueError("must be the URL of a Redis, as in redis://host:6379/0") from None
    return value


class RedisSettings(ServiceSettings):
    """Where state is that several replicas share; in memory without it."""

    redis_url: Annotated[
        SecretStr | None, BeforeValidator(unless_empty), AfterValidator(url_of_redis)
    ] = None
