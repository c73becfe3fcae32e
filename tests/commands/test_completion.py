"""``acoustic completion``: its scripts, read by the shells themselves."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Acoustic = Callable[..., Result]

PROGRAM = Path(sys.executable).parent / "acoustic"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_reads_its_script(acoustic: Acoustic, tmp_path: Path, shell: str) -> None:
    result = acoustic("completion", shell)
    assert result.exit_code == 0, result.stderr
    assert "_ACOUSTIC_COMPLETE" in result.stdout
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(result.stdout)

    subprocess.run([found, "-n", script], check=True)


def test_bash_completes_commands_and_options(acoustic: Acoustic, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    script = tmp_path / "script"
    script.write_text(acoustic("completion", "bash").stdout)

    def completed(*words: str) -> list[str]:
        lines = [
            f"source {script}",
            f"COMP_WORDS=({' '.join(words)})",
            f"COMP_CWORD={len(words) - 1}",
            f"_acoustic_completion {PROGRAM}",
            'printf "%s\\n" "${COMPREPLY[@]}"',
        ]
        done = subprocess.run(
            [bash, "-c", "\n".join(lines)],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": os.environ["PATH"]},
        )
        return done.stdout.split()

    assert completed("acoustic", "jobs", "li") == ["list"]
    assert completed("acoustic", "jobs", "list", "--da") == ["--dataset"]
    assert completed("acoustic", "jobs", "list", "--status", "r") == ["running"]
    assert completed("acoustic", "hi") == ["highlevel", "highlevel-extract"]


def test_fish_shows_descriptions_with_their_commas(acoustic: Acoustic, tmp_path: Path) -> None:
    fish = shutil.which("fish")
    if fish is None:
        pytest.skip("fish is not installed")
    script = tmp_path / "script.fish"
    script.write_text(acoustic("completion", "fish").stdout)

    done = subprocess.run(
        [
            fish,
            "--no-config",
            "-c",
            f"source {script}; complete --do-complete 'acoustic train --c'",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)},
    )

    told = "--c\tExponents of C to try (powers of two), such as -5,1.\n"
    assert told in done.stdout


def test_a_shell_that_nobody_knows_is_refused(acoustic: Acoustic) -> None:
    assert acoustic("completion", "tcsh").exit_code == 2
