-- Rollouts: state, stages, members, and every decision with what it was based on.

CREATE TABLE rollouts (
  id TEXT PRIMARY KEY,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  deployment TEXT NOT NULL,
  group_name TEXT NOT NULL,
  query TEXT NOT NULL,
  plan TEXT NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  -- failures an operator has seen and gone on from
  acknowledged_failures INTEGER NOT NULL DEFAULT 0,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  -- grows with every change: the ETag
  revision INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE INDEX rollouts_by_state ON rollouts (state);

CREATE TABLE rollout_stages (
  rollout TEXT NOT NULL REFERENCES rollouts (id),
  idx INTEGER NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  admitting_since INTEGER,
  baking_since INTEGER,
  ended_at INTEGER,
  verdict TEXT,
  PRIMARY KEY (rollout, idx)
) STRICT;

CREATE TABLE rollout_devices (
  rollout TEXT NOT NULL REFERENCES rollouts (id),
  device TEXT NOT NULL,
  deployment TEXT NOT NULL,
  stage INTEGER NOT NULL,
  stratum TEXT NOT NULL,
  rank REAL NOT NULL,
  target TEXT NOT NULL,
  -- what was wanted there before; NULL where nothing was
  previous TEXT,
  state TEXT NOT NULL,
  reason TEXT,
  attempt INTEGER NOT NULL DEFAULT 0,
  offered_at INTEGER,
  withdrawn INTEGER NOT NULL DEFAULT 0,
  -- 1 while its rollout may still change what is wanted on the device
  active INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (rollout, device)
) STRICT;

-- One active rollout for a deployment on a device.
CREATE UNIQUE INDEX rollout_devices_active ON rollout_devices (device, deployment) WHERE active = 1;

CREATE TABLE rollout_decisions (
  rollout TEXT NOT NULL REFERENCES rollouts (id),
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (rollout, seq)
) STRICT;
