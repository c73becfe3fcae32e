"""Checkpoints of evaluation jobs; queues that can be paused; jobs that are retried together."""

from migrations import run_sql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0004_checkpoints", "0004_pauses")


def downgrade() -> None:
    run_sql("0004_downgrade")
