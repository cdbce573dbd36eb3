"""The variables of OpenTelemetry."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from chassis.setting_values import headers_of_otlp, http_url, unless_empty
from chassis.settings import ServiceSettings


class OtlpSettings(ServiceSettings):
    """The collector that gets traces; each service has a default of its own for its name."""

    otel_enabled: bool = True
    otel_traces_enabled: bool = True
    otel_exporter_otlp_endpoint: Annotated[
        str | None, BeforeValidator(unless_empty), AfterValidator(http_url)
    ] = None
    otel_exporter_otlp_protocol: Annotated[
        Literal["grpc", "http/protobuf"] | None, BeforeValidator(unless_empty)
    ] = None
    otel_exporter_otlp_headers: Annotated[
        SecretStr | None, BeforeValidator(unless_empty), AfterValidator(headers_of_otlp)
    ] = None
    otel_trace_sample_rate: float = Field(1, ge=0, le=1)

    @property
    def has_collector(self) -> bool:
        """Whether spans go to a collector."""
        is_on = self.otel_enabled and self.otel_traces_enabled
        return is_on and self.otel_exporter_otlp_endpoint is not None
