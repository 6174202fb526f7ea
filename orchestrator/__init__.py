"""The wiring: settings, Celery application, URLs, servers. Imported by nobody."""
