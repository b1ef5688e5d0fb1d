"""Values that rows get when a column changes."""
