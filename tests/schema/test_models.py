import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from schema import models
from schema.errors import NotFound, SchemaError
from schema.models import PublishedModel, Status

Execute = Callable[..., Any]
Publish = Callable[..., tuple[PublishedModel, list[str]]]


def publish_on(connection: Connection, **changes: Any) -> tuple[PublishedModel, list[str]]:
    given = {
        "name": "mood",
        "version": "v1",
        "status": Status.HIDDEN,
        "sha256": "a" * 64,
        "content": "c" * 64,
        "path": "published/aa/a.model",
        "classes": ("happy", "not_happy"),
        "class_mapping": None,
        "provenance": {"origin": {"file": "a"}},
    }
    return models.publish(connection, **{**given, **changes})


@pytest.fixture
def publish(engine: Engine) -> Publish:
    def publish(**changes: Any) -> tuple[PublishedModel, list[str]]:
        with engine.begin() as connection:
            return publish_on(connection, **changes)

    return publish


@pytest.fixture
def statuses(engine: Engine) -> Callable[[], dict[str, str]]:
    def statuses() -> dict[str, str]:
        with engine.connect() as connection:
            return {
                f"{one.name} {one.version}": one.status for one in models.list_published(connection)
            }

    return statuses


def test_a_published_model_has_its_row_in_acousticbrainz_table(
    publish: Publish, execute: Execute
) -> None:
    made, taken_down = publish(status=Status.SHOW)

    assert taken_down == []
    assert execute("SELECT id FROM model WHERE model = 'mood' AND model_version = 'v1'") == made.id
    assert execute("SELECT status::text FROM model") == "show"


def test_publishing_again_changes_nothing(publish: Publish, execute: Execute) -> None:
    first, _ = publish(status=Status.SHOW)
    again, _ = publish(status=Status.SHOW)

    assert again == first
    assert execute("SELECT count(*) FROM model") == 1


def test_publishing_again_can_change_who_sees_it(publish: Publish) -> None:
    first, _ = publish()
    shown, _ = publish(status=Status.SHOW)

    assert (first.status, shown.status, shown.id) == ("hidden", "show", first.id)


def test_the_same_version_is_never_another_model(publish: Publish) -> None:
    publish()

    with pytest.raises(SchemaError, match="mood v1 is published already, and is another model"):
        publish(sha256="b" * 64, content="d" * 64)


def test_the_same_version_may_be_another_file_of_the_same_model(publish: Publish) -> None:
    publish()

    again, _ = publish(sha256="b" * 64, path="published/bb/b.model")

    assert (again.sha256, again.path) == ("b" * 64, "published/bb/b.model")


def test_of_a_model_without_known_content_the_file_decides(
    publish: Publish, execute: Execute
) -> None:
    publish()
    execute("UPDATE worker.models SET content = NULL")

    with pytest.raises(SchemaError, match="and is another file"):
        publish(sha256="b" * 64)
    assert publish()[0].content == "c" * 64


def test_a_shown_version_takes_the_others_down(publish: Publish, statuses: Any) -> None:
    publish(version="v1", status=Status.SHOW)
    publish(version="v2", status=Status.EVALUATION, sha256="b" * 64)

    _, taken_down = publish(version="v3", status=Status.SHOW, sha256="c" * 64)

    assert taken_down == ["v1"]
    assert statuses() == {"mood v3": "show", "mood v2": "evaluation", "mood v1": "hidden"}


def test_a_shown_version_takes_acousticbrainz_own_down(publish: Publish, execute: Execute) -> None:
    execute("INSERT INTO model (model, model_version, status) VALUES ('mood', 'old', 'show')")

    _, taken_down = publish(status=Status.SHOW)

    assert taken_down == ["old"]
    assert execute("SELECT count(*) FROM model WHERE status = 'show'") == 1


def test_other_names_stay_shown(publish: Publish, statuses: Any) -> None:
    publish(name="gender", status=Status.SHOW)
    publish(status=Status.SHOW)

    assert set(statuses().values()) == {"show"}


def test_a_row_that_acousticbrainz_has_is_used(publish: Publish, execute: Execute) -> None:
    there = execute("INSERT INTO model (model, model_version) VALUES ('mood', 'v1') RETURNING id")

    made, _ = publish()

    assert made.id == there


def test_who_sees_a_model_is_what_acousticbrainz_says(
    publish: Publish, execute: Execute, statuses: Any
) -> None:
    publish()

    execute("UPDATE model SET status = 'evaluation'")

    assert statuses() == {"mood v1": "evaluation"}


@pytest.mark.parametrize(
    ("there", "given", "expected"),
    [
        (None, None, {"happy": "Happy", "not_happy": "Not happy"}),
        ({"happy": "Glad", "not_happy": "Sad"}, None, {"happy": "Glad", "not_happy": "Sad"}),
        ({"happy": "Glad"}, None, {"happy": "Happy", "not_happy": "Not happy"}),
        (
            {"happy": "Glad", "not_happy": "Sad"},
            {"happy": "1", "not_happy": "2"},
            {"happy": "1", "not_happy": "2"},
        ),
    ],
)
def test_every_class_has_a_name_that_people_read(
    publish: Publish, execute: Execute, there: Any, given: Any, expected: Any
) -> None:
    execute(
        "INSERT INTO model (model, model_version, class_mapping)"
        " VALUES ('mood', 'v1', CAST(:m AS jsonb))",
        m=None if there is None else json.dumps(there),
    )

    made, _ = publish(class_mapping=given)

    assert made.class_mapping == expected


