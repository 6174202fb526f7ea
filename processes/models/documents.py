"""Binary results of jobs, kept beside the variables, which hold references to them."""

from __future__ import annotations

from django.db import models

from processes.models.instances import ProcessInstance


class Document(models.Model):
    """Bytes with a name and a content type. Never changed; gone with its instance.

    An attempt that is repeated stores the same again, which is the same document.
    """

    instance = models.ForeignKey(ProcessInstance, on_delete=models.CASCADE, related_name="documents", db_index=False)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the content, in hex.")
    content_type = models.CharField(max_length=255)
    file_name = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    content = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["instance", "digest", "content_type", "file_name"], name="document_once")
        ]

    def __str__(self) -> str:
        return self.file_name
