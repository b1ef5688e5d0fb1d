"""Columns and tables that have another name now."""
