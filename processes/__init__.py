"""The process engine as a Django app: mind (`engine`), rows (`models`), memory (`runtime`) and the doors to it.

Imports go down only; the contracts in `pyproject.toml` say how. This app does not know that Celery exists.
"""
