"""Functions that a role without rights on any table may call, and that nobody else can abuse."""

from migrations import run_sql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0005_functions")


def downgrade() -> None:
    run_sql("roles_revoke", "0005_downgrade", "0002_functions")
