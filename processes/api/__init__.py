"""The REST door: asks the runtime for verbs, reads rows to show them."""
