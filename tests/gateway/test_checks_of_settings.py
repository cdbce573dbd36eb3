"""What the check says of settings that do nothing, of secrets, of modules and of projects."""

from pathlib import Path

import pytest

from checking import ENFORCED, ENTRY, in_config, mistakes, with_overlay
from local.config_check import CONFIG
from policy.checks.check import refuse_mistakes
from policy.refusal import PolicyError

NO_DATABASE = (
    "does nothing without a database: give usd_per_month in budgets (an alias) or in projects"
    " (a project)"
)
IS_ON = (
    "delete langfuse here: tracing is on as soon as LANGFUSE_HOST, LANGFUSE_PUBLIC_KEY and"
    " LANGFUSE_SECRET_KEY are in the environment of the gateway. This would trace each call twice,"
    " and without a host send everything to its vendor's cloud"
)
NOT_ENFORCED = (
    'is not enforced: add optional_pre_call_checks: ["enforce_model_rate_limits"] to'
    " router_settings"
)
TOO_LATE = "too late for model_list: set it in the environment of the gateway"
SECRET = (
    "is a secret, or looks like one: name the variable that has it, as in"
    " os.environ/PROVIDER_API_KEY"
)
NO_PROJECT_ID = (
    "is not a project id: letters, digits, dots, underscores and hyphens, 128 at most, a letter"
    " or a digit first; in quotes if it is a number"
)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("litellm_settings:\n  max_budget: 100", 2, f"litellm_settings.max_budget {NO_DATABASE}"),
        (
            "litellm_settings:\n  budget_duration: monthly",
            2,
            f"litellm_settings.budget_duration {NO_DATABASE}",
        ),
        (
            'litellm_settings:\n  service_callback: ["otel"]',
            2,
            'service_callback: ["otel"] exports nothing: use callbacks: ["otel"]',
        ),
        ('litellm_settings:\n  success_callback: ["langfuse"]', 2, IS_ON),
        ("litellm_settings:\n  callbacks: langfuse_otel", 2, IS_ON),
        (
            "include: [more.yaml]",
            1,
            "a file that is included would not be checked: say it all in this one",
        ),
        (ENTRY + "      rpm: 5", 6, f"rpm {NOT_ENFORCED}"),
        (ENTRY + "    tpm: 5", 6, f"tpm {NOT_ENFORCED}"),
        (
            ENTRY + "environment_variables: {OPENAI_API_KEY: os.environ/OTHER}",
            5,
            f"environment_variables sets OPENAI_API_KEY {TOO_LATE}",
        ),
    ],
)
def test_a_setting_that_does_nothing(tmp_path: Path, text: str, line: int, reason: str) -> None:
    assert in_config(tmp_path, text) == [f"{line}: {reason}"]


def test_langfuse_with_a_host_of_its_own_traces_each_call_twice(tmp_path: Path) -> None:
    text = "environment_variables: {LANGFUSE_HOST: os.environ/LANGFUSE_HOST}\n"
    said = in_config(tmp_path, text + "litellm_settings: {callbacks: [langfuse_otel]}")
    assert said == [f"2: {IS_ON}"]


def test_the_limit_of_an_overlay_is_enforced_by_the_config(tmp_path: Path) -> None:
    assert with_overlay(tmp_path, ENFORCED, ENTRY + "      rpm: 5\n") == []


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("general_settings:\n  master_key: changeme", 2, "master_key"),
        ("general_settings: {master_key: os.environ/}", 1, "master_key"),
        (ENTRY.replace("os.environ/OPENAI_API_KEY", "sk-1"), 5, "api_key"),
        (ENTRY.replace("os.environ/", "$"), 5, "api_key"),
        (ENTRY + "      aws_secret_access_key: abc", 6, "aws_secret_access_key"),
        (ENTRY + "      extra_headers:\n        X-Key: sk-canary-12345", 7, "X-Key"),
        ("environment_variables:\n  LANGFUSE_SECRET_KEY: abc", 2, "LANGFUSE_SECRET_KEY"),
        ("router_settings:\n  redis_url: redis://:pass@redis:6379", 2, "redis_url"),
    ],
)
def test_a_secret_is_refused_and_not_repeated(
    tmp_path: Path, text: str, line: int, key: str
) -> None:
    assert in_config(tmp_path, text) == [f"{line}: {key} {SECRET}"]


def test_an_overlay_may_have_a_key(tmp_path: Path) -> None:
    entry = "{model_name: b, litellm_params: {model: openai/gpt-4o, api_key: sk-provider}}"
    assert with_overlay(tmp_path, ENTRY, f"model_list: [{entry}]") == []
    assert len(mistakes(tmp_path / "overlay.yaml")) == 1


