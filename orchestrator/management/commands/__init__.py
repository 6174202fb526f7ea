"""Commands of the wiring: how to run a server."""
