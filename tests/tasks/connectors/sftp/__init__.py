"""The SFTP connector, against an SFTP server in its own process."""
