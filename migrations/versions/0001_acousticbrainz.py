"""AcousticBrainz's tables and types, where they are missing."""

from migrations import run_sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0001_upgrade")


def downgrade() -> None:
    run_sql("0001_downgrade")
