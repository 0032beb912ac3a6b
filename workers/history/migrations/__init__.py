"""Alembic's scripts: how the tables came to be what `workers/history/schema.py` says, step by step."""
