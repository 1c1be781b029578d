"""The flow `maintain`: the upkeep of the database, for a schedule."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.parameters import KeepSightings, run_name
from schemas.settings import Settings
from tasks.postgres.database import open_database
from tasks.steps import maintain_step, settle_step


@flow(name="maintain", flow_run_name=run_name)
def maintain(keep_sightings: KeepSightings = None) -> State[None]:
    """Settle what a run left behind, make room for the sightings to come, drop those that are too old.

    By default nothing is dropped. Sums by day, source and list stay in any case.
    """
    with open_database(Settings.from_environment()) as engine:
        settle_step(engine)
        return Completed(message=maintain_step(engine, keep_sightings).sentence)
