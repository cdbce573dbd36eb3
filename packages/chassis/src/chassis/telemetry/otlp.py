"""OpenTelemetry's exporters: OTLP over HTTP or over gRPC, as the receiver wants it."""

import ssl
from collections.abc import Mapping
from typing import Any

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExporter
from requests import PreparedRequest, RequestException, Response, Session
from requests.structures import CaseInsensitiveDict

from chassis.redaction import keep_out
from chassis.setting_values import parse_headers
from chassis.telemetry.settings import OtlpSettings

SEND_SECONDS = 20.0
"""For a batch and for sending it again, after 1, 2, 4 and 8 s, where the receiver was not there."""
GRPC_PORT = ":4317"


def to_collector(settings: OtlpSettings) -> SpanExporter:
    """The exporter to the collector of these settings."""
    endpoint = (settings.otel_exporter_otlp_endpoint or "").rstrip("/")
    given = settings.otel_exporter_otlp_headers
    headers = parse_headers(given.get_secret_value()) if given is not None else {}
    for value in headers.values():
        # 1. A collector may quote one in what it answers, without its name and its scheme.
        keep_out(value.rpartition(" ")[2])
    by_port = "grpc" if endpoint.endswith(GRPC_PORT) else "http/protobuf"
    if (settings.otel_exporter_otlp_protocol or by_port) == "grpc":
        return over_grpc(endpoint, headers)
    return over_http(f"{endpoint}/v1/traces", headers)


def over_grpc(url: str, headers: Mapping[str, str]) -> SpanExporter:
    """
    Args:
        url: `http://host:port`, or `https://` for TLS.
    """
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as OverGrpc

    metadata = tuple((name.lower(), value) for name, value in headers.items())
    return OverGrpc(url, headers=metadata, timeout=SEND_SECONDS)


def over_http(url: str, headers: Mapping[str, str]) -> SpanExporter:
    """As any peer is asked: with no proxy from the environment, and no password of `~/.netrc`.

    Args:
        url: of the receiver's traces.
    """
    session = Session()
    session.trust_env = False
    session.auth = OnlyThese(headers)
    session.hooks["response"] = [refuse_redirect]
    # 2. The system's certificates, as for any peer: by itself it trusts those of certifi alone.
    trusted = ssl.get_default_verify_paths()
    return OTLPSpanExporter(
        url,
        certificate_file=trusted.cafile or trusted.capath,
        timeout=SEND_SECONDS,
        compression=Compression.NoCompression,
        session=session,
    )


class OnlyThese:
    """The headers of a request, and no others.

    The exporter adds those of `OTEL_EXPORTER_OTLP_HEADERS` to whatever it sends, so that Langfuse
    would get the collector's key.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = {"Content-Type": "application/x-protobuf"} | dict(headers)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers = CaseInsensitiveDict(self._headers)
        return request


def refuse_redirect(response: Response, *_: Any, **__: Any) -> None:
    """It is not followed, for the keys' sake; but to the exporter it would be a success."""
    if 300 <= response.status_code < 400:
        response.close()
        raise RequestException(f"status {response.status_code}")
