"""What a generated token takes, timed alone beside the steps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    op.add_column("timings", sa.Column("generation_time", sa.Float))
