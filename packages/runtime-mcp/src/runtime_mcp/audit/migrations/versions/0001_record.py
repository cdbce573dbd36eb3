"""The record and its writers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes both tables."""
    op.create_table(
        "audit_events",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("timestamp", sa.String(32), nullable=False),
        sa.Column("org_id", sa.String(128), nullable=False),
        sa.Column("actor_id", sa.String(128), nullable=False),
        sa.Column("actor_type", sa.String(16), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("resource_type", sa.String(32), nullable=False),
        sa.Column("resource_id", sa.String(256), nullable=False),
        sa.Column("source_service", sa.String(64), nullable=False),
        sa.Column("source_pod", sa.String(256), nullable=False),
        sa.Column("project_id", sa.String(128)),
        sa.Column("trace_id", sa.String(32)),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("allowlist_revision", sa.String(64)),
        sa.Column("intent_id", sa.String(32)),
        sa.Column("writer", sa.String(32), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.UniqueConstraint("intent_id", "phase", name="audit_events_one_outcome"),
        sa.UniqueConstraint("writer", "sequence", name="audit_events_one_chain"),
    )
    op.create_index("audit_events_by_time", "audit_events", ["org_id", "timestamp"])
    op.create_index("audit_events_by_age", "audit_events", ["timestamp"])
    op.create_table(
        "audit_writers",
        sa.Column("writer", sa.String(32), primary_key=True),
        sa.Column("source_pod", sa.String(256), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
    )
