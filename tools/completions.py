"""Finds what makes a completion in a Python file: through LiteLLM, a provider's SDK, or HTTP."""

import ast
import re
from collections.abc import Iterator

from origins import UNKNOWN, Origins

LITELLM = re.compile(
    r"litellm(?!\.types\b)(\.\w+|\(\))*\.(a?completion|a?text_completion|a?responses|a?embedding"
    r"|a?completion_with_retries|batch_completion\w*|anthropic_messages)"
)
# A method with one of these names is LiteLLM's, whoever it is called on.
OF_LITELLM_ALONE = re.compile(
    r".*\.(acompletion|atext_completion|aresponses|acompletion_with_retries)"
)
CLIENT = re.compile(
    r"openai(\.\w+)*\.(Async)?(Azure)?(OpenAI|Client)"
    r"|anthropic(\.\w+)*\.(Async)?(Anthropic|Client)(Bedrock|Vertex|Foundry)?"
    r"|google\.genai(\.\w+)*\.(Async)?Client"
    r"|(google\.generativeai|vertexai)(\.\w+)*\.GenerativeModel"
    r"|(groq|cohere|mistralai|together|ollama)(\.\w+)*"
    r"\.(Async)?(Groq|ClientV2|Client|Mistral|Together)"
    r"|langchain(?!_core)\w*(\.\w+)*\.(init_chat_model|\w*Chat(?!\w*(Prompt|Message))\w+)"
)
METHOD = re.compile(
    r".*\.(completions|responses|messages)\.(create|stream|parse)"
    r"|.*\.generate_content(_async|_stream)?"
    r"|openai\.(Chat)?Completion\.a?create|ollama\.a?(chat|generate)"
)
# Of others a text message or a row of a table may have such a name: unless it is given a model.
OF_AN_SDK_ALONE = re.compile(r".*\.chat\.completions\.\w+|.*\.generate_content\w*")
SDK = re.compile(r"(openai|anthropic|google|vertexai|groq|cohere|mistralai|together|ollama)\b")

SENDERS = {"post", "request", "stream", "Request", "urlopen", "build_request", "fetch"}
READS = {"GET", "HEAD", "DELETE", "OPTIONS"}
PATH = re.compile(
    r"(\S*/)?chat/completions|\S*/(completions|responses|messages)|\S*/api/(chat|generate)"
    r"|\S*:(stream)?generateContent",
    re.IGNORECASE,
)
ADDRESS = {"url", "path", "endpoint"}
SERVES = re.compile(r"aiohttp\.web\..*")
EVERYTHING_OF = {"litellm", "openai", "anthropic"}


def completions(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The line and the name of everything that makes a completion, or is about to.

    Args:
        tree: a file, parsed.
    """
    origins = Origins(tree)
    routes = {
        id(decorator)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for decorator in node.decorator_list
    }
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=module, names=[ast.alias(name="*")], level=0):
                if module in EVERYTHING_OF:
                    yield node.lineno, f"from {module} import *"
            case ast.Name(ctx=ast.Load()) | ast.Attribute(ctx=ast.Load()):
                yield from named(node, origins)
            case ast.Call():
                yield from called(node, origins)
                if id(node) not in routes:
                    yield from sent(node, origins)


def named(node: ast.Name | ast.Attribute, origins: Origins) -> Iterator[tuple[int, str]]:
    """A function that makes completions, called here or handed on."""
    for origin in origins.of(node):
        of_litellm = LITELLM.fullmatch(origin) or OF_LITELLM_ALONE.fullmatch(origin)
        if of_litellm or (METHOD.fullmatch(origin) and is_of_an_sdk(origin)):
            yield node.lineno, shown(origin)


def called(call: ast.Call, origins: Origins) -> Iterator[tuple[int, str]]:
    """A client that is made, or a function of LiteLLM's that is named in a text."""
    for origin in origins.of(call.func):
        if CLIENT.fullmatch(origin):
            yield call.lineno, f"{origin}()"
        if METHOD.fullmatch(origin) and origin.startswith(UNKNOWN) and names_a_model(call):
            yield call.lineno, shown(origin)
        if origin == "getattr" and len(call.args) > 1:
            if not isinstance(call.args[1], ast.Constant) and "litellm" in origins.of(call.args[0]):
                yield call.lineno, "getattr(litellm, …) of a name that is not written out"
            for found in origins.of(call):
                if LITELLM.fullmatch(found):
                    yield call.lineno, found


def sent(call: ast.Call, origins: Origins) -> Iterator[tuple[int, str]]:
    """A request to the address of a completion."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else None
    if isinstance(call.func, ast.Name):
        name = call.func.id
    given = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg in ADDRESS)]
    texts = [origins.text(value) for value in given]
    serves = any(map(SERVES.fullmatch, origins.of(call.func)))
    if name not in SENDERS or serves or any(READS & text for text in texts):
        return
    for text in sorted(set().union(*texts)):
        if PATH.fullmatch(text.partition("?")[0].rstrip("/")):
            yield call.lineno, f"a request to {text}"


def is_of_an_sdk(origin: str) -> bool:
    if origin.startswith(UNKNOWN):
        return OF_AN_SDK_ALONE.fullmatch(origin) is not None
    return SDK.match(origin) is not None


def names_a_model(call: ast.Call) -> bool:
    """Whether it is given a model, or keywords that may have one."""
    return any(keyword.arg in {"model", None} for keyword in call.keywords)


def shown(origin: str) -> str:
    return origin.replace(UNKNOWN, "…", 1)
