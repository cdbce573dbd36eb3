"""`make attribution` finds every completion that goes round the service helper, and no other."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHECK = ROOT / "tools" / "attribution.py"
HTTP = "a request to"


def attribution(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """The check as it runs in the folder, with nothing but the standard library."""
    command = [sys.executable, "-E", "-s", "-S", CHECK, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def found(folder: Path, code: str) -> list[str]:
    """What it says of a file with this code, each as `line: what`."""
    (folder / "solution.py").write_text(code)
    ended = attribution(folder, folder=folder)
    *lines, _ = ended.stdout.splitlines()
    assert (ended.returncode, ended.stderr) == (1 if lines else 0, "")
    return [line.removeprefix("solution.py:") for line in lines]


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("import litellm\nlitellm.completion(model=m)", "litellm.completion"),
        ("import litellm\nanswer = litellm.acompletion(**m)", "litellm.acompletion"),
        ("import litellm as l\nl.text_completion(m)", "litellm.text_completion"),
        ("import litellm\nretried = partial(litellm.atext_completion)", "litellm.atext_completion"),
        ("import litellm\nlitellm.responses(m)", "litellm.responses"),
        ("import litellm\nlitellm.embedding(m)", "litellm.embedding"),
        ("from litellm import acompletion as ac\nac(m)", "litellm.acompletion"),
        ("from litellm.main import completion\ncompletion(m)", "litellm.main.completion"),
        ("import litellm\nlitellm.Router(l).acompletion(m)", "litellm.Router().acompletion"),
        ("import litellm\ngetattr(litellm, 'acompletion')(m)", "litellm.acompletion"),
        (
            "import litellm\ngetattr(litellm, name)(m)",
            "getattr(litellm, …) of a name that is not written out",
        ),
        (
            "from importlib import import_module\nimport_module('litellm').completion(m)",
            "litellm.completion",
        ),
        ("import os\nfrom litellm import *", "from litellm import *"),
        ("def f(router):\n    return router.acompletion(m)", "….acompletion"),
    ],
)
def test_litellm_by_any_name(tmp_path: Path, code: str, what: str) -> None:
    assert found(tmp_path, code) == [f"2: {what}"]


def test_litellm_behind_names_of_the_file_itself(tmp_path: Path) -> None:
    code = """\
import litellm
from litellm import Router

class Caller:
    def __init__(self):
        self.router = Router([])
        self.lane = litellm

    async def call(self):
        await self.router.acompletion(m)
        self.lane.completion(m)
        load().responses(m)

def load():
    import litellm as loaded
    return loaded
