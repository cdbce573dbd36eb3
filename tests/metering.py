"""What a Prometheus sees: the samples of the gateway's `/metrics`, by their labels."""

import asyncio
from dataclasses import dataclass

import aiohttp
from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Scraper:
    """
    Attributes:
        url: of the gateway, ends in `/v1`.
    """

    http: aiohttp.ClientSession
    url: str

    async def scrape(self, path: str = "/metrics") -> str:
        url = self.url.removesuffix("/v1") + path
        async with self.http.get(url, allow_redirects=False) as response:
            assert response.status == 200
            return await response.text()

    async def samples(self, name: str, **labels: str) -> dict[tuple[str, ...], float]:
        """The values under that name which have these labels, by their other labels but `le`."""
        found = {}
        for family in text_string_to_metric_families(await self.scrape()):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    rest = sorted(sample.labels.keys() - labels.keys() - {"le"})
                    found[tuple(sample.labels[label] for label in rest)] = sample.value
        return found

    async def until(self, expected: dict[tuple[str, ...], float], name: str, **labels: str) -> None:
        """Waits for these: LiteLLM tells its loggers after the answer is out."""
        for _ in range(50):
            if (found := await self.samples(name, **labels)) == expected:
                return
            await asyncio.sleep(0.1)
        assert found == expected
