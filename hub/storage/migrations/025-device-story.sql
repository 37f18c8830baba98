-- What is asked of one device: the rollouts it was in, and what they decided about it.

CREATE INDEX rollout_decisions_by_device ON rollout_decisions (detail ->> '$.device', at, rollout, seq)
  WHERE detail ->> '$.device' IS NOT NULL;

-- What began or ceased to serve, among all that devices tell.
CREATE INDEX device_events_service ON device_events (id, at, device)
  WHERE event = 'progress' AND body ->> '$.state' IN ('probation', 'succeeded', 'already_current', 'failed', 'rolled_back');
