"""The shell connector, with real programs."""
