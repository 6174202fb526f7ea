"""The SOAP connector against a real service."""

BINARY = b"\x00\x01\r\n\xff\r\n--not the boundary\r\n"
"""What travels beside an envelope, with everything in it that a careless reader trips over."""
