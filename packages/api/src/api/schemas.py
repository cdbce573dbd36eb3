"""What goes in and out: the request, the answer, the stream's events, the problem object."""

from typing import Annotated, Any, Literal, Self, TypedDict, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from chassis.project_id import SAFE_NAME_PATTERN

Status = Literal["complete", "truncated", "empty", "filtered"]
Prompt = Annotated[str, StringConstraints(min_length=1, max_length=200_000)]
QueryPrompt = Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
"""Shorter: in a query a character may take twelve of the 64 KiB that a request's head has."""
MODEL_NAME = r"^[A-Za-z0-9][A-Za-z0-9._:@-]*(/[A-Za-z0-9][A-Za-z0-9._:@-]*)*$"
"""Each part between slashes begins with a letter or a digit: none is empty, `.` or `..`."""
ModelName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=MODEL_NAME)]
Temperature = Annotated[float, Field(ge=0, le=2, strict=True, allow_inf_nan=False)]
MaxTokens = Annotated[int, Field(ge=1, le=65_536)]


def number(value: object) -> object:
    """What JSON Schema takes for a number: 10.0 is an integer; a string and true are none."""
    if isinstance(value, str | bool):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    return value


SessionId = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]+$")
]
IDEMPOTENCY_KEY = r"^[\x21-\x7e]{1,255}$"
IdempotencyKey = Annotated[
    str, StringConstraints(min_length=1, max_length=255, pattern=IDEMPOTENCY_KEY)
]


DEFAULT_MAX_TOKENS = 1024


class CompletionOptions(TypedDict, total=False):
    """How a completion is asked for: the optional arguments of the service helper.

    What is not given, or None, is not sent; `model` and `max_tokens` have defaults of ours. A field
    that is added here, and to `CompletionRequest`, goes to the gateway under the same name.

    Attributes:
        model: `openai/<alias>` or `<alias>`.
        max_tokens: bound of the answer in tokens; a thinking model gets at least its floor.
        temperature: 0 to 2.
        session_id: groups calls in Langfuse.
    """

    model: str | None
    max_tokens: int
    temperature: float | None
    session_id: str | None


OPTIONS = set(CompletionOptions.__annotations__)


class Message(TypedDict):
    role: str
    content: str


class ChatMessage(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: Prompt


class CompletionRequest(BaseModel):
    """The body of `POST /llm/complete` and `POST /llm/stream`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"prompt": "What is the capital of France?"}],
            "oneOf": [
                {"required": ["prompt"], "properties": {"prompt": {"type": "string"}}},
                {"required": ["messages"], "properties": {"messages": {"type": "array"}}},
            ],
        },
    )

    prompt: Prompt | None = None
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=500)] | None = None
    model: ModelName | None = Field(None, description="Default: `LLM_DEFAULT_MODEL`")
    max_tokens: Annotated[MaxTokens, BeforeValidator(number)] = DEFAULT_MAX_TOKENS
    temperature: Temperature | None = None
    session_id: SessionId | None = None

    @model_validator(mode="after")
    def asks_once(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give exactly one of `prompt` and `messages`")
        return self

    def asked(self) -> str | list[Message]:
        """The prompt or the messages, as the service helper takes them."""
        if self.prompt is not None:
            return self.prompt
        return [Message(role=m.role, content=m.content) for m in self.messages or ()]

    def options(self) -> CompletionOptions:
        """The options that were given, as the service helper takes them."""
        return cast(CompletionOptions, self.model_dump(include=OPTIONS, exclude_none=True))


IN_QUERY = {"prompt", "model", "max_tokens"}
"""What the query of a stream says of the call itself."""


class StreamQuery(BaseModel):
    """The query of `GET /llm/stream`, made for a browser's `EventSource`."""

    model_config = ConfigDict(extra="forbid")

    prompt: QueryPrompt | None = Field(None, description="Required without a `ticket`")
    model: ModelName | None = None
    max_tokens: MaxTokens = DEFAULT_MAX_TOKENS
    ticket: str | None = Field(
        None,
        description="From `POST /llm/stream-ticket`, in place of a token, the project and the body",
    )
    idempotency_key: IdempotencyKey | None = Field(
        None, description="In place of Idempotency-Key: the client's own name for this stream"
    )
    project_id: str | None = Field(
        None,
        description="In place of X-Project-ID, which an EventSource cannot send",
        json_schema_extra={"pattern": f"^{SAFE_NAME_PATTERN}$"},
    )

    @model_validator(mode="after")
    def asks(self) -> Self:
        if self.prompt is None and self.ticket is None:
            raise ValueError("give `prompt`, or a `ticket`")
        return self


class Usage(BaseModel):
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    total_tokens: int


class AttemptReport(BaseModel):
    """One attempt: which model was asked, what came of it, how long it took."""

    model: str
    outcome: str = Field(
        description="`ok`, `empty` for an answer without text, the code of the error, "
        "`skipped`: it failed so often just now that it was not asked, or `cancelled`"
    )
    status: int
    wait_ms: int = Field(description="how long we waited before this attempt")
    duration_ms: int


class AnswerText(BaseModel):
    text: str


class Done(BaseModel):
    """How an answer ended: the stream's last event, and all of `Completion` but its text."""

    model: str = Field(description="the alias that answered")
    requested_model: str
    status: Status
    finish_reason: str
    max_tokens: int = Field(description="what was really asked for, after the floor")
    usage: Usage | None
    cost_usd: float | None = Field(description="null when the gateway knows no price")
    project_id: str
    solution: str
    request_id: str
    trace_id: str
    attempts: list[AttemptReport]


class Completion(Done, AnswerText):
    """The answer of `POST /llm/complete`."""


class Meta(BaseModel):
    """The stream's first event."""

    request_id: str
    trace_id: str
    project_id: str
    solution: str
    requested_model: str


class Problem(BaseModel):
    """RFC 9457 `application/problem+json`."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    trace_id: str
    retry_after: int | None = None
    attempts: list[AttemptReport] | None = None
    errors: list[dict[str, Any]] | None = None
