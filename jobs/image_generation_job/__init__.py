"""The job that makes images."""
