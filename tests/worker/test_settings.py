from pathlib import Path

import pytest

from worker.settings import Settings, SettingsError

URL = "postgresql://ann:secret@db.example/acoustic"


def read(**environment: str) -> Settings:
    return Settings.from_environment({"DATABASE_URL": URL, **environment})


def problems(**environment: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        read(**environment)
    return caught.value.problems


def test_only_the_database_has_to_be_set() -> None:
    settings = read()

    assert settings.lease_seconds == 60
    assert settings.poll_seconds == 5
    assert settings.drain_seconds == 20
    assert settings.max_attempts == 3
    assert settings.engine == "auto"
    assert settings.jobs is None
    assert settings.metrics_port is None
    assert settings.keep_lowlevel is False
    assert settings.model_dir == Path("models").absolute()


def test_a_lease_is_renewed_four_times_in_its_length() -> None:
    assert read().renewal_seconds == 15


def test_an_empty_value_counts_as_not_set() -> None:
    settings = read(ACOUSTIC_JOBS="", ACOUSTIC_LEASE_SECONDS=" ")

    assert settings.jobs is None
    assert settings.lease_seconds == 60


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(
            {"ACOUSTIC_JOBS": "many", "ACOUSTIC_LEASE_SECONDS": "nan", "ACOUSTIC_ENGINE": "fast"}
        )

    assert len(caught.value.problems) == 4
    assert str(caught.value) == "\n".join(caught.value.problems)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ACOUSTIC_JOBS", "0", "ACOUSTIC_JOBS is '0' and has to be a whole number from 1 to 1024."),
        ("ACOUSTIC_LEASE_SECONDS", "0.5", "a number of seconds from 1 to 86400"),
        ("ACOUSTIC_POLL_SECONDS", "inf", "a number of seconds from 0.05 to 3600"),
        ("ACOUSTIC_DRAIN_SECONDS", "-1", "a number of seconds from 0 to 86400"),
        ("ACOUSTIC_MAX_ATTEMPTS", "3.0", "a whole number from 1 to 100"),
        ("ACOUSTIC_METRICS_PORT", "99999", "a whole number from 1 to 65535"),
        ("ACOUSTIC_LOG_FORMAT", "xml", "one of console, json"),
        ("ACOUSTIC_KEEP_LOWLEVEL", "perhaps", "one of 1, true, yes, on, 0, false, no, off"),
    ],
)
def test_a_bad_value_is_told_with_what_would_be_good(name: str, value: str, expected: str) -> None:
    (problem,) = problems(**{name: value})

    assert expected in problem


def test_a_misspelt_name_is_told_with_the_right_one() -> None:
    assert problems(ACOUSTIC_LEASE_SECOND="5", ACOUSTIC_MODELS_DIR="/m") == (
        "ACOUSTIC_LEASE_SECOND is not a setting; did you mean ACOUSTIC_LEASE_SECONDS?",
        "ACOUSTIC_MODELS_DIR is not a setting; did you mean ACOUSTIC_MODEL_DIR?",
    )


def test_a_name_that_is_like_none_of_ours_is_kept_for_a_warning() -> None:
    assert read(ACOUSTIC_PORT_80_TCP="tcp://10.0.0.1:80").unknown == ("ACOUSTIC_PORT_80_TCP",)


@pytest.mark.parametrize("url", ["mysql://ann:secret@db/x", "ann:secret@db", "://secret"])
def test_a_bad_database_url_is_not_repeated(url: str) -> None:
    (problem,) = problems(DATABASE_URL=url)

    assert "secret" not in problem
    assert "postgresql://user@host/database" in problem


@pytest.mark.parametrize("url", [URL, "postgres://ann@db.example/acoustic?password=secret"])
def test_no_password_is_shown_when_settings_are_printed(url: str) -> None:
    settings = read(DATABASE_URL=url)

    assert "secret" not in repr(settings)
    assert "db.example" in repr(settings)
    assert str(settings.database_url) == url
