"""What a SQLite database has, read from the text that it keeps."""
