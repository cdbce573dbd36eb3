"""The environment: what the settings refuse, and what they let pass but nobody can have meant."""

from collections.abc import Mapping, Sequence

from api.doctor.findings import Finding, failed, ok, unknown
from api.doctor.place import Place

EMPTY_ON_PURPOSE = {
    "LLM_FALLBACK_MODELS",
    "LLM_THINKING_MODELS",
    "ROOT_PATH",
    "CORS_ALLOW_ORIGINS",
}
SHADOWED = (
    "a plain `env` entry hides a secret-backed one of `envVars`, or the secret's key is empty"
)


def senseless(lines: Sequence[str], odd: Mapping[str, str], place: Place) -> list[Finding]:
    """A finding for each variable that the settings refuse.

    Args:
        lines: as the settings have them: `NAME: reason`.
        odd: see `odd_values`.
    """
    return [refused(line, odd, place) for line in lines]


def refused(line: str, odd: Mapping[str, str], place: Place) -> Finding:
    name = line.partition(":")[0]
    is_empty = odd.get(name) == "is set, and empty"
    hint = f" (set, and empty: {SHADOWED})" if is_empty else ""
    look = place.kubectl("exec {it} -- sh -c ") + f"'printenv {name} | wc -c'"
    mend = place.mend(
        pod=f"compare api.env and api.envVars of the chart with {look}",
        laptop=f"export {name}=… as .env.example has it",
    )
    return failed(f"{line}{hint}", "read from the environment of this process", mend)


def sensible(odd: Mapping[str, str], missing_for_langfuse: Sequence[str], place: Place) -> Finding:
    """What is to be said of variables that make sense to the settings."""
    how = "read from the environment of this process"
    if missing_for_langfuse:
        names = ", ".join(missing_for_langfuse)
        empty = [name for name in missing_for_langfuse if name in odd]
        hint = f" ({', '.join(empty)}: set, and empty: {SHADOWED})" if empty else ""
        return failed(
            f"{names} not set, and so nothing is traced: Langfuse takes all three{hint}.",
            how,
            place.renew_secret(
                missing_for_langfuse[0], missing_for_langfuse[0].lower().replace("_", "-")
            ),
        )
    strange = {name: oddity for name, oddity in odd.items() if name not in EMPTY_ON_PURPOSE}
    if strange:
        said = "; ".join(f"{name} {oddity}" for name, oddity in strange.items())
        return unknown(
            f"{said}. An empty one counts as not set, a key's line break is taken off here, "
            f"and perhaps not elsewhere.",
            how,
            place.mend(pod=f"look at the chart: {SHADOWED}", laptop="unset it, or set it"),
        )
    return ok("The variables make sense.", how)
