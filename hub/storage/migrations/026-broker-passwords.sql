-- A device's secret as a broker of one's own wants to have it (hub/fleet/mosquitto/password.ts), beside the hub's own
-- hash of the same secret. NULL: the secret was given before there were such brokers.
ALTER TABLE devices ADD COLUMN broker_password TEXT;
ALTER TABLE devices ADD COLUMN next_broker_password TEXT;
