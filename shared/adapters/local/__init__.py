"""One machine: SQLite, files and processes."""
