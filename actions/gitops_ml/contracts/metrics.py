"""reports/metrics.json: each metric on the test rows with its interval, numbers only, so that `dvc metrics diff` reads it."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from gitops_ml.contracts.base import Contract


class Metric(Contract):
    """An estimate and its interval; null where the test rows do not allow one (unknown is not zero)."""

    value: float | None = Field(description="The estimate")
    low: float | None = Field(description="Lower end of the interval")
    high: float | None = Field(description="Upper end of the interval")


class Metrics(Contract):
    """reports/metrics.json: ``n`` test rows, then one entry per metric under the metric's name."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Metric] = Field(init=False)

    n: int = Field(ge=1, description="Test rows")

    @property
    def values(self) -> dict[str, Metric]:
        """Metric by name, in the file's order."""
        return dict(self.__pydantic_extra__)
