"""What no one may read: values that models name and only connectors see."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models

SECRET_NAME = r"[A-Za-z_][A-Za-z0-9_.\-]*"
"""What may stand in ``{{secrets.NAME}}``."""


class Secret(models.Model):
    """A named value, encrypted. Written and replaced, never shown."""

    name = models.CharField(
        max_length=255,
        unique=True,
        validators=[RegexValidator(rf"\A{SECRET_NAME}\Z", "Expected a letter, then letters, digits, dots, dashes.")],
    )
    ciphertext = models.TextField(help_text="Fernet tokens; the keys are in the environment.")
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    changed_by = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
