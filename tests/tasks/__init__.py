"""The hands: workers as real processes, on a real broker."""
