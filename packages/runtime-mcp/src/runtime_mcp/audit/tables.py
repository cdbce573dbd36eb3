"""The tables: events, which are only ever added to, and the processes that write them."""

from sqlalchemy import (
    JSON,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

metadata = MetaData()

events = Table(
    "audit_events",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("timestamp", String(32), nullable=False),
    Column("org_id", String(128), nullable=False),
    Column("actor_id", String(128), nullable=False),
    Column("actor_type", String(16), nullable=False),
    Column("action", String(64), nullable=False),
    Column("resource_type", String(32), nullable=False),
    Column("resource_id", String(256), nullable=False),
    Column("source_service", String(64), nullable=False),
    Column("source_pod", String(256), nullable=False),
    Column("project_id", String(128)),
    Column("trace_id", String(32)),
    Column("details", JSON, nullable=False),
    Column("allowlist_revision", String(64), nullable=False),
    # An outcome names its intent, and no intent has two.
    Column("intent_id", String(32), unique=True),
    Column("writer", String(32), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("writer", "sequence"),
    Index("audit_events_by_time", "org_id", "timestamp"),
)

writers = Table(
    "audit_writers",
    metadata,
    Column("writer", String(32), primary_key=True),
    Column("source_pod", String(256), nullable=False),
    Column("seen_at", Float, nullable=False),
)
