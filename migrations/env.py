"""What Alembic runs for each command of `migrations`; not for importing."""

from alembic import context

from migrations import VERSION_TABLE, VERSION_TABLE_SCHEMA

connection = context.config.attributes["connection"]
if connection is None:
    context.configure(
        dialect_name="postgresql",
        # Otherwise every percent sign of the SQL would come out doubled.
        dialect_opts={"paramstyle": "named"},
        as_sql=True,
        version_table=VERSION_TABLE,
        version_table_schema=VERSION_TABLE_SCHEMA,
    )
else:
    context.configure(
        connection=connection,
        version_table=VERSION_TABLE,
        version_table_schema=VERSION_TABLE_SCHEMA,
    )

with context.begin_transaction():
    context.run_migrations()
