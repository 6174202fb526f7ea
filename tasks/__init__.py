"""The hands: Celery tasks and connectors, everything that touches the outside world. No models here.

Reaches processes through `processes.runtime` only.
"""
