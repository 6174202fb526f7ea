"""Code that performs one job type each. Knows the outside world, and nothing of processes, Django or Celery.

A connector is one class with `type` and `run(job) -> dict`; see `base`. Installed packages add theirs through
the entry-point group ``orchestrator.connectors``.
"""
