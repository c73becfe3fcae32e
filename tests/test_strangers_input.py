"""What no module may do with text that somebody else wrote: run it, or make a statement of it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("trainer", "schema", "worker", "migrations", "examples")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

# Each takes a statement as its first argument.
RUN_STATEMENTS = {
    *("text", "execute", "executemany", "exec_driver_sql", "scalar", "scalars", "literal_column"),
    *("DDL", "mogrify", "copy_expert", "_run"),
}

# Where a statement is put together of something else than constants, and of what.
OF_OUR_OWN = {
    # Postgres takes no parameter there; the channel is a constant of `schema`.
    ("worker/database_link.py", "LISTEN {}"),
    # The demo shows what it runs, as a person types it; the id is one that the database gave.
    ("worker/commands/demonstration.py", "SELECT worker.enqueue_evaluation('{}'"),
    # One list of jobs and one count, for which they differ in which; each part is a constant.
    ("schema/evaluation_jobs/operating.py", "LISTED.format(which="),
    ("schema/evaluation_jobs/operating.py", "COUNTED.format(which="),
    ("schema/evaluation_jobs/operating.py", "NAMED.format(which="),
    # Benchmarks name databases, tables and columns of their own.
    ("worker/bench/claim.py", "CREATE DATABASE {}"),
    ("worker/bench/highlevel.py", "INSERT INTO alternative.{} ({}) VALUES ({})"),
}

# Loading one of these runs what is in it, or YAML with tags, or a command of a shell.
RUN_WHAT_THEY_READ = {
    *("pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "code", "codeop"),
    *("eval", "exec", "compile", "__import__"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "yaml.Loader"),
    *("yaml.UnsafeLoader", "yaml.FullLoader", "yaml.CLoader", "yaml.compose", "yaml.safe_load"),
    *("joblib.load", "numpy.load", "np.load", "os.system", "os.popen", "subprocess.getoutput"),
    *("tempfile.mktemp", "tarfile", "zipfile", "shutil.unpack_archive"),
    *("xml.etree", "lxml", "xml.dom", "xml.sax"),
}


# Archives are read as streams; nothing is taken out of them into a file.
ONLY_READ = {("trainer/archives.py", "tarfile")}


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))


def name_of(function: ast.expr) -> str:
    return ast.unparse(function).rpartition(".")[2]


def built(node: ast.AST) -> str | None:
    """Give a statement that is put together of variables, with {} for each; None for another."""
    if isinstance(node, ast.JoinedStr):
        values = [part for part in node.values if isinstance(part, ast.FormattedValue)]
        parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
        variable = not all(is_constant(value.value) for value in values)
        return "".join(map(str, parts)) if variable else None
    if isinstance(node, ast.BinOp):
        fixed = is_constant(node.left) and is_constant(node.right)
        return None if fixed else ast.unparse(node)
    if isinstance(node, ast.Call) and name_of(node.func) in {"format", "format_map", "join"}:
        return ast.unparse(node)
    return None


def is_constant(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.isupper())


def statements(path: Path) -> Iterator[ast.expr]:
    """Give what is run as a statement, followed to where its name was given a value."""
    values: dict[str, list[ast.expr]] = {}
    for node in nodes(path):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                values.setdefault(ast.unparse(target), []).append(node.value)
    for node in nodes(path):
        if isinstance(node, ast.Call) and name_of(node.func) in RUN_STATEMENTS and node.args:
            yield from values.get(ast.unparse(node.args[0]), [node.args[0]])


def test_no_statement_is_put_together_of_text() -> None:
    found = {
        (str(path.relative_to(ROOT)), statement)
        for path in MODULES
        for node in statements(path)
        if (statement := built(node)) is not None
    }

    unknown = [one for one in found if not any(is_known(one, known) for known in OF_OUR_OWN)]
    assert unknown == []
    assert [known for known in OF_OUR_OWN if not any(is_known(one, known) for one in found)] == []


def is_known(found: tuple[str, str], known: tuple[str, str]) -> bool:
    return found[0] == known[0] and found[1].startswith(known[1])


@pytest.mark.parametrize(
    "code",
    [
        'text(f"SELECT {name}")',
        'connection.execute(text("SELECT " + name))',
        'connection.exec_driver_sql("SELECT %s" % name)',
        'op.execute("SELECT {}".format(name))',
        'QUERY = f"SELECT {name}"\nconnection.execute(QUERY)',
        'cursor.execute(" ".join(parts))',
    ],
)
def test_one_that_is_would_be_found(code: str, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(code)

    assert any(built(node) is not None for node in statements(module))


def test_nothing_runs_what_it_reads() -> None:
    found = set()
    for path in MODULES:
        for node in nodes(path):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(f"{node.module}.{one.name}" for one in node.names)]
            elif isinstance(node, ast.Attribute):
                names = [ast.unparse(node)]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                names = [node.func.id]
            found |= {(str(path.relative_to(ROOT)), n) for n in names if n in RUN_WHAT_THEY_READ}

    assert found == ONLY_READ


def test_nothing_is_unpacked_into_files() -> None:
    unpacked = {
        ast.unparse(node)
        for path in MODULES
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and node.attr in {"extract", "extractall"}
    }

    assert unpacked == set()


def test_no_process_is_started_by_a_shell() -> None:
    shells = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        for node in nodes(path)
        if isinstance(node, ast.keyword) and node.arg == "shell"
    ]

    assert shells == []


def test_yaml_is_read_by_one_function() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for path in MODULES
        for node in nodes(path)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"yaml.parse", "yaml.scan"}
    }

    assert readers == {"trainer/parsing.py"}
