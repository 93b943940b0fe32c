"""The job that generates videos."""
