"""Settings come from the environment and are refused loudly."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect.settings import Settings as PrefectSettings

from flows.environment import prepare_prefect
from schemas.errors import ConfigError
from schemas.settings import Settings


def test_every_setting_has_a_default(tmp_path: Path) -> None:
    settings = Settings.from_environment({})
    assert settings.home.is_absolute()
    assert settings.database_url is None
    assert settings.schema == "broadsheet"
    assert settings.workers >= 1


def test_settings_are_read(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {
            "BROADSHEET_HOME": str(tmp_path),
            "BROADSHEET_DATABASE_URL": "postgresql://db.example/news",
            "BROADSHEET_SCHEMA": "news_2",
            "BROADSHEET_WORKERS": "3",
        }
    )
    assert settings == Settings(tmp_path, "postgresql://db.example/news", "news_2", 3)
    assert settings.archive.parent == settings.prefect_home.parent == tmp_path


def test_an_empty_value_is_no_value() -> None:
    names = ["BROADSHEET_HOME", "BROADSHEET_DATABASE_URL", "BROADSHEET_SCHEMA", "BROADSHEET_WORKERS"]
    assert Settings.from_environment(dict.fromkeys(names, "")) == Settings.from_environment({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BROADSHEET_WORKERS", "0"),
        ("BROADSHEET_WORKERS", "-1"),
        ("BROADSHEET_WORKERS", "257"),
        ("BROADSHEET_WORKERS", "two"),
        ("BROADSHEET_WORKERS", "²"),
        ("BROADSHEET_SCHEMA", "News"),
        ("BROADSHEET_SCHEMA", "news; drop table pages"),
        ("BROADSHEET_SCHEMA", "2news"),
        ("BROADSHEET_SCHEMA", "pg_news"),
        ("BROADSHEET_SCHEMA", "n" * 64),
        ("BROADSHEET_SCHEMA", "news\n"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Settings.from_environment({name: value})


def test_runs_of_the_command_line_send_no_heartbeats_unless_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for asked, expected in ({}, None), ({"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "60"}, 60):
        environment = {"PREFECT_API_URL": "http://127.0.0.1:1/api", "BROADSHEET_HOME": str(tmp_path), **asked}
        prepare_prefect(Settings.from_environment(environment), environment)
        with monkeypatch.context() as patched:
            for name, value in environment.items():
                patched.setenv(name, value)
            assert PrefectSettings().flows.heartbeat_frequency == expected
