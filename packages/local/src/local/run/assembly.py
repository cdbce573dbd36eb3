"""The gateway's config for one run: the one config, the overlays, and what a laptop adds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.config_check import refuse_mistakes
from local.run.config import Config, Route, localise, merge, read
from local.run.environments import MASTER_KEY

LOCAL = Path(__file__).with_name("local.yaml")
FAULT_MODELS = Path(__file__).parents[1] / "fault_models.yaml"


@dataclass(frozen=True, slots=True)
class Assembly:
    """A config, and how it came about.

    Attributes:
        sources: the files, with what each says.
        written: all of them merged, with every reference to a variable.
        running: the one to run, where the local LLM answers what misses a variable.
        routes: who answers each alias, but for the fault models.
    """

    sources: list[tuple[Path, Config]]
    written: Config
    running: Config
    routes: list[Route]


def assemble(files: Sequence[Path], environ: Mapping[str, str]) -> Assembly:
    """
    Args:
        files: the gateway's config, then the overlays, in order.

    Raises:
        Mistakes: one of them cannot be used as it is.
    """
    refuse_mistakes(files)
    sources = [(path, read(path)) for path in files]
    written: Config = {}
    for _, said in sources:
        written = merge(written, said)
    variables = {name for name, value in environ.items() if value} | {MASTER_KEY}
    running, routes = localise(written, read(LOCAL), variables)
    faults = fault_models({route.alias for route in routes})
    return Assembly(sources, merge(written, faults), merge(running, faults), routes)


def fault_models(taken: Collection[str]) -> Config:
    """The models that misbehave on purpose.

    Args:
        taken: aliases that the files give to others.
    """
    entries = read(FAULT_MODELS)["model_list"]
    return {"model_list": [entry for entry in entries if entry["model_name"] not in taken]}
