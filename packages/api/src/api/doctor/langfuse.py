"""Langfuse: is it there, and whose project do our keys open."""

from collections.abc import AsyncGenerator

from api.doctor.checks import Checks, Context, Finding, skipped

SO = "; calls go on, their traces are lost"
RENEW = "renew langfuse-secret-key in the solution's Secret, then: kubectl rollout restart {it}"


async def checks(at: Context) -> AsyncGenerator[Finding]:
    host, pair = at.settings.langfuse_host, at.settings.langfuse_keys
    if not at.settings.has_langfuse:
        raise skipped("not set: nothing is traced")
    look = f"bring Langfuse back, or look at LANGFUSE_HOST ({host}) and at Langfuse's log"
    answer = await at.get("Langfuse", f"{host}/api/public/health", SO, look)
    if answer.status != 200:
        raise answer.ended("What answers at LANGFUSE_HOST is no Langfuse that is well.", look)
    yield answer.ok("Langfuse is there.")

    answer = await at.get("Langfuse", f"{host}/api/public/projects", SO, look, auth=pair)
    projects = answer.json.get("data")
    if answer.status in (401, 403):
        mend = at.place.mend("export LANGFUSE_SECRET_KEY=… with the right one", pod=RENEW)
        yield answer.failed("Langfuse refuses the pair of keys.", mend)
    elif answer.status != 200 or not isinstance(projects, list) or not projects:
        yield answer.unknown("Langfuse does not say whose keys these are.")
    else:
        names = ", ".join(str(project.get("name")) for project in projects)
        yield answer.ok(f"The keys are those of Langfuse's project {names}.")


CHECKS = Checks(["langfuse_reachable", "langfuse_keys"], checks)
