from collections.abc import Callable
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, text

from schema import datasets

Step = Callable[..., Any]  # a fixture that does one thing to the database


def create(engine: Engine, author: str = "Somebody", classes: Any = None) -> Any:
    with engine.begin() as connection:
        return datasets.create(
            connection, name="n\x00", description="d", classes=classes or {}, author=author
        )


def test_a_dataset_is_stored_with_its_classes_and_recordings(engine: Engine) -> None:
    mbids = [uuid4() for _ in range(3)]

    dataset = create(engine, classes={"a": mbids, "b": iter(mbids[:1])})

    with engine.connect() as connection:
        rows = connection.execute(
            text("""SELECT c.name, count(m.mbid) FROM dataset_class c
                      LEFT JOIN dataset_class_member m ON m.class = c.id
                     WHERE c.dataset = :d GROUP BY c.id ORDER BY c.id"""),
            {"d": dataset},
        ).all()
    assert rows == [("a", 3), ("b", 1)]


def test_a_recording_that_is_named_twice_in_a_class_is_in_it_once(
    engine: Engine, execute: Step
) -> None:
    mbid = uuid4()
    create(engine, classes={"a": [mbid, mbid]})

    assert execute("SELECT count(*) FROM dataset_class_member") == 1


def test_an_author_is_made_once_whatever_the_case_of_the_name(
    engine: Engine, execute: Step
) -> None:
    create(engine, author="Somebody")
    create(engine, author="SOMEBODY")

    assert execute('SELECT count(*) FROM "user"') == 1
    assert execute("SELECT count(DISTINCT author) FROM dataset") == 1


def test_a_dataset_of_ours_can_be_seen_on_the_web_page(engine: Engine, execute: Step) -> None:
    create(engine)

    assert execute("SELECT public FROM dataset")
