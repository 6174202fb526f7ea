"""Settings, all from the environment; with none set, everything runs embedded on SQLite and in one process.

| variable | meaning | default |
|---|---|---|
| `DATABASE_URL` | `postgres://user:password@host/name` or `sqlite:///path` | `sqlite:///var/orchestrator.sqlite3` |
| `AMQP_URL` | the broker; empty: `memory://`, embedded in one process | |
| `SECRET_KEY` | Django's; required unless `DEBUG` | |
| `DEBUG` | development mode | true on the embedded default, else false |
| `ALLOWED_HOSTS` | comma-separated | `localhost,127.0.0.1,[::1]` |
| `CSRF_TRUSTED_ORIGINS` | comma-separated | |
| `TRUST_PROXY` | `1` behind a proxy that sets `X-Forwarded-Proto` | |
| `ORCHESTRATOR_CONNECTORS` | modules with decorated functions, comma-separated | |
| `ORCHESTRATOR_SHELL_COMMANDS` | JSON: names of commands that models may run, and their command lines | none |
| `ORCHESTRATOR_DJANGO_CALLABLES` | dotted paths of functions that models may call, comma-separated | none |
| `ORCHESTRATOR_REMOTE_TYPES` | `type=queue` pairs of job types that Celery apps elsewhere serve | none |
| `ORCHESTRATOR_ELEMENT_TEMPLATES` | folders with further templates for Camunda Modeler, comma-separated | |
| `ORCHESTRATOR_DEPLOY_CHECKS` | dotted paths of what may warn about a model | `tasks.wsdl_check.check` |
| `ORCHESTRATOR_SWEEP_SECONDS` | pause between two sweeps | 0.5 |
| `ORCHESTRATOR_LEASE_SECONDS` | how long a worker may be silent with a job | 60 |
| `ORCHESTRATOR_HINT_SECONDS` | after how long a due job is announced again | 30 |
| `ORCHESTRATOR_MESSAGE_TTL_SECONDS` | how long a message is buffered unless it says so | 3600 |
| `ORCHESTRATOR_JOB_LIMIT_SECONDS` | how long a worker may hold one job in all | 3600 |
| `ORCHESTRATOR_MAX_QUEUE_AGE` | seconds that the oldest due job may wait before new work is refused; 0: any time | 0 |
| `ORCHESTRATOR_DOCUMENT_BYTES` | size of the largest document that is stored | 25000000 |
| `ORCHESTRATOR_COMPLETING_SQL` | whether models may write into this database with `transaction` completing | false |
| `ORCHESTRATOR_SQLITE_FILES` | whether models may name any SQLite file, without a connection | false |
| `ORCHESTRATOR_QUEUES` | `type=queue` pairs that override one queue per job type | |
| `ORCHESTRATOR_QUEUE_PREFIX` | what the names of all queues begin with | `jobs.` |
| `ORCHESTRATOR_REPLIES` | where workers listen for replies: `url#queue`, comma-separated | |
| `ORCHESTRATOR_INBOUND` | `1`: workers also consume the queues of inbound bindings | |
| `ORCHESTRATOR_EARLY_REPLY_SECONDS` | how long a reply is kept for which nobody waits yet | 3600 |
| `ORCHESTRATOR_AUDIT_DAYS` | how long it is kept who did what to the installation, when and why | 365 |
| `ORCHESTRATOR_SHUTDOWN_SECONDS` | how long an embedded server, or a worker on SIGQUIT, waits for running jobs | 30 |
| `ORCHESTRATOR_MAX_WAITING_CLAIMS` | long polls that one web process bears; each holds one of its threads | 12 |
| `ORCHESTRATOR_FIELD_KEYS` | Fernet keys for secrets, comma-separated, the first encrypts; required unless `DEBUG` | |
| `ORCHESTRATOR_PREPARED_STATEMENTS` | `0` behind a pooler that hands out connections by the transaction | true |
| `ORCHESTRATOR_PRIVATE_ADDRESSES` | `allow` or `refuse` calls to loopback and private networks | `allow` with `DEBUG` |
| `ORCHESTRATOR_METRICS_TOKEN` | bearer token for `/metrics`; `public`: nobody is asked; empty: users only | |
| `LOG_LEVEL` | of the root logger | `INFO` |
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

# -- database ----------------------------------------------------------------------------------------------------------

DATABASE_URL = env.str("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'var' / 'orchestrator.sqlite3'}")
_database = environ.Env.db_url_config(DATABASE_URL)
_database.setdefault("OPTIONS", {})
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # WAL lets readers read while one writes; IMMEDIATE takes the one write lock at the start of every transaction, so
    # that a claim is exclusive and nobody meets "database is locked" half-way. FULL: what was committed is on the disk,
    # whatever happens to the power.
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
        **_database["OPTIONS"],
    }
    _name = Path(_database["NAME"])
    if str(_name) != ":memory:":
        _name.parent.mkdir(parents=True, exist_ok=True)
    # A file also in tests: threads and worker processes open connections of their own.
    _database["TEST"] = {"NAME": str(BASE_DIR / "var" / "test.sqlite3")}
    (BASE_DIR / "var").mkdir(exist_ok=True)
else:
    _database["CONN_MAX_AGE"] = 600
    _database["CONN_HEALTH_CHECKS"] = True
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- broker ------------------------------------------------------------------------------------------------------------

AMQP_URL = env.str("AMQP_URL", default="")
EMBEDDED = not AMQP_URL
"""Whether broker and workers live in the web process."""

SHUTDOWN_SECONDS = env.float("ORCHESTRATOR_SHUTDOWN_SECONDS", default=30)

# Everything named CELERY_... is Celery's own setting of that name in lower case.
CELERY_BROKER_URL = AMQP_URL or "memory://"
# The in-memory broker is polled: this is the time that a job may lie there.
CELERY_BROKER_TRANSPORT_OPTIONS = {"polling_interval": 0.02} if EMBEDDED else {}
CELERY_BROKER_HEARTBEAT = 30
# Workers wait for the broker as long as it takes; meanwhile their sweepers go on.
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# Results are variables of the instance. Messages carry a number.
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
# A message is acknowledged when its task begins: from then on the lease of the row tells whether somebody works.
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONSUMER = "orchestrator.broker:JobConsumer"
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = not EMBEDDED
# SIGTERM waits for running jobs without limit; SIGQUIT, or SIGTERM with REMAP_SIGTERM=SIGQUIT, this long.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = SHUTDOWN_SECONDS
# Every task would reconnect to the database without this: Celery's Django fixup closes the connection around each.
CELERY_DB_REUSE_MAX = 1000

# -- web ---------------------------------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=EMBEDDED)
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY:
    if not DEBUG:
        raise ImproperlyConfigured("Expected the environment variable SECRET_KEY to be set when DEBUG is off")
    SECRET_KEY = "only-for-development-on-this-machine-" + "0" * 32
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# Behind a proxy that speaks TLS, and that strips this header from what clients send.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("TRUST_PROXY", default=False) else None
ROOT_URLCONF = "orchestrator.urls"
WSGI_APPLICATION = "orchestrator.wsgi.application"

INSTALLED_APPS = [
    "processes.apps.OperatorAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "csp",
    "processes",
    "tasks",
    "orchestrator",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "csp.middleware.CSPMiddleware",
]

# Nothing inline and nothing from elsewhere, on every page.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

AUTHENTICATION_BACKENDS = ["orchestrator.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# Static files come straight from the packages that own them, unless `collectstatic` has collected them, as images do.
WHITENOISE_USE_FINDERS = DEBUG or not STATIC_ROOT.is_dir()
WHITENOISE_AUTOREFRESH = DEBUG

# Django sets the time zone of the whole process, so anything but UTC would move the stamps of its logs.
TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en"
USE_I18N = True

DATA_UPLOAD_MAX_MEMORY_SIZE = 6 * 1024 * 1024

# -- REST --------------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "processes.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["processes.api.permissions.ModelPermissions"],
    "DEFAULT_RENDERER_CLASSES": ["processes.api.rendering.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["processes.api.parsing.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "processes.api.pagination.NewestFirst",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": ["processes.api.filters.FilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_METADATA_CLASS": None,  # the schema says it all
    "URL_FORMAT_OVERRIDE": None,  # `?format=` is not a filter
    "EXCEPTION_HANDLER": "processes.api.errors.exception_handler",
}
REST_KNOX = {"TOKEN_TTL": None, "AUTH_HEADER_PREFIX": "Token"}
ORCHESTRATOR_API = {
    "MAX_WAITING": env.int("ORCHESTRATOR_MAX_WAITING_CLAIMS", default=12),
    "ELEMENT_TEMPLATES": [
        str(BASE_DIR / "tasks" / "element_templates"),
        *env.list("ORCHESTRATOR_ELEMENT_TEMPLATES", default=[]),
    ],
    "METRICS_TOKEN": env.str("ORCHESTRATOR_METRICS_TOKEN", default=""),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Service-task orchestrator",
    "DESCRIPTION": (
        "Deploy BPMN models, start them, serve their jobs and repair what failed.\n\n"
        "**Who asks.** A program sends `Authorization: Token <token>`; `POST /api/v1/tokens` hands one out for a name "
        "and password. A browser that is logged in sends its session. Reading needs the *view* permission of what is "
        "read, deploying *add process definition*, starting *add process instance*, publishing *add message*, every "
        "other verb *change*: so an external worker needs *change job*.\n\n"
        "**What goes wrong** is `application/problem+json` (RFC 9457) with a stable `code`.\n\n"
        "**Numbers** keep every digit, in both directions: read them as decimals."
    ),
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "processes.api.schema.add_problems",
    ],
    "TAGS": [
        {"name": "process-definitions", "description": "BPMN files and the versions of their processes."},
        {
            "name": "decision-definitions",
            "description": "The versions of DMN decisions; they are deployed with processes.",
        },
        {"name": "process-instances", "description": "Running processes, their variables and their history."},
        {"name": "migrations", "description": "How running instances go on in another version: planned and looked at."},
        {"name": "batches", "description": "The same for many instances, at a pace, each with its result."},
        {
            "name": "jobs",
            "description": "The protocol of external workers: claim, complete, fail, throw error, extend.",
        },
        {"name": "documents", "description": "Binary results of jobs."},
        {"name": "messages", "description": "Messages to instances that wait for them."},
        {"name": "signals", "description": "Signals to everything that waits for them."},
        {"name": "webhooks", "description": "Events of other systems, signed, that become messages."},
        {"name": "user-tasks", "description": "Work for people: who has it, who may take it."},
        {"name": "inbound-bindings", "description": "Which queue, stream or webhook becomes which message."},
        {"name": "incidents", "description": "What needs an operator."},
        {
            "name": "connections",
            "description": "Destinations of connectors: their limits, how they are doing, pause and resume.",
        },
        {"name": "secrets", "description": "Values that models name and nobody can read."},
        {"name": "element-templates", "description": "Forms for Camunda Modeler."},
        {"name": "tokens", "description": "Access for programs."},
        {"name": "audit", "description": "Who did what to the installation, when and why."},
        {"name": "operations", "description": "Probes and metrics."},
    ],
    "ENUM_NAME_OVERRIDES": {
        "InstanceState": "processes.api.schema.INSTANCE_STATES",
        "NodeState": "processes.api.schema.NODE_STATES",
        "JobState": "processes.api.schema.JOB_STATES",
        "ConnectionKind": "processes.api.schema.CONNECTION_KINDS",
        "InboundKind": "processes.api.schema.INBOUND_KINDS",
        "IncidentKind": "processes.api.schema.INCIDENT_KINDS",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# -- engine ------------------------------------------------------------------------------------------------------------

ORCHESTRATOR = {
    # Who announces due jobs: a dotted path, called as Django calls an e-mail backend.
    "DISPATCHER": env.str("ORCHESTRATOR_DISPATCHER", default="tasks.dispatch.CeleryDispatcher"),
    "CONNECTORS": env.list("ORCHESTRATOR_CONNECTORS", default=[]),
    "SHELL_COMMANDS": env.json("ORCHESTRATOR_SHELL_COMMANDS", default={}),
    "DJANGO_CALLABLES": env.list("ORCHESTRATOR_DJANGO_CALLABLES", default=[]),
    "REMOTE_TYPES": env.dict("ORCHESTRATOR_REMOTE_TYPES", default={}),
    # What looks at a model before it is deployed, and may warn: dotted paths.
    "DEPLOY_CHECKS": env.list("ORCHESTRATOR_DEPLOY_CHECKS", default=["tasks.wsdl_check.check"]),
    "SWEEP_EVERY": timedelta(seconds=env.float("ORCHESTRATOR_SWEEP_SECONDS", default=0.5)),
    "LEASE": timedelta(seconds=env.float("ORCHESTRATOR_LEASE_SECONDS", default=60)),
    "HINT_AGAIN": timedelta(seconds=env.float("ORCHESTRATOR_HINT_SECONDS", default=30)),
    "MESSAGE_TTL": timedelta(seconds=env.float("ORCHESTRATOR_MESSAGE_TTL_SECONDS", default=3600)),
    "JOB_LIMIT": timedelta(seconds=env.float("ORCHESTRATOR_JOB_LIMIT_SECONDS", default=3600)),
    # Beyond it new work is refused. Off, because refusing is a contract with callers: what is due is kept however long
    # it waits, many let a night's work pile up on purpose, and only callers know when a result is too late for them.
    "MAX_QUEUE_AGE": timedelta(seconds=env.float("ORCHESTRATOR_MAX_QUEUE_AGE", default=0)),
    # What workers consume beside jobs: queues and streams of replies, as `url#queue`; the queues of inbound bindings.
    "REPLIES": env.list("ORCHESTRATOR_REPLIES", default=[]),
    "INBOUND": env.bool("ORCHESTRATOR_INBOUND", default=False),
    "EARLY_REPLIES": timedelta(seconds=env.float("ORCHESTRATOR_EARLY_REPLY_SECONDS", default=3600)),
    # Who did what to the installation, when and why.
    "AUDIT": timedelta(days=env.float("ORCHESTRATOR_AUDIT_DAYS", default=365)),
    # Of one document: the binary result of a job, kept in the database.
    "DOCUMENT_BYTES": env.int("ORCHESTRATOR_DOCUMENT_BYTES", default=25_000_000),
    # Off, because whoever may deploy a model could then change any table that the database user may change.
    "COMPLETING_SQL": env.bool("ORCHESTRATOR_COMPLETING_SQL", default=False),
    "SQLITE_FILES": env.bool("ORCHESTRATOR_SQLITE_FILES", default=False),
    "QUEUES": env.dict("ORCHESTRATOR_QUEUES", default={}),
    # Keys of the secrets that are kept; the first encrypts, all decrypt. None: made of SECRET_KEY, with DEBUG only.
    "FIELD_KEYS": env.list("ORCHESTRATOR_FIELD_KEYS", default=[]),
    # Whether connectors may call loopback, link-local and private addresses where their connection does not say.
    "PRIVATE_ADDRESSES": env.str("ORCHESTRATOR_PRIVATE_ADDRESSES", default="allow" if DEBUG else "refuse"),
    "PREPARED_STATEMENTS": env.bool("ORCHESTRATOR_PREPARED_STATEMENTS", default=True),
    "QUEUE_PREFIX": env.str("ORCHESTRATOR_QUEUE_PREFIX", default="jobs."),
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "filters": {
        "broken": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: getattr(record, "status_code", None) != 503,
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    # One line for each attempt is enough, and `tasks.jobs` writes it with the names that matter.
    "loggers": {
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        # 503 is said on purpose, and to many at once: what is behind it is logged where it is found, and once.
        "django.request": {"filters": ["broken"]},
    },
}
