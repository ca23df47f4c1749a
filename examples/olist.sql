-- How the imported orders fared: run it with psql and the postgres URL that the
-- platform prints. A promise for a day is kept until the end of that day.
\set QUIET on
\pset tuples_only on
\pset format unaligned
SELECT format('orders=%s delivered=%s late=%s',
              count(*),
              count(d.delivered_at),
              count(*) FILTER (WHERE d.delivered_on > o.promise_original_on))
  FROM orders o
  LEFT JOIN LATERAL (
       SELECT max(p.delivered_at) AS delivered_at, max(p.delivered_on) AS delivered_on
         FROM shipment_contents c
         JOIN parcels p USING (tenant_id, shipment_id, parcel_id)
        WHERE c.tenant_id = o.tenant_id AND c.order_id = o.order_id AND c.direction = 'outbound'
       ) d ON true
 WHERE o.channel = 'olist';
