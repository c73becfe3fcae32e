"""The group of commands: what it costs, what it says, with which exit code it ends."""

import errno
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import Result

import examples
from trainer.grid.engines import why_no_native
from worker.commands import COMMANDS, failures, shortage
from worker.commands.application import Application, Lazy

Acoustic = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[str]]


def test_the_help_names_every_command_and_the_exit_codes(acoustic: Acoustic) -> None:
    result = acoustic("--help")

    assert result.exit_code == 0
    for name, lazy in COMMANDS.items():
        assert f"  {name} " in result.output
        assert lazy.help in result.output
    assert "4 the job that was run or" in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(acoustic: Acoustic, name: str) -> None:
    result = acoustic(name, "--help")

    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: main {name}")


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["train", "--help"], ["demo", "--help"], ["doctor", "--help"]]
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    program = f"""
import sys
from worker.commands import main
try:
    main({arguments!r})
except SystemExit:
    pass
print(sorted({{"sklearn", "scipy", "numpy", "sqlalchemy", "alembic"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.skipif(bool(why_no_native()), reason=f"no native engine: {why_no_native()}")
def test_the_native_engine_trains_evaluates_and_predicts_without_scikit_learn(
    tmp_path: Path,
) -> None:
    model, truth = tmp_path / "a.model", examples.ground_truth("timbre")
    recordings = examples.documents()
    commands = (
        ["train", truth, recordings, "--model", model, "--kernel", "rbf", "--gamma", "-5"],
        ["evaluate", model, truth, recordings],
        ["predict", model, "--documents", recordings],
    )
    program = f"""
import sys
from worker.commands import main
for arguments in {[list(map(str, command)) for command in commands]!r}:
    try:
        main(arguments)
    except SystemExit as end:
        assert not end.code, end.code
