"""Many jobs on a terminal: a line each that fits its width; below it, why a job does not go on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from schema.evaluation_jobs import JobStatus
from worker.commands.figures import at, number
from worker.commands.job_status import ENDED, reason_of, short_id, style_of, time_left
from worker.commands.progress import brief, duration
from worker.commands.text import plain, visible

_BAR = 16
# Where names get less room, bars go, then times become shorter and counts a share, and then columns
# go: a name in less says nothing.
_LEGIBLE_NAME, _NARROWEST_NAME = 28, 12

_COLUMNS = ("job", "status", "queue", "dataset", "try", "age", "progress", "left")
# What times and progress take at most: a table that is drawn again every second must not move.
_NARROW_WIDTHS = {"age": 6, "progress": 5, "left": 6}
_WIDE_WIDTHS = {"age": 11, "progress": 22, "left": 11}
# What a terminal that is narrower still does without, in this order.
_SPARED = ("try", "age", "queue", "left", "progress", "dataset")
# Enough of a name to tell it from others; `jobs show` has all of it.
_LONGEST_NAME = 60
_RIGHT = {"queue", "try", "age", "left"}


@dataclass(frozen=True)
class JobTable:
    """Jobs as rich shows them.

    Attributes
    ----------
    jobs
        In the order in which they are to stand.
    bars
        Draw the progress too, where there is room.
    most
        Lines for jobs; those that do not fit are counted below. `None`: as many as it takes.
    beyond
        Further jobs, to be counted with those that do not fit.
    """

    jobs: Sequence[JobStatus]
    bars: bool = False
    most: int | None = None
    beyond: int = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay it out for the width that there is."""
        layout = _Layout.of(self.jobs, options.max_width, bars=self.bars)
        yield layout.line([Text(column, style="bold") for column in layout.titles])
        yield Rule(style="dim")
        left = self.most
        for shown, job in enumerate(self.jobs):
            row: RenderableType | None = layout.row(job)
            if left is not None:
                row, height = _that_fits(left, console, options, row, layout.line_of(job))
                left -= height
            if row is None:
                yield self._more(len(self.jobs) - shown + self.beyond)
                return
            yield row
        if self.beyond:
            yield self._more(self.beyond)

    @staticmethod
    def _more(jobs: int) -> Text:
        return Text(f"… and {jobs:,} more", style="dim")


def _that_fits(
    lines: int, console: Console, options: ConsoleOptions, *forms: RenderableType | None
) -> tuple[RenderableType | None, int]:
    """Give the first form that takes no more than so many lines, and how many it takes."""
    for form in forms:
        height = 0 if form is None else len(console.render_lines(form, options))
        if height <= lines:
            return form, height
    return None, 0


