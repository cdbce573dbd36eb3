"""What the check says of settings that do nothing, of secrets, of modules and of projects."""

from pathlib import Path

import pytest

from checking import ENFORCED, ENTRY, in_config, mistakes, with_overlay

NO_DATABASE = (
    "does nothing without a database: give usd_per_month in budgets (an alias) or in projects"
    " (a project)"
)
NO_HOST = (
    "langfuse without a host sends everything to its vendor's cloud: set LANGFUSE_HOST in"
    " environment_variables"
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
NEEDS_A_MAPPING = "needs a mapping in projects: models, rpm, tpm, usd_per_month"


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
        ('litellm_settings:\n  success_callback: ["langfuse"]', 2, NO_HOST),
        ("litellm_settings:\n  callbacks: langfuse_otel", 2, NO_HOST),
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


def test_langfuse_with_a_host_of_its_own(tmp_path: Path) -> None:
    text = "environment_variables: {LANGFUSE_HOST: os.environ/LANGFUSE_HOST}\n"
    assert in_config(tmp_path, text + "litellm_settings: {callbacks: [langfuse_otel]}") == []


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


def test_an_overlay_may_have_a_key_and_an_alias_without_a_price(tmp_path: Path) -> None:
    entry = "{model_name: b, litellm_params: {model: openai/x, api_key: sk-provider}}"
    assert with_overlay(tmp_path, ENTRY, f"model_list: [{entry}]") == []
    assert len(mistakes(tmp_path / "overlay.yaml")) == 2


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
        ("general_settings:\n  custom_auth: keys.auth", "custom_auth names keys.py"),
        (
            "litellm_settings:\n  custom_provider_map: [{provider: p, custom_handler: own.llm}]",
            "custom_provider_map names own.py",
        ),
    ],
)
def test_a_module_that_is_not_beside_the_config(tmp_path: Path, text: str, reason: str) -> None:
    assert in_config(tmp_path, text) == [f"2: {reason}, which is not beside config.yaml"]
    for module in ("policy", "keys", "own"):
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
        f"9: none {NEEDS_A_MAPPING}",
        "11: model_list has no alias 'b'",
        "12: a: 'lots' is not a number of 0 or more",
        "13: attribution: 'maybe' is not required or warn",
    ]
