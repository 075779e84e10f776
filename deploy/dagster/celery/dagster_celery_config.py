"""Settings of the Celery workers, on PYTHONPATH; dagster.yaml beside it has those of the daemon."""

import os

broker_url = os.environ["DAGSTER_CELERY_BROKER"]
result_backend = os.environ["DAGSTER_CELERY_BACKEND"]

# The task of a lost worker goes to another one, by which Dagster learns that the run was lost.
task_acks_late = True
task_reject_on_worker_lost = True
worker_prefetch_multiplier = 1
