"""The demonstration behind `scripts/demo`: a shop, its packers, and fifty orders that go through one process."""
