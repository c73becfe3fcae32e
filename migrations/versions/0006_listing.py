"""Indexes with which jobs are listed without reading the history."""

from migrations import run_sql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0006_listing")


def downgrade() -> None:
    run_sql("0006_downgrade")
