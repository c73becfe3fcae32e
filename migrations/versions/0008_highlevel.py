"""Recordings left for workers with other models; a high-level queue that can be paused."""

from migrations import run_sql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0008_highlevel")


def downgrade() -> None:
    run_sql("0008_downgrade")
