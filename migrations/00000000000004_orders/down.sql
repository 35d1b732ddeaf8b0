DROP TABLE refunds;
DROP TABLE order_events;
DROP TABLE order_hints;
DROP TABLE orders;
DROP FUNCTION orders_guard();
DROP TABLE order_transitions;
