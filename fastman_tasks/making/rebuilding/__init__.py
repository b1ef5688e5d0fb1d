"""SQLite's tables, rebuilt without loss."""
