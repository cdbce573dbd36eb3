"""What a Prometheus sees: the samples of a `/metrics`, the gateway's or the API's, by labels."""

import asyncio
from dataclasses import dataclass

import aiohttp
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from hearsay import heard


@dataclass(frozen=True)
class Scraper:
    """
    Attributes:
        url: of the gateway, ends in `/v1`, or of the API.
    """

    http: aiohttp.ClientSession
    url: str

    async def scrape(self, path: str = "/metrics") -> str:
        url = self.url.removesuffix("/v1") + path
        async with self.http.get(url, allow_redirects=False) as response:
            assert response.status == 200
            said = await response.text()
        heard("metrics", said)
        return said

    async def samples(self, name: str, **labels: str) -> dict[tuple[str, ...], float]:
        """The values under that name which have these labels, by their other labels but `le`."""
        found = {}
        for sample in await self.all_samples(name):
            if labels.items() <= sample.labels.items():
                rest = sorted(sample.labels.keys() - labels.keys() - {"le"})
                found[tuple(sample.labels[label] for label in rest)] = sample.value
        return found

    async def all_samples(self, name: str) -> list[Sample]:
        """Those under that name."""
        families = text_string_to_metric_families(await self.scrape())
        return [each for family in families for each in family.samples if each.name == name]

    async def until(self, expected: dict[tuple[str, ...], float], name: str, **labels: str) -> None:
        """Waits for these: LiteLLM tells its loggers after the answer is out."""
        for _ in range(50):
            if (found := await self.samples(name, **labels)) == expected:
                return
            await asyncio.sleep(0.1)
        assert found == expected


def exposed(registry: CollectorRegistry) -> dict[str, list[str]]:
    """Our metrics in this registry by their names, with their labels."""
    found = {}
    for collector in registry._collector_to_names:
        if isinstance(collector, MetricWrapperBase):
            (family,) = collector.describe()
            name = family.name + ("_total" if family.type == "counter" else "")
            found[name] = list(collector._labelnames)
    return found