def test_a_retired_model_is_not_shown_and_not_computed(
    engine: Engine, publish: Publish, execute: Execute
) -> None:
    publish(status=Status.SHOW)

    with engine.begin() as connection:
        retired = models.retire(connection, name="mood")
        assert models.published_files(connection) == []

    assert retired.status == "retired"
    assert execute("SELECT status::text FROM model") == "hidden"


def test_publishing_takes_a_retired_model_back(
    engine: Engine, publish: Publish, statuses: Any
) -> None:
    publish(status=Status.SHOW)
    with engine.begin() as connection:
        models.retire(connection, name="mood")

    publish(status=Status.SHOW)

    assert statuses() == {"mood v1": "show"}


def test_retiring_twice_is_retiring_once(engine: Engine, publish: Publish) -> None:
    publish()

    with engine.begin() as connection:
        first = models.retire(connection, name="mood")
    with engine.begin() as connection:
        assert models.retire(connection, name="mood", version="v1") == first


def test_of_several_versions_one_has_to_be_named(engine: Engine, publish: Publish) -> None:
    publish()
    publish(version="v2", sha256="b" * 64)

    with engine.begin() as connection:
        with pytest.raises(SchemaError, match=r"Several versions of mood .* mood:v2, mood:v1"):
            models.retire(connection, name="mood")
        with pytest.raises(NotFound, match="No model gender is published"):
            models.retire(connection, name="gender")
        assert models.retire(connection, name="mood", version="v1").version == "v1"


def test_two_who_publish_at_once_leave_one_shown(
    engine: Engine, execute: Execute, wait_for_blocked: Callable[[], None]
) -> None:
    with engine.connect() as first, ThreadPoolExecutor(1) as thread:
        publish_on(first, version="v1", status=Status.SHOW)

        def second() -> list[str]:
            with engine.begin() as connection:
                given = {"version": "v2", "sha256": "b" * 64, "status": Status.SHOW}
                return publish_on(connection, **given)[1]

        waiting = thread.submit(second)
        wait_for_blocked()
        first.commit()
        assert waiting.result(5) == ["v1"]

    assert execute("SELECT model_version FROM model WHERE status = 'show'") == "v2"


def test_two_who_publish_the_same_at_once_make_one_row(
    engine: Engine, execute: Execute, wait_for_blocked: Callable[[], None]
) -> None:
    with engine.connect() as first, ThreadPoolExecutor(1) as thread:
        publish_on(first)

        def second() -> int:
            with engine.begin() as connection:
                return publish_on(connection)[0].id

        waiting = thread.submit(second)
        wait_for_blocked()
        first.commit()
        waiting.result(5)

    assert execute("SELECT count(*) FROM model") == 1


def test_a_row_that_is_computed_cannot_vanish(publish: Publish, execute: Execute) -> None:
    publish()

    with pytest.raises(IntegrityError):
        execute("DELETE FROM model")


def register(engine: Engine, **changes: Any) -> PublishedModel:
    given = {
        "name": "mood",
        "version": "v1",
        "sha256": "a" * 64,
        "content": "c" * 64,
        "classes": ("happy", "not_happy"),
        "provenance": {"origin": {"profile": "p.yaml"}},
    }
    with engine.begin() as connection:
        return models.register(connection, **{**given, **changes})


def test_a_model_of_a_profile_gets_one_hidden_row(engine: Engine, statuses: Any) -> None:
    made = [register(engine) for _ in range(2)]

    assert made[0] == made[1]
    assert made[0].path is None
    assert statuses() == {"mood v1": "hidden"}


def test_a_profile_changes_nothing_of_a_model_that_is_published(
    engine: Engine, publish: Publish
) -> None:
    published, _ = publish(status=Status.SHOW)

    assert register(engine, sha256="b" * 64) == published


def test_a_profile_cannot_mix_another_model_into_a_version(
    engine: Engine, publish: Publish, execute: Execute
) -> None:
    publish()

    with pytest.raises(SchemaError, match=f"mood v1 .*{'c' * 64}, this one's {'d' * 64}"):
        register(engine, content="d" * 64)
    register(engine, version="v2", content="d" * 64)
    with pytest.raises(SchemaError, match="mood v2 is published already, and is another model"):
        publish(version="v2")

    assert execute("SELECT count(*) FROM model") == 2


def test_publishing_a_model_that_a_profile_listed_gives_all_workers_its_file(
    engine: Engine, publish: Publish
) -> None:
    listed = register(engine)

    published, _ = publish(status=Status.SHOW)

    assert (published.id, published.status) == (listed.id, "show")
    assert published.path == "published/aa/a.model"
    assert published.provenance == {"origin": {"file": "a"}}
