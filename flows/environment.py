"""Which Prefect a run reports to, settled in the environment before Prefect is imported."""

from __future__ import annotations

import os
import tomllib
from collections.abc import MutableMapping
from pathlib import Path

from schemas.errors import ConfigError
from schemas.settings import Settings

_EPHEMERAL = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # Without batches the recorder writes event by event, and is torn off in the middle when a run ends.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "200",
}

_QUIET = {
    # Records go to the server; the terminal belongs to the command line.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_HANDLERS_DEBUG_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "broadsheet",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}

_NO_HEARTBEATS = {"PREFECT_FLOWS": '{"heartbeat_frequency": null}'}
"""Prefect waits up to a second for them to end. Of a run whose process is gone the next run tells it."""
_HEARTBEATS = ("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "PREFECT_RUNNER_HEARTBEAT_FREQUENCY")


def prepare_prefect(settings: Settings, environment: MutableMapping[str, str] = os.environ) -> bool:
    """Make the command line's runs report to the user's Prefect server, else to one of their own.

    With an API in the environment or in the active profile that server is used, and True returned. Else
    the ephemeral server runs in `settings.prefect_home`, never in the user's. What the environment sets
    already is left alone.

    Raises:
        ConfigError: the home cannot be made.
    """
    chosen = has_api(environment)
    defaults = dict(_QUIET)
    if not any(name in environment for name in _HEARTBEATS):
        defaults |= _NO_HEARTBEATS
    if not chosen:
        try:
            settings.prefect_home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"Prefect's home {settings.prefect_home} cannot be made: {error.strerror}."
            ) from error
        environment["PREFECT_HOME"] = str(settings.prefect_home)
        environment.pop("PREFECT_PROFILE", None)
        environment.pop("PREFECT_PROFILES_PATH", None)
        defaults |= _EPHEMERAL
    for name, value in defaults.items():
        environment.setdefault(name, value)
    return chosen


def has_api(environment: MutableMapping[str, str]) -> bool:
    """True when the environment or the active Prefect profile names an API."""
    if environment.get("PREFECT_API_URL"):
        return True
    home = Path(environment.get("PREFECT_HOME") or "~/.prefect").expanduser()
    path = Path(environment.get("PREFECT_PROFILES_PATH") or home / "profiles.toml").expanduser()
    try:
        profiles = tomllib.loads(path.read_text("utf-8"))
        active = environment.get("PREFECT_PROFILE") or profiles.get("active")
        return bool(profiles.get("profiles", {}).get(active, {}).get("PREFECT_API_URL"))
    except (OSError, ValueError, AttributeError):
        return False  # none, or none that Prefect itself could use
