"""Indexes with which jobs are listed without reading the history."""

from migrations import run_sql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0005_listing")


def downgrade() -> None:
    run_sql("0005_downgrade")
