"""As whom a server runs that refuses to be root, and that it dies with its parent.

Three ways, the first that reaches the files is taken:

* an ordinary user simply runs it;
* root runs it in a user namespace, in which root has another account's number: to the files it is
  still root, so folders that only root may enter are no obstacle, and all it writes is root's;
* without namespaces (as in Docker's default profile), or where the data belong to somebody, root
  becomes that somebody, else `postgres` or `nobody`, and keeps one capability, to enter folders.
  Copying programs and data to where `nobody` may go was the alternative.

No account is made and no mode of a file is changed. The number in the namespace must be that of an
existing account (initdb looks its name up), so it cannot be a fixed 1000.
"""

import os
import pwd
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.server_programs import ENVIRONMENT

STAND_INS = ("postgres", "nobody")

# Only Linux has a death signal; elsewhere a server whose parent was killed stays.
DIE_WITH_PARENT = ("setpriv", "--pdeathsig") if sys.platform == "linux" else ()
KEEP_ACCESS = ("--inh-caps=-all,+dac_override", "--ambient-caps=+dac_override")

# The parent may have died before the signal was set: then the parent is another by now.
IF_PARENT_LIVES = ("/bin/sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"')
CAN_REACH = ("/bin/sh", "-c", '[ -x "$0" ] && [ -w "$1" ]')


class NoAccountError(RuntimeError):
    """There is no way to run the server; the message says what to do."""


@dataclass(frozen=True)
class Account:
    """The command prefix that becomes an account, and who owns what it writes."""

    become: tuple[str, ...]
    owner: int
    group: int

    def command(self, arguments: Sequence[str], *, dies_by: str = "KILL") -> list[str]:
        """Complete a command line that runs as this account and dies with this thread.

        Parameters
        ----------
        arguments
            The program and what it is given.
        dies_by
            The signal that ends it. SIGINT may be ignored from birth, as in what a shell runs in
            the background: it is only for a program that handles it whatever it inherits.
        """
        tied = [*DIE_WITH_PARENT, dies_by] if DIE_WITH_PARENT else []
        return [*self.become, *tied, *IF_PARENT_LIVES, str(os.getpid()), *arguments]

    def reaches(self, program: Path, folder: Path) -> bool:
        """Whether this account can be become, execute `program` and write to `folder`."""
        command = self.command([*CAN_REACH, str(program), str(folder)])
        try:
            done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False)  # noqa: S603
        except FileNotFoundError:  # no setpriv or unshare
            return False
        return done.returncode == 0

    def own(self, folder: Path) -> None:
        """Give a folder of ours and what is in it to this account, unless it has it already."""
        if folder.stat().st_uid == self.owner:
            return
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.owner, self.group, follow_symlinks=False)


def choose_account(program: Path, cluster: Path) -> Account:
    """Choose as whom to run `program` on the data in `cluster`, a folder that may not exist yet.

    Raises
    ------
    NoAccountError
        No account can execute the program and write beside `cluster`.
    """
    for account in _candidates(cluster):
        if account.reaches(program, cluster.parent):
            return account
    remedy = "install util-linux (setpriv, unshare), or run this as an ordinary user"
    raise NoAccountError(
        f"no account can run {program} on {cluster.parent} as user {os.geteuid()}: {remedy}"
    )


def _candidates(cluster: Path) -> Iterator[Account]:
    user, group = os.geteuid(), os.getegid()
    if user != 0:
        if not _has_name(user):  # docker run --user 12345
            yield _in_namespace(user, group)
        yield Account((), user, group)
        return
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        yield _as_another(owner.st_uid, owner.st_gid)
        return
    yield _in_namespace(user, group)
    stand_in = _stand_in()
    yield _as_another(stand_in.pw_uid, stand_in.pw_gid)


def _in_namespace(user: int, group: int) -> Account:
    stand_in = _stand_in()
    mapping = (f"--map-user={stand_in.pw_uid}", f"--map-group={stand_in.pw_gid}")
    return Account(("unshare", "--user", *mapping, "--"), user, group)


def _as_another(user: int, group: int) -> Account:
    identity = (f"--reuid={user}", f"--regid={group}", "--clear-groups")
    return Account(("setpriv", *identity, *KEEP_ACCESS, "--"), user, group)


def _has_name(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True


def _stand_in() -> pwd.struct_passwd:
    """Find an existing account without rights of its own."""
    for name in STAND_INS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoAccountError(f"this system has no account {' or '.join(STAND_INS)} to run Postgres as")
