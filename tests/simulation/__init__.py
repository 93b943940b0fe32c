"""Deterministic simulation of the real lifecycle and attempts under fault injection."""
