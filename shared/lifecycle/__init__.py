"""The use cases: each a short story over ports, each state change one transaction."""
