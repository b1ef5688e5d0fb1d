"""Rows of tables: written with upsert, or loaded from a file."""
