"""To MLflow: one run in a tracking server or database."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from onward.core import MissingExtra, Unavailable, masked
from onward.monitoring.tracker import Measurement

from ._points import points

if TYPE_CHECKING:
    from mlflow import MlflowClient

METRICS: Final = 1_000
PARAMS: Final = 100
LONGEST_PARAM: Final = 6_000
LONGEST_TAG: Final = 5_000
"""MLflow's own limits: for one request, and for one value."""
KEY: Final = "onward.run"


class MLflowSink:
    """Writes to one MLflow run: measurements as metrics (see `points` for their names), configurations as params.

    MLflow keeps the first value of a param for good: where one changes later, the new value is a tag of the same name.
    Long values are cut at 6,000 characters. The run is made, and the server first asked, when there is something to
    write, so that a server that is down holds nobody up. MLflow's own usage telemetry is switched off, unless
    `MLFLOW_DISABLE_TELEMETRY` says otherwise.

    Args:
        tracking_uri: of a server (`http://...`) or a database (`sqlite:///mlflow.db`).
        experiment: in which experiment; made where there is none.
        run: name of the run.
        resume: go on with the run that a sink made under this name in this experiment before, where there is one.

    Raises:
        MissingExtra: MLflow is not installed.
    """

    def __init__(
        self, tracking_uri: str, *, experiment: str = "onward", run: str = "learning", resume: bool = False
    ) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is imported
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise MissingExtra("mlflow", "mlflow") from error
        self._uri, self._experiment, self._name, self._resume = tracking_uri, experiment, run, resume
        self._make_client = MlflowClient
        self._connected: tuple[MlflowClient, str] | None = None
        self._params: dict[str, str] = {}

    @property
    def run_id(self) -> str:
        """MLflow's id of the run, which is made where there is none yet.

        Raises:
            Unavailable: MLflow cannot be reached, or refuses.
        """
        with self._asking():
            return self._run()[1]

    def write(self, measurements: Sequence[Measurement]) -> None:
        """Log metrics, a thousand in a request.

        Raises:
            Unavailable: MLflow cannot be reached, or refuses.
        """
        from mlflow.entities import Metric

        found = [
            Metric(point.name, point.value, round(point.time * 1000), point.step)
            for one in measurements
            for point in points(one)
        ]
        with self._asking():
            client, run = self._run()
            for start in range(0, len(found), METRICS):
                client.log_batch(run, metrics=found[start : start + METRICS])

    def configure(self, values: Mapping[str, str]) -> None:
        """Log params; those that changed become tags.

        Raises:
            Unavailable: MLflow cannot be reached, or refuses.
        """
        from mlflow.entities import Param, RunTag

        with self._asking():
            client, run = self._run()
            cut = {name: text[:LONGEST_PARAM] for name, text in values.items()}
            new = [Param(name, text) for name, text in cut.items() if name not in self._params]
            changed = [
                RunTag(name, text[:LONGEST_TAG]) for name, text in cut.items() if self._params.get(name, text) != text
            ]
            for start in range(0, max(len(new), len(changed)), PARAMS):
                some = slice(start, start + PARAMS)
                client.log_batch(run, params=new[some], tags=changed[some])
            self._params |= cut

    def flush(self) -> None:
        """Nothing is left to do: what was written was answered."""

    def close(self) -> None:
        """End the run.

        Raises:
            Unavailable: MLflow cannot be reached.
        """
        if self._connected is not None:
            client, run = self._connected
            with self._asking():
                client.set_terminated(run)

    def _run(self) -> tuple[MlflowClient, str]:
        if self._connected is None:
            client = self._make_client(tracking_uri=self._uri)
            found = client.get_experiment_by_name(self._experiment)
            experiment = client.create_experiment(self._experiment) if found is None else found.experiment_id
            self._connected = client, self._former(client, experiment) or self._new(client, experiment)
        return self._connected

    def _former(self, client: MlflowClient, experiment: str) -> str | None:
        """The run of this name, opened again."""
        if not self._resume:
            return None
        for run in client.search_runs([experiment], f"tags.`{KEY}` = '{self._key}'", max_results=1):
            self._params = dict(run.data.params)
            client.update_run(run.info.run_id, status="RUNNING")
            return str(run.info.run_id)
        return None

    def _new(self, client: MlflowClient, experiment: str) -> str:
        run = client.create_run(experiment, run_name=self._name, tags={KEY: self._key})
        return str(run.info.run_id)

    @property
    def _key(self) -> str:
        """What stands for the name in a search, whatever characters are in the name."""
        return sha256(self._name.encode("utf8", "surrogatepass")).hexdigest()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            what = f"MLflow at {masked(self._uri)} did not take it."
            raise Unavailable(what, why=f"{masked(str(error))}", mend="See whether it is up.") from error
