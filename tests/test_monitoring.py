"""Alert rules, dashboard and list of metrics agree with what the daemons tell."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from worker.metrics import DaemonMetrics, EvaluatorMetrics, HighLevelMetrics

DOCS = Path(__file__).parents[1] / "docs"
MONITORING = Path(__file__).parents[1] / "monitoring"
RULES = yaml.safe_load((MONITORING / "rules.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((MONITORING / "grafana" / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
HISTOGRAM_ENDINGS = ("_bucket", "_count", "_sum")


def told(metrics: DaemonMetrics) -> dict[str, str]:
    """Give the type of each metric of ours by the name under which it is queried."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): family.type
        for family in metrics.registry.collect()
        if family.name.startswith("acoustic_")
    }


KNOWN = told(EvaluatorMetrics()) | told(HighLevelMetrics())


def named(text: str) -> set[str]:
    return set(re.findall(r"\bacoustic_[a-z_]+", text))


def metric(name: str) -> str:
    """The metric that a series belongs to."""
    for ending in HISTOGRAM_ENDINGS:
        if KNOWN.get(name.removesuffix(ending)) == "histogram":
            return name.removesuffix(ending)
    return name


def labels(metrics: DaemonMetrics) -> dict[str, set[str]]:
    """The labels that the series of each metric have."""
    return {
        sample.name: set(sample.labels)
        for family in metrics.registry.collect()
        for sample in family.samples
    }


@pytest.mark.parametrize("query", [*(rule["expr"] for rule in RULES), *QUERIES])
def test_every_metric_of_a_rule_or_a_panel_exists(query: str) -> None:
    assert {metric(name) for name in named(query)} <= set(KNOWN)


@pytest.mark.parametrize("query", [*(rule["expr"] for rule in RULES), *QUERIES])
def test_every_label_that_is_chosen_by_exists(query: str) -> None:
    metrics = EvaluatorMetrics(), HighLevelMetrics()
    for one in metrics:
        one.introduce("worker", lambda: 0.0)
    known = labels(metrics[0]) | labels(metrics[1])
    for name, chosen in re.findall(r"\b(acoustic_[a-z_]+)\{(.*?)\}", query):
        wanted = set(re.findall(r"(\w+)\s*=", chosen))
        found = known.get(name) or known.get(metric(name)) or {"le", "outcome"}
        assert wanted <= found


def test_every_metric_is_documented_and_no_other() -> None:
    written = (MONITORING / "README.md").read_text()

    assert set(re.findall(r"^\| `(acoustic_\w+)` \|", written, re.MULTILINE)) == set(KNOWN)


def test_every_metric_is_on_the_dashboard() -> None:
    assert {metric(name) for query in QUERIES for name in named(query)} == set(KNOWN)


def test_panels_neither_overlap_nor_share_a_number() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not own & cells
        cells |= own

    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"].keys() == {"summary", "action"}


def test_every_alert_has_a_time_at_which_it_fires() -> None:
    tests = [
        one
        for file in ("rules_test.yml", "rules_days_test.yml")
        for one in yaml.safe_load((MONITORING / file).read_text())["tests"]
    ]

    assert {rule["alert"] for rule in RULES} <= {one["name"] for one in tests}
    assert f"{len(RULES)} alerts" in (MONITORING / "README.md").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "rules.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "rules_test.yml", "rules_days_test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_accepts(arguments: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")

    done = subprocess.run(
        [promtool, *arguments], cwd=MONITORING, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_query_is_one_that_prometheus_reads(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    rules = [
        # Grafana puts a time in place of its variable.
        {"record": f"panel:{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate(QUERIES)
    ]
    (tmp_path / "rules.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]})
    )

    done = subprocess.run(
        [promtool, "check", "rules", "rules.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def page() -> Any:
    """What the how-to guide shows in place of each of its directives."""
    sys.path.insert(0, str(DOCS))
    try:
        from_code = importlib.import_module("from_code")
    finally:
        sys.path.remove(str(DOCS))
    written = (DOCS / "how-to" / "monitor.md").read_text()
    asked = re.findall(r"^```\{from-code\} (\w+)$", written, re.MULTILINE)
    return {name: from_code.SOURCES[name]() for name in asked}


def test_the_guide_has_a_row_for_every_metric_with_type_and_labels(page: Any) -> None:
    rows = re.findall(
        r"^\| `(acoustic_\w+)` \| (\w+) \| (.*?) \| (.+?) \| ", page["metrics"], re.MULTILINE
    )

    assert {name: kind for name, kind, _, _ in rows} == KNOWN
    shown = {name: set(re.findall(r"`(\w+)`", chosen)) for name, _, chosen, _ in rows}
    assert shown["acoustic_evaluation_attempts_total"] == {"outcome", "status"}
    assert shown["acoustic_evaluation_attempt_seconds"] == {"outcome"}
    assert shown["acoustic_worker_info"] == {"kind", "worker", "version"}


def test_the_guide_has_every_alert_with_its_severity_and_remedy(page: Any) -> None:
    for rule in RULES:
        told = page["alerts"].split(f"`{rule['alert']}`\n: *")[1].split("\n\n")[0]
        assert told.startswith(rule["labels"]["severity"])
        assert rule["annotations"]["action"] in told
    assert "{{" not in page["alerts"]


def test_the_guide_names_every_panel(page: Any) -> None:
    assert all(panel["title"] in page["dashboard"] for panel in DASHBOARD["panels"])


def test_the_configuration_in_the_guide_is_one_that_prometheus_reads(tmp_path: Path) -> None:
    written = (DOCS / "how-to" / "monitor.md").read_text()
    (config,) = re.findall(r"```yaml\n(.*?)```", written, re.DOTALL)
    (job,) = yaml.safe_load(config)["scrape_configs"]
    promtool = shutil.which("promtool")

    assert f'up{{job="{job["job_name"]}"}}' in RULES[0]["expr"]
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    (tmp_path / "prometheus.yml").write_text(config)
    (tmp_path / "rules.yml").write_text((MONITORING / "rules.yml").read_text())
    command = [promtool, "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
