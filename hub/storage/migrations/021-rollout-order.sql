-- The devices of a rollout in the order in which they take part, without sorting all of them for the next few.
CREATE INDEX rollout_devices_in_order ON rollout_devices (rollout, stage, rank);
