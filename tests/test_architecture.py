"""Imports go one way: worker to schema and trainer, which know neither each other nor worker."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What each package must not import, however deep inside a function the import stands.
FORBIDDEN = {
    "trainer": {
        *("schema", "worker", "migrations", "sqlalchemy", "psycopg2", "alembic"),
        *(
            "socket",
            "ssl",
            "http",
            "urllib",
            "requests",
        ),  # an earlier port predicted over the network
        "pickle",  # and an earlier one kept its models so: loading one ran what was in it
    },
    "schema": {"trainer", "worker", "sklearn", "joblib"},
    "migrations": {"trainer", "worker", "sklearn", "joblib"},
    "worker": {"tests", "sklearn"},
}

# The environment is taken once, at the entrance of the commands, and becomes Settings.
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb"}
ENTRANCE = Path("worker/commands/invocation.py")
READS_ENVIRONMENT = {ENTRANCE, Path("worker/settings.py")}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(), filename=str(path)))


def imports(path: Path) -> Iterator[str]:
    """Names of the modules that a module imports, relative ones spelled out."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield str(path.relative_to(ROOT).parts[0])
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def environment_reads(path: Path) -> list[int]:
    """Lines that name os.environ and its like, also where it was imported from os."""
    return [
        node.lineno
        for node in nodes(path)
        if (isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT)
        or (isinstance(node, ast.ImportFrom) and {name.name for name in node.names} & ENVIRONMENT)
    ]


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    found = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imports(path)
        if name.partition(".")[0] in FORBIDDEN[package]
    }

    assert modules(package), f"no modules in {package}"
    assert found == set()


def test_only_the_entrance_reads_the_environment() -> None:
    packages = [*FORBIDDEN, "examples"]
    readers = {
        path.relative_to(ROOT)
        for package in packages
        for path in modules(package)
        if environment_reads(path)
    }

    assert readers <= READS_ENVIRONMENT


def test_the_entrance_reads_the_environment_in_one_place() -> None:
    assert len(environment_reads(ROOT / ENTRANCE)) == 1
