"""The mind: decides what happens next in a process, and nothing else.

Pure: no Django, no clock, no I/O, no randomness. The moment is an argument and keys are counted within the
instance, so the same inputs give the same facts, byte for byte.
"""
