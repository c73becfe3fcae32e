"""The high-level worker's queue, what it remembers between looks, and published models."""

from migrations import run_sql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0003_models", "0003_queue")


def downgrade() -> None:
    run_sql("0003_downgrade")
