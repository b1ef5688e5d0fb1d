"""Write rows of tables with upsert, or load them from a file."""
