"""Reading ``/metrics`` as Prometheus does."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.support.service_server import ServiceServer


class Figures:
    """One answer of ``/metrics``.

    Raises:
        ValueError: it is not in Prometheus's text format.
        AssertionError: a series appears twice.
    """

    def __init__(self, text: str) -> None:
        families = list(text_string_to_metric_families(text))
        self.samples: list[Sample] = [each for family in families for each in family.samples]
        series = [(each.name, tuple(sorted(each.labels.items()))) for each in self.samples]
        assert len(series) == len(set(series)), "a series appears twice"

    @classmethod
    def of(cls, server: ServiceServer) -> Figures:
        """Scrape ``server``."""
        response = server.get("/metrics")
        assert response.status_code == 200, response.text
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        return cls(response.text)

    @property
    def names(self) -> set[str]:
        """The names of all samples, as used in queries."""
        return {each.name for each in self.samples}

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the series of that name that have these labels.

        Raises:
            AssertionError: there is none.
        """
        found = [
            each.value
            for each in self.samples
            if each.name == f"restaurant_{name}" and labels.items() <= each.labels.items()
        ]
        assert found, f"no series {name} {labels}"
        return sum(found)
