"""Adapters of the ports, one folder per vendor; only they import a vendor."""
