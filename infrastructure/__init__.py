"""Where Phoenix runs: one machine, or Google Cloud."""