print(sorted({{"sklearn", "scipy.stats", "pandas", "alembic"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    # It takes two seconds to import, before every training and every prediction.
    assert done.stdout.splitlines()[-1] == "[]"


def test_listing_jobs_loads_no_scikit_learn(database_url: str) -> None:
    program = """
import sys
from worker.commands import main
try:
    main(["jobs", "list"])
except SystemExit as end:
    assert not end.code, end.code
print("sklearn" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"DATABASE_URL": database_url},
    )

    assert done.stdout.splitlines()[-1] == "False"


def test_the_version_is_that_of_the_package(acoustic: Acoustic) -> None:
    assert acoustic("--version").output == f"acoustic, version {version('acoustic-workers')}\n"


def test_the_module_and_the_console_script_are_the_same(process: Process) -> None:
    script = subprocess.run(
        [Path(sys.executable).with_name("acoustic"), "--help"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert process("--help").stdout == script.stdout


def test_an_unknown_command_is_a_usage_error(acoustic: Acoustic) -> None:
    result = acoustic("trian")

    assert result.exit_code == 2
    assert "'trian'" in result.stderr


def test_choices_are_lines_without_escapes(acoustic: Acoustic) -> None:
    result = acoustic("completion")

    assert result.exit_code == 2
    assert result.stderr.splitlines()[-3:] == ["    bash,", "    zsh,", "    fish"]


def test_a_reader_that_has_enough_ends_a_command_quietly(
    started: Callable[..., subprocess.Popen[str]],
    model: Path,
) -> None:
    process = started("predict", model, "--documents", examples.documents())
    assert process.stdout is not None
    assert process.stderr is not None

    process.stdout.readline()
    process.stdout.close()

    assert process.wait(60) == 141
    assert process.stderr.read() == ""


def test_an_argument_with_escapes_is_shown_escaped(acoustic: Acoustic) -> None:
    assert r"\x1b[31m" in acoustic("\x1b[31mtrain").stderr


def test_missing_settings_are_told_all_at_once_without_a_traceback(acoustic: Acoustic) -> None:
    result = acoustic("evaluator", DATABASE_URL=None, ACOUSTIC_MAX_ATTEMPTS="many")

    assert result.exit_code == 2
    assert "DATABASE_URL is not set" in result.stderr
    assert "ACOUSTIC_MAX_ATTEMPTS is 'many'" in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_the_traceback_of_an_expected_error(acoustic: Acoustic) -> None:
    assert "Traceback" in acoustic("--debug", "evaluator", DATABASE_URL=None).stderr


def failing(error: BaseException) -> Application:
    """A program whose only command raises."""

    @click.command()
    def fail() -> None:
        raise error

    module = type(sys)("failing_command")
    module.fail = fail  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    return Application(lazy={"fail": Lazy(module.__name__, "fail", "")}, name="acoustic")


def ended(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    with pytest.raises(SystemExit) as end:
        failing(error).main(["fail"])
    return end.value.code, capsys.readouterr().err


def test_an_unforeseen_error_shows_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ended(ZeroDivisionError("x"), capsys)

    assert code == 1
    assert "Traceback" in said


def test_another_pipe_that_breaks_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ended(BrokenPipeError(32, "Broken pipe"), capsys)

    assert code == 1
    assert "Broken pipe" in said


def of_another(cause: BaseException) -> Exception:
    error = RuntimeError("the library is broken")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        ImportError("/lib/x.so: failed to map segment from shared object"),
        of_another(ImportError("x.so: cannot allocate memory in static TLS block")),
    ],
)
def test_a_lack_of_memory_is_a_sentence(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(error, capsys) == (1, f"{shortage.SENTENCE}\n")


def test_a_library_that_is_not_there_is_no_lack_of_memory(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "Traceback" in ended(ImportError("x.so: no such file"), capsys)[1]


def test_a_file_that_cannot_be_written_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ended(OSError(28, "No space left on device", "/models/a.model"), capsys)

    assert code == 1
    assert said == "Error: /models/a.model: No space left on device.\n"


def test_threads_that_cannot_be_had_are_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ended(BlockingIOError(errno.EAGAIN, "no thread can be started"), capsys)

    assert code == 1
    assert said.startswith("Error: no thread can be started: raise how many ")
    assert "Traceback" not in said


def test_an_output_that_would_block_is_no_lack_of_threads(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = BlockingIOError(errno.EAGAIN, "write could not complete without blocking", 9)

    _, said = ended(error, capsys)

    assert "write could not complete without blocking" in said
    assert "threads" not in said


def test_an_interruption_ends_with_130_whatever_comes_after_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        code, said = ended(KeyboardInterrupt(), capsys)

        assert code == 130
        assert said.strip() == "Interrupted."
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # a second Ctrl-C breaks no ending
    finally:
        signal.signal(signal.SIGINT, interrupt)


@pytest.mark.parametrize("name", failures.EXPECTED)
def test_every_error_with_a_sentence_of_its_own_exists(name: str) -> None:
    module, _, kind = name.rpartition(".")
    error = getattr(import_module(module), kind)

    assert issubclass(error, Exception)
    assert f"{error.__module__}.{error.__qualname__}" == name


def test_a_mismatch_of_the_schema_ends_with_3(acoustic: Acoustic, empty_database_url: str) -> None:
    result = acoustic("jobs", "list", DATABASE_URL=empty_database_url)

    assert result.exit_code == 3
    assert "acoustic migrate" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unreachable_database_is_named_without_its_password(acoustic: Acoustic) -> None:
    result = acoustic("jobs", "list", DATABASE_URL="postgresql://ann:s3cret@127.0.0.1:1/music")

    assert result.exit_code == 1
    assert "127.0.0.1:1" in result.stderr
    assert "DATABASE_URL" in result.stderr
    assert "s3cret" not in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", [("jobs", "list"), ("migrate",), ("evaluator", "--once")])
def test_an_option_of_the_url_that_does_not_exist_is_a_sentence(
    acoustic: Acoustic, command: tuple[str, ...], tmp_path: Path
) -> None:
    url = "postgresql://ann:s3cret@127.0.0.1:1/music?sslmood=x"

    result = acoustic(
        *command,
        DATABASE_URL=url,
        ACOUSTIC_MODEL_DIR=str(tmp_path),
        ACOUSTIC_PROJECT_DIR=str(tmp_path),
    )

    assert result.exit_code in {1, 2}
    assert "sslmood" in result.stderr
    assert "s3cret" not in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", ["--help", "jobs --help"])
def test_an_output_that_is_full_is_a_sentence(arguments: str) -> None:
    done = subprocess.run(
        f"{sys.executable} -m worker.commands {arguments} > /dev/full",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("Error: No space left on device")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [("jobs", "list", "--limit", "100001")])
def test_a_number_beyond_reason_is_a_usage_error(
    acoustic: Acoustic, arguments: tuple[str, ...]
) -> None:
    assert acoustic(*arguments).exit_code == 2


def test_names_beyond_the_encoding_of_the_output_do_not_end_a_command(
    process: Process, database_url: str, job: Callable[..., object]
) -> None:
    job("東京")

    done = process("jobs", "list", DATABASE_URL=database_url, PYTHONIOENCODING="ascii")

    assert done.returncode == 0, done.stderr
    assert r"\u6771\u4eac" in done.stdout


def test_a_reader_that_goes_away_is_no_error_of_ours() -> None:
    done = subprocess.run(
        f"{sys.executable} -m worker.commands jobs --help | true",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