def test_what_is_no_secret_is_let_through(tmp_path: Path) -> None:
    text = ENTRY.replace("os.environ/OPENAI_API_KEY", "none")
    text += "      max_tokens: 5\n      vertex_credentials: /var/run/token.json\n"
    text += "general_settings: {master_key: os.environ/LITELLM_MASTER_KEY}\n"
    text += "litellm_settings: {cache_params: {url: 'redis://redis:6379/0'}}\n"
    assert in_config(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("litellm_settings:\n  callbacks: [policy.attribution]", "callbacks names policy.py"),
        ("general_settings:\n  custom_sso: keys.auth", "custom_sso names keys.py"),
        (
            "litellm_settings:\n  custom_provider_map: [{provider: p, custom_handler: own.llm}]",
            "custom_provider_map names own.py",
        ),
        ("litellm_settings:\n  callbacks: [own.hooks.seen]", "callbacks names own/hooks.py"),
    ],
)
def test_a_module_that_is_not_beside_the_config(tmp_path: Path, text: str, reason: str) -> None:
    assert in_config(tmp_path, text) == [f"2: {reason}, which is not beside config.yaml"]
    (tmp_path / "own").mkdir()
    for module in ("policy", "keys", "own", "own/hooks"):
        (tmp_path / f"{module}.py").touch()
    assert in_config(tmp_path, text) == []


def test_projects_budgets_and_attribution_as_they_are_meant(tmp_path: Path) -> None:
    text = """\
projects:
  default: {rpm: 60, tpm: 100000, usd_per_month: 50}
  p-1.b_2: {usd_per_month: 0.5, models: [a]}
budgets:
  a: 100
attribution: warn
"""
    assert in_config(tmp_path, ENTRY + text) == []


def test_mistakes_in_projects_budgets_and_attribution(tmp_path: Path) -> None:
    text = """\
projects:
  default: {usd_per_mont: 60}
  -bad: {usd_per_month: -1}
  ok:
    tpm: 1.5
    rpm:
    models: [a, b]
  42: {}
  none: 5
budgets:
  b: 1
  a: lots
attribution: maybe
"""
    assert in_config(tmp_path, text + ENTRY) == [
        "2: projects has no 'usd_per_mont'; did you mean 'usd_per_month'?",
        f"3: '-bad' {NO_PROJECT_ID}",
        "3: usd_per_month: -1 is not a number of 0 or more",
        "5: tpm: 1.5 is not a whole number of 0 or more",
        "6: rpm has no value",
        "7: models: ['a', 'b'] is not a list of aliases",
        f"8: 42 {NO_PROJECT_ID}",
        "9: none is not a mapping",
        "11: model_list has no alias 'b'",
        "12: a: 'lots' is not a number of 0 or more",
        "13: attribution: 'maybe' is not required or warn",
    ]


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ("projects: {ok: {models: a}}", "models is not a list"),
        ("projects: {default: {rpm: -1}}", "rpm: -1 is not a whole number of 0 or more"),
        ("projects: {ok: {tpm: true}}", "tpm: True is not a whole number of 0 or more"),
        (
            "projects: {ok: {usd_per_month: many}}",
            "usd_per_month: 'many' is not a number of 0 or more",
        ),
        ("budgets: {a: .nan}", "a: nan is not a number of 0 or more"),
        ("budgets: {a: }", "a has no value"),
    ],
)
def test_an_amount_that_is_none(tmp_path: Path, section: str, reason: str) -> None:
    assert in_config(tmp_path, f"{ENTRY}{section}\n") == [f"6: {reason}"]


@pytest.mark.parametrize(
    "text",
    [
        "litellm_settings:\n  num_retries: 3\n",
        "router_settings:\n  num_retries: 3\n",
        "\nmodel_list: [{model_name: a, litellm_params: {model: gpt-4o, num_retries: 3}}]\n",
        "router_settings:\n  retry_policy: {InternalServerErrorRetries: 2}\n",
    ],
)
def test_retries_of_the_gateway(tmp_path: Path, text: str) -> None:
    (said,) = in_config(tmp_path, text)
    what = "a retry policy" if "policy" in text else "num_retries above 0"
    reason = "makes several calls to providers out of one: the service alone retries"
    assert said == f"2: {what} {reason}"


def test_a_config_without_the_policy(tmp_path: Path) -> None:
    config, overlay = tmp_path / "config.yaml", tmp_path / "overlay.yaml"
    config.write_text("model_list: []\nlitellm_settings: {}\ngeneral_settings: {}\n")
    overlay.write_text("litellm_settings:\n  callbacks: [policy.hooks.entry.admission]\n")
    with pytest.raises(PolicyError) as refused:
        refuse_mistakes([config, overlay])
    assert [line.partition(" has to have")[0] for line in str(refused.value).splitlines()] == [
        f"{config}:1: router_settings",
        f"{config}:2: callbacks",
        f"{config}:3: general_settings",
        f"{overlay}:2: callbacks names policy/hooks/entry.py, which is not beside overlay.yaml",
    ]


def test_an_overlay_that_takes_the_keys_away(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("general_settings:\n  custom_auth: null\n")
    with pytest.raises(PolicyError) as refused:
        refuse_mistakes([CONFIG, overlay])
    needed = "policy.hooks.entry.authenticated"
    assert (
        str(refused.value) == f"{overlay}:2: custom_auth is not {needed}: no key would be checked"
    )
