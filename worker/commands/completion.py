"""``acoustic completion``: what a shell needs to complete commands and options."""

import click
from click.shell_completion import get_completion_class

from worker.commands.invocation import Invocation

# The variable by which click's scripts ask the program for completions.
_VARIABLE = "_ACOUSTIC_COMPLETE"


@click.command(
    epilog='bash and zsh: eval "$(acoustic completion bash)", or zsh, in ~/.bashrc or ~/.zshrc; '
    "fish: acoustic completion fish > ~/.config/fish/completions/acoustic.fish"
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script by which a shell completes commands and options."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click knows each of the choices
    invocation: Invocation = context.obj
    script = kind(context.find_root().command, {}, "acoustic", _VARIABLE).source()
    # click's script for fish would cut each description at its first comma.
    script = script.replace('string split ","', 'string split --max 1 ","')
    invocation.out.file.write(script + "\n")
