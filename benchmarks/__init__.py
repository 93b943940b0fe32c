"""Benchmarks: Phoenix now, Phoenix before, and what both are compared with, in one run."""
