"""
The tables, for statements that are built rather than written.

AcousticBrainz's keep their names, columns and meaning. The database is made by `migrations`, never
from here; a test compares the two.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Enum,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import CHAR, JSONB, VARCHAR

__all__ = [
    "dataset",
    "dataset_class",
    "dataset_class_member",
    "dataset_eval_jobs",
    "dataset_eval_sets",
    "dataset_snapshot",
    "evaluation_attempts",
    "lowlevel",
    "lowlevel_json",
    "metadata",
    "user",
    "version",
]

metadata = MetaData()

_Moment = DateTime(timezone=True)
_Sha256 = CHAR(64)

user = Table(
    "user",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("created", _Moment),
    Column("musicbrainz_id", VARCHAR),
    Column("admin", Boolean, nullable=False),
    Column("gdpr_agreed", _Moment),
)

dataset = Table(
    "dataset",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", VARCHAR, nullable=False),
    Column("description", Text, nullable=False),
    Column("author", Integer, nullable=False),
    Column("public", Boolean, nullable=False),
    Column("created", _Moment),
    Column("last_edited", _Moment),
)

dataset_class = Table(
    "dataset_class",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", VARCHAR, nullable=False),
    Column("description", Text, nullable=False),
    Column("dataset", Uuid, nullable=False),
)

dataset_class_member = Table(
    "dataset_class_member",
    metadata,
    Column("class", Integer, primary_key=True),
    Column("mbid", Uuid, primary_key=True),
)

dataset_snapshot = Table(
    "dataset_snapshot",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("dataset_id", Uuid),
    Column("data", JSONB, nullable=False),
    Column("created", _Moment, nullable=False),
)

dataset_eval_sets = Table(
    "dataset_eval_sets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("data", JSONB, nullable=False),
)

dataset_eval_jobs = Table(
    "dataset_eval_jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("snapshot_id", Uuid, nullable=False),
    Column(
        "status",
        Enum("pending", "running", "done", "failed", name="eval_job_status"),
        nullable=False,
    ),
    Column("status_msg", VARCHAR),
    Column("options", JSONB),
    Column("training_snapshot", Integer),
    Column("testing_snapshot", Integer),
    Column("created", _Moment, nullable=False),
    Column("updated", _Moment, nullable=False),
    Column("result", JSONB),
    Column("eval_location", Enum("local", "remote", name="eval_location_type"), nullable=False),
)

version = Table(
    "version",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("data", JSONB, nullable=False),
    Column("data_sha256", _Sha256, nullable=False),
    Column("type", Enum("lowlevel", "highlevel", name="version_type"), nullable=False),
    Column("created", _Moment),
)

lowlevel = Table(
    "lowlevel",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("gid", Uuid, nullable=False),
    Column("build_sha1", Text, nullable=False),
    Column("lossless", Boolean),
    Column("submitted", _Moment),
    Column("gid_type", Enum("mbid", "msid", name="gid_type"), nullable=False),
    Column("submission_offset", Integer, nullable=False),
)

lowlevel_json = Table(
    "lowlevel_json",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("data", JSONB, nullable=False),
    Column("data_sha256", _Sha256, nullable=False),
    Column("version", Integer, nullable=False),
)

evaluation_attempts = Table(
    "evaluation_attempts",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("worker", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("started", _Moment, nullable=False),
    Column("lease_until", _Moment, nullable=False),
    Column("ended", _Moment),
    Column("outcome", Text),
    Column("counted", Boolean, nullable=False),
    Column("retry_at", _Moment),
    Column("error", Text),
    Column("traceback", Text),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Column("peak_memory", BigInteger),
    Column("cpu_seconds", Double),
    Column("progress", JSONB),
    schema="worker",
)
