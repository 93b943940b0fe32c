"""Benchmarks as ratios within one run, and recorded results."""
