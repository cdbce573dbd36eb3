"""The tables: events, which are only ever added to, and the processes that write them."""

from sqlalchemy import (
    JSON,
    Boolean,
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
    Column("phase", String(16), nullable=False),
    Column("allowlist_revision", String(64)),
    # An outcome names its intent; none has two, but one may come after an `unknown`.
    Column("intent_id", String(32)),
    Column("writer", String(32), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("intent_id", "phase", name="audit_events_one_outcome"),
    UniqueConstraint("writer", "sequence", name="audit_events_one_chain"),
    Index("audit_events_by_time", "org_id", "timestamp"),
    Index("audit_events_by_age", "timestamp"),
)

writers = Table(
    "audit_writers",
    metadata,
    Column("writer", String(32), primary_key=True),
    Column("source_pod", String(256), nullable=False),
    Column("seen_at", Float, nullable=False),
    # It said that it ends.
    Column("ended", Boolean, nullable=False),
    # It has ended, and each of its calls has an outcome.
    Column("settled", Boolean, nullable=False),
)
