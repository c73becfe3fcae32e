"""The page of an evaluation: whole, harmless, and true to the report."""

import re
from collections.abc import Iterator
from copy import deepcopy
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostile_text import NASTY
from trainer.errors import DocumentError
from trainer.grid.project import Project
from trainer.report_page import report_page
from trainer.report_page.content import content_of
from trainer.training import train

MBID = "0c6d27b4-f520-585d-9bee-2d48fb01835d"
VOID = {"meta", "br", "wbr"}


class Structure(HTMLParser):
    """Checks that every element is closed where it has to be, and gathers attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def report(make_dataset: Any) -> Any:
    dataset = make_dataset(classes=3, size=12, lean=0.4)
    project = Project(("basic", "gaussianized"), c_exponents=(-3, 1), gamma_exponents=(-3, -5))
    return train(dataset, project, 1, jobs=1).report()


def test_it_says_what_the_report_says(report: Any) -> None:
    page = report_page(report)

    text = " ".join(Structure(page).text)
    assert f"{report['accuracy']:.1f} %" in text
    assert f"{report['corrected']['accuracy']['value']:.1f} %" in text
    assert all(finding["sentence"] in text for finding in report["findings"])
    assert all(name in text for name in report["classes"])


def test_it_needs_no_network_and_runs_no_script(report: Any) -> None:
    structure = Structure(report_page(report))

    assert not structure.tags & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert any("default-src 'none'" in (value or "") for _, value in structure.attributes)
    addresses = [value for name, value in structure.attributes if name in {"href", "src"}]
    assert all(str(value).startswith("https://musicbrainz.org/recording/") for value in addresses)


def test_the_chosen_combination_and_its_ties_are_marked(report: Any) -> None:
    page = content_of(report)
    cells = [cell for heat in page.heat_maps for _, row in heat.rows for cell in row]

    assert len(cells) == len(report["grid"])
    assert [cell.text for cell in cells if cell.kind == "winner"] == [f"{report['accuracy']:.1f}"]
    assert sum(cell.kind == "tie" for cell in cells) == page.ties - 1
    best = max(entry["accuracy"] for entry in report["grid"])
    assert page.ties == sum(entry["accuracy"] == best for entry in report["grid"])


def test_recordings_whose_label_is_doubted_most_come_first(report: Any) -> None:
    wrong = content_of(report).misclassified

    doubts = [one.probability_of_actual for one in wrong]
    assert doubts == sorted(doubts)
    assert len(wrong) == sum(map(str.__ne__, report["actual"], report["predicted"]))


def test_recordings_of_musicbrainz_are_linked_and_others_are_not() -> None:
    report = {
        "accuracy": 0.0,
        "recordings": [MBID, "javascript:alert(1)"],
        "actual": ["a", "a"],
        "predicted": ["b", "b"],
    }

    links = [one.link for one in content_of(report).misclassified]

    assert links == [f"https://musicbrainz.org/recording/{MBID}", None]


def test_failed_and_unfinished_combinations_are_told_apart(report: Any) -> None:
    changed = deepcopy(report)
    changed["grid"][0] |= {"accuracy": None, "error": "overflow"}
    changed["grid"][1] |= {"accuracy": 1.0, "converged": False}

    page = content_of(changed)

    kinds = [cell.kind for heat in page.heat_maps for _, row in heat.rows for cell in row]
    assert kinds.count("failed") == kinds.count("stopped") == 1
    assert ("search", "16 combinations, 1 failed, 1 did not converge") in page.facts


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_a_strangers_names_are_text_and_nothing_else(name: str) -> None:
    matrix = {name: {name: 3, "b": 1}, "b": {name: 1, "b": 2}}
    report = {
        "name": name,
        "accuracy": 60.0,
        "confusion_matrix": matrix,
        "per_class": {name: {"precision": 1.0, "support": 4}},
        "recordings": [name],
        "actual": [name],
        "predicted": ["b"],
        "notes": [name],
        "findings": [{"severity": "warning", "sentence": name, "recordings": [name]}],
        "left_out": {name: name},
        "removed": {"constant": [name]},
        "engine": name,
        "versions": {name: name},
        "grid": [
            {"preprocessing": name, "kernel": name, "C": 1, "gamma": 1, "accuracy": 60.0},
        ],
        "parameters": {"model": {"preprocessing": name, "kernel": name, "C": name, "gamma": 1}},
        "model": {"path": name, "sha256": name},
    }

    page = report_page(report)

    assert not Structure(page).tags & {"script", "img"}
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]", page
    )


def test_a_result_that_acousticbrainz_wrote_becomes_a_page_too() -> None:
    result = {
        "project_path": "/data/job",
        "parameters": {
            "model": {
                "preprocessing": "gaussianized",
                "kernel": "RBF",
                "C": 5,
                "gamma": -7,
                "balanceClasses": False,
            },
            "evaluation": {"type": "nfoldcrossvalidation", "nfold": 5},
        },
        "accuracy": 91.5,
        "confusion_matrix": {"a": {"a": 10, "b": 1}, "b": {"b": 9}},
        "history_path": "/data/job/x.history",
    }

    text = " ".join(Structure(report_page(result)).text)

    assert "91.5 %" in text
    assert "20 recordings in 2 classes" in text
    assert "gaussianized, RBF kernel, C = 2⁵, gamma = 2⁻⁷" in text


@pytest.mark.parametrize("report", [{}, {"accuracy": "high"}, {"confusion_matrix": []}])
def test_what_is_no_report_is_refused(report: Any) -> None:
    with pytest.raises(DocumentError, match="this is no report"):
        report_page(report)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from _paths(value[key], (*path, key))
    elif isinstance(value, list) and value:
        yield from _paths(value[0], (*path, 0))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from([10**400, -1, 1e308, "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(max_examples=150)
@given(data=st.data())
def test_whatever_is_odd_in_a_report_costs_its_part_of_the_page_only(
    report: Any, data: Any
) -> None:
    changed = deepcopy(report)
    *parents, last = data.draw(st.sampled_from([path for path in _paths(report) if path]))
    place = changed
    for step in parents:
        place = place[step]
    place[last] = data.draw(json_values)

    try:
        page = report_page(changed)
    except DocumentError:
        assert last in {"accuracy", "confusion_matrix"}
    else:
        assert Structure(page).tags >= {"h1", "section"}
        page.encode()


def test_hundreds_of_classes_and_thousands_of_mistakes_stay_a_page_of_a_megabyte() -> None:
    names = [f"class {number}" for number in range(400)]
    count = 20_000
    report = {
        "accuracy": 0.0,
        "confusion_matrix": {a: dict.fromkeys(names, 1) for a in names},
        "per_class": {name: {"precision": 1.0, "recall": 2.0, "f1": 3.0} for name in names},
        "recordings": [MBID] * count,
        "actual": ["class 1"] * count,
        "predicted": ["class 2"] * count,
        "grid": [
            {"preprocessing": "basic", "kernel": "rbf", "C": c, "gamma": g, "accuracy": 1.0}
            for c in range(50)
            for g in range(50)
        ]
        * 10,
    }

    assert len(report_page(report).encode()) < 1_000_000


@pytest.mark.parametrize("classes", [2, 10])
def test_a_default_search_is_a_page_of_less_than_a_megabyte(
    make_dataset: Any, classes: int
) -> None:
    report = train(make_dataset(classes=classes, size=10), Project(), 1, jobs=1).report()

    assert len(report_page(report).encode()) < 300_000


def test_answers_with_the_smaller_probability_are_explained_where_there_are_some() -> None:
    shown = {"accuracy": 50.0, "recordings": ["a"], "actual": ["x"], "predicted": ["y"]}
    said = "the class that was answered may have the smaller one"

    pages = [
        report_page({**shown, "probability": {"actual": [1 - value], "predicted": [value]}})
        for value in (0.4, 0.6)
    ]

    assert [page.count(said) for page in pages] == [1, 0]


def test_folds_have_the_numbers_of_the_report() -> None:
    wrong = {"recordings": ["a"], "actual": ["x"], "predicted": ["y"], "folds": [0]}

    text = " ".join(
        Structure(report_page({"accuracy": 50.0, "fold_accuracies": [90, 91], **wrong})).text
    )

    assert "fold 0" in text
    assert "fold 1" in text
    assert "fold 2" not in text


@pytest.mark.parametrize(
    ("corrected", "said"), [(78.0, "it is 2.0 points lower"), (80.1, "it is no lower")]
)
def test_the_page_says_by_how_much_the_choice_flatters_itself(corrected: float, said: str) -> None:
    estimate = {"value": corrected, "low": 70.0, "high": 90.0}
    point = {"preprocessing": "basic", "kernel": "rbf", "C": 1, "gamma": 1, "accuracy": 80.0}
    report = {
        "accuracy": 80.0,
        "grid": [point, {**point, "C": 3}],
        "corrected": {"accuracy": estimate, "balanced_accuracy": estimate},
    }

    page = report_page(report)

    assert said in page
    assert "optimistic" not in page


def test_one_recording_is_not_called_several() -> None:
    report = {
        "accuracy": 0.0,
        "confusion_matrix": {"a": {"b": 1}, "b": {}},
        "recordings": ["r"],
        "actual": ["a"],
        "predicted": ["b"],
        "findings": [{"severity": "note", "sentence": "Odd.", "recordings": ["r"]}],
        "left_out": {"s": "it is no JSON"},
        "removed": {"constant": ["x"]},
        "grid": [{"preprocessing": "basic", "kernel": "rbf", "C": 1, "gamma": 1, "accuracy": 0.0}],
    }

    text = " ".join(Structure(report_page(report)).text)

    assert "1 recording in 2 classes" in text
    assert "1 recording left out" in text
    assert "1 descriptor not used" in text
    assert not re.search(r"(?<![\d,.])1 (recordings|descriptors|combinations)\b", text)
