-- What the stages of rollouts are judged by: reports added up per device, and every look with all that went into it.

-- whether it was connected when the stages were drawn (present, away, aside): the draw prefers those that were, so it is
-- part of the stratum that devices are compared within
ALTER TABLE rollout_devices ADD COLUMN standing TEXT NOT NULL DEFAULT 'present';

CREATE TABLE rollout_readings (
  rollout TEXT PRIMARY KEY REFERENCES rollouts (id),
  -- the stage that is counted for, and the how manieth time it has been opened
  stage INTEGER NOT NULL,
  opening INTEGER NOT NULL,
  -- every window report up to this id is added up
  last_window INTEGER NOT NULL,
  -- the past is read from ids above the one up to the other
  past_after INTEGER NOT NULL,
  past_until INTEGER NOT NULL,
  -- the hub has listened without a break since then, and noted so last; hub clock
  listening_since INTEGER NOT NULL,
  listened_at INTEGER NOT NULL,
  -- by how much the hub's clock has jumped since it was read first
  shift_ms INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE rollout_tallies (
  rollout TEXT NOT NULL REFERENCES rollouts (id),
  device TEXT NOT NULL,
  -- the last window of the deployment, whatever ran; hub clock
  heard_at INTEGER,
  -- Counts, CBOR: on what ran before, received before the rollout; NULL while it has not been read
  past BLOB,
  -- Tally, CBOR, and the opening of the stage it is of
  opening INTEGER,
  tally BLOB,
  -- why its numbers are left out of the gates
  suspect TEXT,
  PRIMARY KEY (rollout, device)
) STRICT;

-- A look is never changed, and stays as long as its rollout: it can be judged again from its inputs alone.
CREATE TABLE rollout_looks (
  rollout TEXT NOT NULL REFERENCES rollouts (id),
  -- counts within the rollout
  number INTEGER NOT NULL,
  stage INTEGER NOT NULL,
  opening INTEGER NOT NULL,
  at INTEGER NOT NULL,
  verdict TEXT NOT NULL,
  -- StageInputs, CBOR, deflated
  inputs BLOB NOT NULL,
  PRIMARY KEY (rollout, number)
) STRICT;

CREATE INDEX rollout_looks_by_stage ON rollout_looks (rollout, stage, opening, number);
