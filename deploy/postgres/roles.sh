#!/usr/bin/env bash
# Runs once, when the database is made: the logins of the platform. The owner makes
# the tables; the others are members of the roles that the migrations grant rights
# to, and own nothing. The passwords are the last fields of the logins' pgpass files.
set -euo pipefail

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username postgres --dbname "$POSTGRES_DB" <<'END'
\set owner `cut -d : -f 5 /run/secrets/pgpass_owner`
\set consumer `cut -d : -f 5 /run/secrets/pgpass_consumer`
\set tracker_ws `cut -d : -f 5 /run/secrets/pgpass_tracker_ws`
CREATE ROLE waybill_owner LOGIN CREATEROLE PASSWORD :'owner';
CREATE ROLE waybill_projector NOLOGIN;
CREATE ROLE waybill_reader NOLOGIN;
CREATE ROLE waybill_consumer LOGIN PASSWORD :'consumer' IN ROLE waybill_projector;
CREATE ROLE waybill_tracker_ws LOGIN PASSWORD :'tracker_ws' IN ROLE waybill_reader;
ALTER DATABASE :"DBNAME" OWNER TO waybill_owner;
END
