"""Documents of hostile names and values: the high-level worker and what its commands show."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.highlevel.mirror import CLASSES, Mirror
from tests.highlevel.mirror import document as made
from tests.hostile_text import NASTY, acting
from worker.commands import main

Work = Callable[..., int]


def acoustic(mirror: Mirror, *arguments: object) -> Result:
    return CliRunner().invoke(main, [str(part) for part in arguments], env=mirror.environment())


def test_they_act_on_no_terminal_and_no_log(
    mirror: Mirror, work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.publish_all()
    sound, broken = [], []
    for text in NASTY.values():
        document: Any = made(mirror.randomness, 1.0)
        document["metadata"]["tags"] = {text: [text], "title": [text]}
        document["tonal"]["key_scale"] = text
        sound.append(document)
        broken.append({"lowlevel": {text: {text: [1, "x", text]}}, "metadata": {text: text}})
    good, bad = mirror.store(sound), mirror.store(broken)
    before = capsys.readouterr()

    assert work() == 0

    logged = capsys.readouterr()
    assert acting(before.err + logged.err + logged.out) == set()
    assert all(json.loads(line) for line in logged.err.splitlines())
    assert mirror.counts() == {**dict.fromkeys(good, len(CLASSES)), **dict.fromkeys(bad, 0)}

    failed = acoustic(mirror, "highlevel", "failed")
    results = [failed, acoustic(mirror, "highlevel", "failed", "--json")]
    for mbid in mirror.rows("SELECT gid FROM lowlevel ORDER BY id LIMIT 3"):
        results += [acoustic(mirror, "highlevel", "show", mbid.gid)]
        results += [acoustic(mirror, "highlevel", "show", mbid.gid, "--json")]
    assert [result.exit_code for result in results] == [0] * 8
    assert acting("".join(result.output for result in results)) == set()
    assert len(failed.output.splitlines()) >= len(bad) + 2


def test_what_its_document_says_comes_back_in_metadata_as_it_was(
    mirror: Mirror, work: Work
) -> None:
    mirror.publish_all()
    document: Any = made(mirror.randomness, 1.0)
    document["metadata"]["tags"] = {text: [text] for text in NASTY.values()}
    [identifier] = mirror.store([document])

    work()

    served = mirror.served(identifier)
    assert served is not None
    assert served["metadata"]["tags"] == document["metadata"]["tags"]
