-- Patches from one model file to another, each made once.

-- `patch`: the blob; NULL where there is none worth having, or making it failed, which `reason` says.
CREATE TABLE deltas (
  base TEXT NOT NULL,
  target TEXT NOT NULL,
  patch TEXT,
  size_bytes INTEGER,
  -- the sha256 of every 64 KiB of it, as in a manifest
  chunks TEXT,
  reason TEXT,
  made_at INTEGER NOT NULL,
  -- when a device was last offered it, to the day
  offered_at INTEGER NOT NULL,
  PRIMARY KEY (base, target)
) STRICT;

CREATE INDEX deltas_by_patch ON deltas (patch);
