"""The job that makes videos."""
