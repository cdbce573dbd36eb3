"""On whom a call is booked: the project and the solution in its metadata."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policy.refusal import Refusal

PLACES = ("metadata", "litellm_metadata")
"""LiteLLM keeps a caller's metadata in the second one where the provider knows the first."""
LONGEST = 128


@dataclass(frozen=True, slots=True)
class Attribution:
    project: str | None
    solution: str | None


def attribution(body: Mapping[str, Any], key_project: str | None) -> Attribution:
    """
    Args:
        body: of the request.
        key_project: the only project that the key speaks for; None speaks for all.

    Raises:
        Refusal: 403, the key does not speak for a project that the metadata names.
    """
    said = [body[place] for place in PLACES if isinstance(body.get(place), dict)]
    projects = [named for each in said if (named := name(each.get("project_id")))]
    solutions = [named for each in said if (named := name(each.get("solution")))]
    for project in projects:
        if project != (key_project or projects[0]):
            raise Refusal(403, "project_mismatch", "This key does not speak for this project.")
    return Attribution(
        key_project or (projects[0] if projects else None), solutions[0] if solutions else None
    )


def write(attributed: Attribution, body: dict[str, Any]) -> None:
    """Into each place that LiteLLM's loggers read, so that they book what was checked."""
    for place in PLACES:
        metadata = body.get(place)
        if isinstance(metadata, dict):
            for key, value in (
                ("project_id", attributed.project),
                ("solution", attributed.solution),
            ):
                if value is not None:
                    metadata[key] = value


def require(attributed: Attribution) -> None:
    """
    Raises:
        Refusal: 400.
    """
    missing = [
        key
        for key, value in (("project_id", attributed.project), ("solution", attributed.solution))
        if value is None
    ]
    if missing:
        message = f"A call needs {' and '.join(missing)} in its metadata."
        raise Refusal(400, "attribution_missing", message)


def name(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST else None