"""
    assert found(tmp_path, code) == [
        "10: litellm.Router().acompletion",
        "11: litellm.completion",
        "12: litellm.responses",
    ]


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("import openai\nopenai.OpenAI()", "openai.OpenAI()"),
        ("from openai import AsyncAzureOpenAI as A\nA()", "openai.AsyncAzureOpenAI()"),
        ("from anthropic import AsyncAnthropic\nAsyncAnthropic()", "anthropic.AsyncAnthropic()"),
        ("from google import genai\ngenai.Client()", "google.genai.Client()"),
        (
            "import google.generativeai as genai\ngenai.GenerativeModel(m)",
            "google.generativeai.GenerativeModel()",
        ),
        ("def f(client):\n    client.chat.completions.create(**m)", "….chat.completions.create"),
        ("def f(client):\n    client.responses.create(model=m)", "….responses.create"),
        ("def f(client):\n    client.messages.create(model=m)", "….messages.create"),
        ("def f(client):\n    client.models.generate_content(m)", "….models.generate_content"),
        ("from langchain_openai import ChatOpenAI\nChatOpenAI()", "langchain_openai.ChatOpenAI()"),
        (
            "from langchain_community.chat_models import ChatLiteLLM\nChatLiteLLM()",
            "langchain_community.chat_models.ChatLiteLLM()",
        ),
        (
            "from langchain.chat_models import init_chat_model\ninit_chat_model(m)",
            "langchain.chat_models.init_chat_model()",
        ),
    ],
)
def test_the_sdk_of_a_provider_and_a_chat_model(tmp_path: Path, code: str, what: str) -> None:
    assert found(tmp_path, code) == [f"2: {what}"]


@pytest.mark.parametrize(
    ("code", "address"),
    [
        (
            "import httpx\nhttpx.post('http://g/v1/chat/completions')",
            "http://g/v1/chat/completions",
        ),
        ("PATH = '/completions'\nsession.post(PATH)", "/completions"),
        ("BASE = 'http://g'\nhttp.post(f'{BASE}/v1/responses?a=b')", "/v1/responses?a=b"),
        ("BASE = 'http://g'\nhttp.post(url=BASE + '/v1/messages')", "/v1/messages"),
        ("def f(http):\n    http.request('POST', 'chat/completions')", "chat/completions"),
        ("def f(http):\n    http.stream('POST', '{}/messages'.format(b))", "{}/messages"),
        (
            "def f(http):\n    http.post(f'{base}/models/{model}:generateContent')",
            ":generateContent",
        ),
        ("from requests import post\npost(urljoin(b, '/v1/completions'))", "/v1/completions"),
    ],
)
def test_a_request_to_the_address_of_a_completion(tmp_path: Path, code: str, address: str) -> None:
    assert found(tmp_path, code) == [f"2: {HTTP} {address}"]


@pytest.mark.parametrize(
    "code",
    [
        "# litellm.completion(model=m)",
        "'''litellm.completion(model=m), http.post('/chat/completions')'''",
        "NAME = 'litellm.acompletion'",
        "import litellm\nlitellm.drop_params = True\nlitellm.types.utils.CallTypes.completion",
        "from litellm.exceptions import RateLimitError",
        "from openai import APIError, OpenAI\ndef f(client: OpenAI) -> APIError: ...",
        "class Own:\n    def complete(self): ...\nOwn().complete(model=m)",
        "class Own:\n    def completion(self): ...\nOwn().completion(model=m)",
        "def completion(m): ...\ncompletion(m)",
        "from litellm import token_counter as completion\ncompletion(m)",
        "def f(litellm):\n    litellm.completion(m)",
        "from api.llm.client import Llm\nLlm(lane, settings).complete(p, project_id=i, solution=s)",
        "def f(llm):\n    llm.complete(p, project_id=i, solution=s)\n    llm.stream(p)",
        "from twilio.rest import Client\nClient().messages.create(body=b, model=m)",
        "def f(thread):\n    thread.messages.create(text=t)",
        "@router.post('/v1/chat/completions')\nasync def route(): ...",
        "from aiohttp import web\nweb.post('/v1/chat/completions', route)",
        "def f(http):\n    http.request('GET', '/v1/messages')",
        "def f(http):\n    http.post('/llm/complete')",
        "def f(http):\n    http.post('/notes', json={'text': 'see /chat/completions'})",
        "from langchain_core.prompts import ChatPromptTemplate\nChatPromptTemplate(p)",
    ],
)
def test_what_makes_no_completion_is_not_reported(tmp_path: Path, code: str) -> None:
    assert found(tmp_path, code) == []


def test_a_comment_on_the_line_excuses_it_if_it_gives_a_reason(tmp_path: Path) -> None:
    code = """\
import litellm
litellm.completion(m)  # attribution: a script of the operator, on no project's account
litellm.completion(m)  # attribution:
text = "# attribution: in a text"; litellm.completion(m)
"""
    assert found(tmp_path, code) == [
        "3: litellm.completion; its comment gives no reason",
        "4: litellm.completion",
    ]


def test_a_file_that_is_no_python_is_a_finding(tmp_path: Path) -> None:
    (line,) = found(tmp_path, "a = 1\ndef (")
    assert line.startswith("2: cannot be read: ")


def test_it_reads_well_with_findings_and_without(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "calls.py").write_text("import litellm\nlitellm.completion(m)\n")
    (tmp_path / "good.py").write_text("")
    ended = attribution(".", folder=tmp_path)
    assert ended.returncode == 1
    assert ended.stdout == (
        "part/calls.py:2: litellm.completion\n"
        "1 in 2 files: call a model through the service helper, or say on the line why not:"
        " # attribution: <reason>\n"
    )
    ended = attribution("good.py", folder=tmp_path)
    assert (ended.returncode, ended.stdout) == (
        0,
        "no completion goes round the service helper, in 1 file\n",
    )
    ended = attribution("nowhere", folder=tmp_path)
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (
        2,
        "attribution: error: nowhere is not there",
    )


def test_a_code_base_names_its_own_helper_and_its_exceptions(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.attribution]\nhelper = "own.ask"\nallowed = ["own/lane.py"]\nexempt = ["tests"]\n'
    )
    for path in ("own/lane.py", "own/other.py", "tests/test_it.py", ".venv/lib.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("import litellm\nlitellm.completion(m)\n")
    first, last = attribution(tmp_path, folder=tmp_path).stdout.splitlines()
    assert first == "own/other.py:2: litellm.completion"
    assert "through own.ask" in last
    assert "tests/test_it.py:2" in attribution("tests", folder=tmp_path).stdout


def test_nothing_here_goes_round_the_helper_but_the_two_lanes(tmp_path: Path) -> None:
    ended = attribution(folder=ROOT)
    assert (ended.returncode, ended.stdout.count("\n")) == (0, 1)
    allowed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["attribution"]["allowed"]
    assert len(allowed) == 2
    for path in allowed:
        shutil.copy(ROOT / path, tmp_path)
    lines = attribution(tmp_path, folder=tmp_path).stdout.splitlines()[:-1]
    assert [line.partition(":")[0] for line in lines] == ["client.py", "wire_client.py"]
