"""The creation-lifecycle library: every state change and every refund happens here."""
