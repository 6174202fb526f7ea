"""The S3 connector, against an S3-compatible server in its own process."""
