#!/usr/bin/env bash
# What a container is. Further arguments go to the command: `entrypoint.sh worker -Q jobs.http`.
#
#   web       REST API and admin, on PORT (8000)
#   worker    works on jobs and sweeps; as many of them as you like
#   sweep     sweeps only: for installations whose work is all done by external workers
#   migrate   brings the database up to date and ends
#   serve     all in one process: with neither DATABASE_URL nor AMQP_URL, to try things out
#   manage    any command of manage.py: `entrypoint.sh manage createsuperuser`

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mode="${1:-web}"
[ "$#" -eq 0 ] || shift

case "$mode" in
  web)
    exec gunicorn --config python:orchestrator.gunicorn orchestrator.wsgi:application \
      --bind "0.0.0.0:${PORT:-8000}" --workers "${WEB_PROCESSES:-2}" --threads "${WEB_THREADS:-16}" \
      --worker-tmp-dir /dev/shm --no-control-socket --access-logfile - "$@"
    ;;
  worker)
    # SIGTERM would wait for running jobs without limit; as SIGQUIT it waits ORCHESTRATOR_SHUTDOWN_SECONDS.
    export REMAP_SIGTERM=SIGQUIT
    exec celery -A orchestrator worker --pool prefork --concurrency "${WORKER_CONCURRENCY:-8}" "$@"
    ;;
  sweep) exec python manage.py sweep --every "${ORCHESTRATOR_SWEEP_SECONDS:-0.5}" "$@" ;;
  migrate) exec python manage.py migrate --noinput "$@" ;;
  serve) exec python manage.py serve --host 0.0.0.0 --port "${PORT:-8000}" --migrate "$@" ;;
  manage) exec python manage.py "$@" ;;
  *)
    echo "Expected web, worker, sweep, migrate, serve or manage but found '$mode'" >&2
    exit 64
    ;;
esac
