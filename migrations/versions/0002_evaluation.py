"""The evaluation worker's attempts, functions and views; indexes and triggers on its queue."""

from migrations import run_sql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0002_attempts", "0002_triggers", "0002_functions", "0002_views")


def downgrade() -> None:
    run_sql("0002_downgrade")
