"""The real lifecycle and the real attempts in a simulated world, deterministic and hostile."""
