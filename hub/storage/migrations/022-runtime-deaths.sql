-- Rollouts count them at each look; they are few among many events.
CREATE INDEX device_events_deaths ON device_events (received_at) WHERE event = 'runtime_died';
