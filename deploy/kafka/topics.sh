#!/usr/bin/env bash
# Makes the topics of the platform where they do not exist yet: events by kind of
# subject, and beside each the records that could not be read.
set -euo pipefail

for topic in waybill.orders.v1 waybill.shipments.v1; do
	for name in "$topic" "$topic.dlq"; do
		/opt/kafka/bin/kafka-topics.sh --bootstrap-server "${BOOTSTRAP_SERVER:?}" \
			--create --if-not-exists --topic "$name" \
			--partitions 12 --replication-factor "${REPLICATION_FACTOR:?}" \
			--config cleanup.policy=delete
	done
done
