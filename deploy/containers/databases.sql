-- What Dagster and Celery share, and three databases per tenant; a further tenant's are made the same way.
CREATE DATABASE dagster;
CREATE DATABASE celery;
CREATE DATABASE acme_audit;
CREATE DATABASE acme_inbox;
CREATE DATABASE acme_meltano;
