"""The job that generates images."""
