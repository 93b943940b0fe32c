"""The `phoenix` command."""
