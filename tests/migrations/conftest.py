"""Databases to migrate, and what is in them, written down to compare."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

SCHEMA_4 = (Path(__file__).parent / "schema4.sql").read_text(encoding="utf-8")

# Everything that a person could have made in a database, in words: what is not Postgres's own.
CATALOG = """
    WITH ours AS (
        SELECT oid, nspname FROM pg_namespace
         WHERE nspname NOT LIKE 'pg_%' AND nspname <> 'information_schema')
    SELECT 'schema ' || nspname FROM ours
    UNION ALL
    SELECT format('%s %s.%s %s %s', c.relkind, nspname, relname, reloptions, relacl)
      FROM pg_class c JOIN ours ON ours.oid = relnamespace
    UNION ALL
    SELECT format('column %s.%s %s %s %s %s', c.oid::regclass, attname,
                  format_type(atttypid, atttypmod), attnotnull, attnum,
                  pg_get_expr(adbin, adrelid))
      FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid JOIN ours ON ours.oid = relnamespace
      LEFT JOIN pg_attrdef d ON d.adrelid = attrelid AND d.adnum = attnum
     WHERE attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(c.oid))
      FROM pg_constraint c JOIN ours ON ours.oid = connamespace
    UNION ALL
    SELECT pg_get_indexdef(indexrelid)
      FROM pg_index JOIN pg_class c ON c.oid = indrelid JOIN ours ON ours.oid = relnamespace
    UNION ALL
    SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t WHERE NOT tgisinternal
    UNION ALL
    SELECT pg_get_functiondef(p.oid) FROM pg_proc p JOIN ours ON ours.oid = pronamespace
    UNION ALL
    SELECT 'view ' || c.oid::regclass || pg_get_viewdef(c.oid)
      FROM pg_class c JOIN ours ON ours.oid = relnamespace WHERE relkind = 'v'
    UNION ALL
    SELECT format('type %s.%s %s', nspname, typname,
                  (SELECT array_agg(enumlabel ORDER BY enumsortorder)
                     FROM pg_enum WHERE enumtypid = t.oid))
      FROM pg_type t JOIN ours ON ours.oid = typnamespace
    UNION ALL
    SELECT format('comment %s %s %s', classoid::regclass,
                  (SELECT identity FROM pg_identify_object(classoid, objoid, objsubid)),
                  description)
      FROM pg_description
     WHERE (pg_identify_object(classoid, objoid, objsubid)).schema
           IN (SELECT nspname::text FROM ours)
"""

Sql = Callable[..., Any]


@pytest.fixture
def sql(empty_database_url: str) -> Iterator[Sql]:
    """Run SQL in the database: the rows that it gives, or None."""
    engine = create_engine(empty_database_url, poolclass=NullPool)

    def sql(statement: str, **values: Any) -> Any:
        with engine.begin() as connection:
            rows = connection.execute(text(statement), values)
            return rows.all() if rows.returns_rows else None

    yield sql
    engine.dispose()


@pytest.fixture
def acousticbrainz_url(empty_database_url: str, sql: Sql) -> str:
    """URL of a database that an AcousticBrainz server uses."""
    sql(SCHEMA_4)
    return empty_database_url


@pytest.fixture
def catalog(sql: Sql) -> Callable[[], list[str]]:
    """Everything in the database that is not Postgres's own."""

    def catalog() -> list[str]:
        return sorted(line for (line,) in sql(CATALOG))

    return catalog


@pytest.fixture
def contents(sql: Sql) -> Callable[[], dict[str, list[Any]]]:
    """All rows of all tables of schema public, but for Alembic's."""

    def contents() -> dict[str, list[Any]]:
        tables = sql("""SELECT tablename FROM pg_tables WHERE schemaname = 'public'
                           AND tablename <> 'acoustic_workers_revision'""")
        return {
            name: sql(f'SELECT t::text FROM public."{name}" t ORDER BY 1') for (name,) in tables
        }

    return contents
