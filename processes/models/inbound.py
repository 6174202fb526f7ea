"""Where messages come in from outside, and what was received there."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q


class InboundBinding(models.Model):
    """A queue or webhook bound to a message name: what arrives there is published, once.

    The expressions are FEEL over ``body``, ``headers`` (names in lower case) and, for webhooks, ``query``.
    """

    class Kind(models.TextChoices):
        QUEUE = "queue", "queue or stream"
        WEBHOOK = "webhook"

    class Proof(models.TextChoices):
        HMAC = "hmac", "HMAC-SHA256 signature"
        TOKEN = "token", "bearer token"

    class Encoding(models.TextChoices):
        HEX = "hex"
        BASE64 = "base64"

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    enabled = models.BooleanField(default=True)
    url = models.CharField(
        max_length=1000, blank=True, help_text="Of the broker of a queue: amqp, amqps, redis or rediss."
    )
    secret_url = models.CharField(
        max_length=255,
        blank=True,
        verbose_name="secret with the URL",
        help_text="Name of a secret that holds the URL, where it has a password; instead of `url`.",
    )
    queue = models.CharField(
        max_length=255, blank=True, help_text="Queue of RabbitMQ, or stream of Redis, which is read from its beginning."
    )
    path = models.CharField(
        max_length=200,
        blank=True,
        validators=[RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9._/-]*\Z")],
        help_text="Of a webhook: what follows /api/v1/webhooks/.",
    )
    message_name = models.CharField(max_length=255)
    correlation_key = models.TextField(blank=True, help_text="FEEL; blank: none.")
    message_id = models.TextField(
        blank=True,
        help_text="FEEL; what has the same id is the same message. Blank: the id that the broker carries, or else a "
        "digest of the content.",
    )
    variables = models.TextField(blank=True, help_text="FEEL, a context; blank: the body, where it is an object.")
    time_to_live = models.PositiveIntegerField(
        null=True, blank=True, help_text="Seconds that the message is buffered; blank: as set for all messages."
    )
    proof = models.CharField(max_length=16, choices=Proof.choices, default=Proof.HMAC, help_text="Of a webhook.")
    secret_name = models.CharField(max_length=255, blank=True, help_text="Name of the secret key or token.")
    signature_header = models.CharField(max_length=100, default="X-Signature")
    signature_prefix = models.CharField(
        max_length=20, blank=True, help_text="What stands before the signature, such as sha256="
    )
    signature_encoding = models.CharField(max_length=16, choices=Encoding.choices, default=Encoding.HEX)
    timestamp_header = models.CharField(
        max_length=100,
        blank=True,
        help_text="Header with the seconds since 1970; what is signed is then the timestamp, a dot, and the body.",
    )
    tolerance = models.PositiveIntegerField(
        default=300, help_text="Seconds that the timestamp may be off.", validators=[MaxValueValidator(86_400)]
    )
    max_bytes = models.PositiveIntegerField(
        default=1_000_000, validators=[MinValueValidator(1), MaxValueValidator(4_000_000)], help_text="Of a body."
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["path"], condition=Q(kind="webhook"), name="inbound_path_once"),
            models.CheckConstraint(
                condition=Q(kind="queue") & ~Q(queue="") & (~Q(url="") | ~Q(secret_url=""))
                | Q(kind="webhook") & ~Q(path="") & ~Q(secret_name=""),
                name="inbound_binding_complete",
                violation_error_message="A queue needs `queue` and a URL; a webhook needs `path` and `secret_name`.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class InboundReceipt(models.Model):
    """A message was taken over from a binding. The constraint makes it once, for as long as the receipt is kept."""

    binding = models.ForeignKey(InboundBinding, on_delete=models.CASCADE, related_name="receipts")
    digest = models.CharField(max_length=64, help_text="Of the message id.")
    received_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["binding", "digest"], name="inbound_once")]

    def __str__(self) -> str:
        return f"{self.binding_id} / {self.digest}"
