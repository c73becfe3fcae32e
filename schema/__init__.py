"""The database as Python sees it: its tables, the queue of evaluation jobs, snapshots, documents.

Functions take an open `sqlalchemy.Connection` first, run one statement or a few, and leave the
transaction to their caller. Nothing here trains, waits, decides or reads settings.
"""