@dataclass(frozen=True)
class _Layout:
    """Which form the cells have, and how wide the columns are."""

    narrow: bool
    bars: bool
    columns: tuple[str, ...]
    widths: tuple[int, ...]
    gap: int
    fits: bool

    @property
    def titles(self) -> tuple[str, ...]:
        """Name the columns, shortly where that saves width."""
        short = {"queue": "#", "progress": "done"} if self.narrow else {}
        return tuple(short.get(name, name) for name in self.columns)

    @classmethod
    def of(cls, jobs: Sequence[JobStatus], width: int, *, bars: bool) -> "_Layout":
        """Choose the fullest form that leaves room for names."""
        forms = [cls._fitted(jobs, width, narrow=False, bars=True)] if bars else []
        forms.append(cls._fitted(jobs, width, narrow=False, bars=False))
        for spared in range(len(_SPARED) + 1):
            columns = tuple(name for name in _COLUMNS if name not in _SPARED[:spared])
            forms.append(cls._fitted(jobs, width, narrow=True, bars=False, columns=columns))
        return next((form for form in forms if form.fits), forms[-1])

    @classmethod
    def _fitted(
        cls,
        jobs: Sequence[JobStatus],
        width: int,
        *,
        narrow: bool,
        bars: bool,
        columns: tuple[str, ...] = _COLUMNS,
    ) -> "_Layout":
        gap = 1 if narrow else 2
        layout = cls(narrow, bars, columns, (), gap, fits=False)
        rows = [layout.texts(job) for job in jobs]
        least = _NARROW_WIDTHS if narrow else _WIDE_WIDTHS
        widths = [
            max([cell_len(title), least.get(name, 0), *(cell_len(row[column]) for row in rows)])
            for column, (name, title) in enumerate(zip(columns, layout.titles, strict=True))
        ]
        if bars:
            widths[columns.index("progress")] += _BAR + 1
        if "dataset" not in columns:
            return cls(narrow, bars, columns, tuple(widths), gap, fits=True)
        name = columns.index("dataset")
        rest = width - sum(widths) + widths[name] - gap * (len(widths) - 1)
        fits = rest >= min(widths[name], _NARROWEST_NAME if narrow else _LEGIBLE_NAME)
        widths[name] = max(_NARROWEST_NAME, min(widths[name], rest))
        return cls(narrow, bars, columns, tuple(widths), gap, fits)

    def texts(self, job: JobStatus) -> tuple[str, ...]:
        """Give what stands in the columns."""
        left = time_left(job)
        spelled = brief if self.narrow else duration
        text_of = {
            "job": short_id(job),
            "status": visible(job.status),
            "queue": "" if job.position is None else str(job.position),
            "dataset": self._name(job) if "dataset" in self.columns else "",
            "try": "" if job.attempt is None else str(job.attempt),
            "age": spelled((datetime.now(UTC) - job.created).total_seconds()),
            "progress": _progress(job, narrow=self.narrow),
            "left": "" if left is None else spelled(left),
        }
        return tuple(text_of[name] for name in self.columns)

    def _name(self, job: JobStatus) -> str:
        name = Text(visible(job.dataset or "-"))
        # A job is a line, so that as many as possible are on a screen.
        room = self.widths[self.columns.index("dataset")] if self.widths else _LONGEST_NAME
        name.truncate(min(room, _LONGEST_NAME), overflow="ellipsis")
        return name.plain

    def line(self, cells: Sequence[RenderableType]) -> Table:
        """Put cells beside each other."""
        made = Table.grid(padding=(0, self.gap, 0, 0), pad_edge=False)
        for name, width in zip(self.columns, self.widths, strict=True):
            right = "right" if name in _RIGHT else "left"
            made.add_column(width=width, justify=right, overflow="fold")  # type: ignore[arg-type]
        made.add_row(*cells)
        return made

    def row(self, job: JobStatus) -> RenderableType:
        """Give a job's line, and below it its reason, if it has one."""
        line, reason = self.line_of(job), reason_of(job)
        if not reason:
            return line
        told = plain(reason, "red" if job.status == "failed" else "yellow")
        return Group(line, Padding(told, (0, 0, 0, self.widths[0] + self.gap)))

    def line_of(self, job: JobStatus) -> RenderableType:
        """Give a job's line alone."""
        cells: list[RenderableType] = [Text(cell) for cell in self.texts(job)]
        cells[self.columns.index("status")] = plain(job.status, style_of(job))
        if self.bars:
            place = self.columns.index("progress")
            cells[place] = _with_bar(job, self.texts(job)[place])
        return self.line(cells)


def _progress(job: JobStatus, *, narrow: bool) -> str:
    done, total = _done(job)
    if job.status in ENDED or done is None or not total:
        return ""
    share = f"{100 * done / total:.0f} %"
    return (
        share if narrow else f"{visible(at(job.progress, 'stage'))} {done:.0f}/{total:.0f} {share}"
    )


def _done(job: JobStatus) -> tuple[float | None, float | None]:
    return number(at(job.progress, "done")), number(at(job.progress, "total"))


def _with_bar(job: JobStatus, told: str) -> RenderableType:
    done, total = _done(job)
    if not told or done is None or not total:
        return Text(told)
    cell = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
    cell.add_row(
        ProgressBar(total=total, completed=done, width=_BAR, complete_style="cyan"), Text(told)
    )
    return cell
