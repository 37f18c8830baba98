-- Which devices say that they have drifted, without reading what else happened on them.

CREATE INDEX device_events_of_drift ON device_events (device, id) WHERE event = 'drift';
