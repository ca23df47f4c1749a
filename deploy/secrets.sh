#!/usr/bin/env bash
# Makes the secrets of docker-compose.yml out of random bytes, once: a file that is
# there stays as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

random() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

# make_secret writes $2 to the file named $1, whole or not at all.
make_secret() {
	if [[ -s secrets/$1 ]]; then return; fi
	printf %s "$2" >"secrets/$1.new"
	chmod 0444 "secrets/$1.new"
	mv "secrets/$1.new" "secrets/$1"
	echo "made secrets/$1"
}

mkdir -p secrets
chmod 0700 secrets
make_secret postgres_password "$(random)"
make_secret jwt "$(random)"
make_secret grafana_password "$(random)"
for login in owner consumer tracker_ws; do
	make_secret "pgpass_$login" "postgres:5432:waybill:waybill_$login:$(random)"
done
