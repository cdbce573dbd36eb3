"""The mistakes that the check finds in a config of a test.

What it says of a config without the policy is left out: the tests' have none.
"""

from pathlib import Path

from policy.checks.check import refuse_mistakes
from policy.refusal import PolicyError

ENTRY = """\
model_list:
  - model_name: a
    litellm_params:
      model: openai/gpt-4o-mini
      api_key: os.environ/OPENAI_API_KEY
"""
ENFORCED = 'router_settings: {optional_pre_call_checks: ["enforce_model_rate_limits"]}\n'


def mistakes(*files: Path) -> list[str]:
    """Each as `line: reason`, or with the file's name before it if there are several."""
    try:
        refuse_mistakes(files)
    except PolicyError as refused:
        known = f"{files[0].parent}/" if files[1:] else f"{files[0]}:"
        return [
            line.removeprefix(known)
            for line in str(refused).splitlines()
            if " has to have" not in line
        ]
    return []


def in_config(folder: Path, text: str) -> list[str]:
    file = folder / "config.yaml"
    file.write_text(text)
    return mistakes(file)


def in_params(folder: Path, *lines: str, more: str = "") -> list[str]:
    """The mistakes when these lines come after ENTRY's five, in its litellm_params."""
    return in_config(folder, ENTRY + "".join(f"      {line}\n" for line in lines) + more)


def with_overlay(folder: Path, config: str, overlay: str) -> list[str]:
    (folder / "config.yaml").write_text(config)
    (folder / "overlay.yaml").write_text(overlay)
    return mistakes(folder / "config.yaml", folder / "overlay.yaml")
