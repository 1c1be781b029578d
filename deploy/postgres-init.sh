#!/bin/sh
# Runs once, when the data directory is new: a database for the news and one for Prefect, each with
# a role of its own that is no superuser.
set -eu
psql --no-psqlrc --quiet --username "${POSTGRES_USER:-postgres}" --dbname postgres --set ON_ERROR_STOP=1 <<'SQL'
\getenv news NEWS_PASSWORD
\getenv prefect PREFECT_PASSWORD
CREATE ROLE broadsheet LOGIN PASSWORD :'news';
CREATE ROLE prefect LOGIN PASSWORD :'prefect';
CREATE DATABASE broadsheet OWNER broadsheet;
CREATE DATABASE prefect OWNER prefect;
REVOKE ALL ON DATABASE broadsheet, prefect FROM PUBLIC;
\connect prefect
CREATE EXTENSION pg_trgm;
SQL
