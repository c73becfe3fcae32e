"""An evaluation as one HTML file, for the owner of the dataset.

The page needs no network and runs no script; it is made of the JSON of a report alone, so it can be
made at any time later, also of a result that AcousticBrainz itself wrote: what a report does not
hold is left out of the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from trainer.report_page.content import content_of
from trainer.wording import counted

__all__ = ["report_page"]


def report_page(report: Mapping[str, Any]) -> str:
    """Return the page of a report.

    Parameters
    ----------
    report : mapping
        What `trainer.evaluation.Evaluation.report` returned, or a job's result. Whatever it holds
        is a stranger's: every text is escaped, and what is not of the right kind is left out.

    Raises
    ------
    trainer.errors.DocumentError
        It holds no evaluation.
    """
    environment = Environment(
        loader=PackageLoader("trainer.report_page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("page.html")
    return template.render(page=content_of(report), counted=counted)
