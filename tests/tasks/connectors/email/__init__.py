"""The e-mail connector, against an SMTP server in its own process."""
