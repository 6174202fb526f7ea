"""The worker client, in processes of its own against a real server."""
