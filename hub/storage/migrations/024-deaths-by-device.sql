-- Each device's are counted apart, so that one that reports thousands hides none of another's.
DROP INDEX device_events_deaths;
CREATE INDEX device_events_deaths ON device_events (device, received_at) WHERE event = 'runtime_died';
