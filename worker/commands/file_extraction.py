"""Low-level documents in files to high-level documents in files, by the models of a profile."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from threadpoolctl import threadpool_limits

from trainer.errors import DocumentError
from trainer.garbage import no_collection
from trainer.highlevel import high_level_document, parse_document, version_block
from trainer.inference import ModelSet
from trainer.parsing import MAX_BYTES, parse_yaml
from trainer.regular_files import read_regular
from worker.commands.invocation import Invocation
from worker.commands.text import plain
from worker.commands.writing import destination
from worker.profile import Profile, read_profile
from worker.whole_files import write_whole

# Enough for one matrix product to do the work of many; few enough that memory stays small.
_BATCH = 64

Pair = tuple[Path, Path]  # a low-level document, and where its high-level document goes


def carry_out(invocation: Invocation, files: Sequence[Pair], profile: Path) -> int:
    """Extract all pairs; 1 if a document cannot be used, else 0.

    Raises
    ------
    worker.settings.SettingsError
        The profile is wrong, or a model cannot be opened: each is named.
    click.UsageError
        A file cannot be written, or would replace one that is read.
    """
    read = read_profile(profile)
    pairs = _destinations(files, read)
    extraction = _Extraction(read, read.load())
    usable = True
    with threadpool_limits(1, user_api="blas"):
        for start in range(0, len(pairs), _BATCH):
            for error in extraction.run(pairs[start : start + _BATCH]):
                invocation.notes.print(plain(f"Error: {error}"), soft_wrap=True)
                usable = False
    return 0 if usable else 1


def _destinations(files: Sequence[Pair], profile: Profile) -> list[Pair]:
    """Find out where outputs go, before any is written."""
    models = (entry.file for entry in profile.entries if entry.file is not None)
    read = [*(source for source, _ in files), profile.path, *models]
    taken = {os.path.realpath(path): path for path in read}
    pairs = []
    for source, given in files:
        if str(source) == "-":
            raise click.UsageError("'-' is no document: standard input is not read, name a file.")
        target = destination(given, apart_from=())
        if str(target) in taken:
            raise click.UsageError(
                f"{given} is the same file as {taken[str(target)]}, and writing it would destroy "
                "what is in that: name another file."
            )
        taken[str(target)] = given
        pairs.append((source, target))
    return pairs


@dataclass(frozen=True)
class _Extraction:
    """A profile and its models.

    Attributes
    ----------
    profile
        How documents are read and written.
    models
        What predicts.
    """

    profile: Profile
    models: ModelSet

    def run(self, pairs: Sequence[Pair]) -> Iterator[str]:
        """Write the outputs of a batch; yield a sentence for each document that has none."""
        with no_collection():
            documents = [self._read(source) for source, _ in pairs]
        version = version_block(self.models, self.profile.merge_values)
        outcomes = self.models.predict(documents)
        for (source, target), document, outcome in zip(pairs, documents, outcomes, strict=True):
            if isinstance(outcome, DocumentError):
                yield f"{source}: {outcome}"
            else:
                self._write(target, high_level_document(document, outcome, version))

    def _read(self, path: Path) -> Any:
        parse = parse_yaml if self.profile.input_format == "yaml" else parse_document
        try:
            return parse(read_regular(path, MAX_BYTES))
        except OSError as error:
            return DocumentError(f"it cannot be read: {error.strerror}")
        except DocumentError as error:
            return error

    def _write(self, path: Path, document: dict[str, Any]) -> None:
        indent = self.profile.indent or None
        separators = None if indent else (",", ":")
        text = json.dumps(document, ensure_ascii=False, indent=indent, separators=separators)
        write_whole(path, text + "\n")
