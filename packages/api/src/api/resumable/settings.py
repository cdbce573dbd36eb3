"""The variable of streams that a reader may come back to."""

from pydantic import Field

from chassis.settings import ServiceSettings


class ResumableSettings(ServiceSettings):
    """How long a stream waits, in seconds, for an `EventSource` that was cut off."""

    llm_stream_resume_seconds: float = Field(10, ge=0, allow_inf_nan=False)
