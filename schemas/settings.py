"""The few settings, read from the environment once and refused loudly when wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from schemas.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things live and how many workers run."""

    home: Path
    """Broadsheet's own directory: embedded database, archive, Prefect's home (`BROADSHEET_HOME`)."""
    database_url: str | None
    """A server of one's own (`BROADSHEET_DATABASE_URL`); None means the embedded PostgreSQL."""
    schema: str
    """The Postgres schema that holds every table (`BROADSHEET_SCHEMA`)."""
    workers: int
    """Extraction processes (`BROADSHEET_WORKERS`); the number of cores unless told."""

    @property
    def archive(self) -> Path:
        return self.home / "archive"

    @property
    def spools(self) -> Path:
        """What is on its way to a bucket."""
        return self.home / "spool"

    @property
    def prefect_home(self) -> Path:
        return self.home / "prefect"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read every `BROADSHEET_…` variable.

        Raises:
            ConfigError: a value is not usable; the sentence names the variable.
        """
        home = environment.get("BROADSHEET_HOME") or platformdirs.user_data_dir("broadsheet")
        schema = environment.get("BROADSHEET_SCHEMA") or "broadsheet"
        if not re.fullmatch(r"(?!pg_)[a-z_][a-z0-9_]{0,62}", schema):
            raise ConfigError(
                f"BROADSHEET_SCHEMA is {schema!r}; use small letters, digits, underscores, no pg_ in front."
            )
        workers = environment.get("BROADSHEET_WORKERS") or str(_cores())
        if not workers.isdecimal() or not 1 <= int(workers) <= 256:
            raise ConfigError(f"BROADSHEET_WORKERS is {workers!r}; use a whole number from 1 to 256.")
        return cls(
            home=Path(home).expanduser().absolute(),
            database_url=environment.get("BROADSHEET_DATABASE_URL") or None,
            schema=schema,
            workers=int(workers),
        )


def _cores() -> int:
    """Cores this process may use, which in a container is fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
