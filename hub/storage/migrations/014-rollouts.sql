-- Rollouts that wait for people, run in shadow first, and put aside devices that fail too often.

-- of a draft: whether it takes over devices of other rollouts when it starts
ALTER TABLE rollouts ADD COLUMN supersede INTEGER NOT NULL DEFAULT 0;
-- who started it; of a draft, nobody yet
ALTER TABLE rollouts ADD COLUMN started_by TEXT;
-- when its members were frozen; of a draft, when it was written
ALTER TABLE rollouts ADD COLUMN started_at INTEGER NOT NULL DEFAULT 0;
UPDATE rollouts SET started_by = created_by, started_at = created_at;
-- why it is paused: operator, gate, undecided, budget, rejected, revoked
ALTER TABLE rollouts ADD COLUMN paused_by TEXT;
UPDATE rollouts SET paused_by = 'operator' WHERE state = 'paused';

ALTER TABLE rollout_stages ADD COLUMN held_since INTEGER;
-- who let it begin, where it is held
ALTER TABLE rollout_stages ADD COLUMN released_by TEXT;

-- the first stage in which the version answers there: later than `stage` for a device that is in shadow before
ALTER TABLE rollout_devices ADD COLUMN serves_from INTEGER NOT NULL DEFAULT 0;
UPDATE rollout_devices SET serves_from = stage;
-- what it was last offered as: primary or shadow
ALTER TABLE rollout_devices ADD COLUMN role TEXT NOT NULL DEFAULT 'primary';
-- when it last moved in its attempt, hub time
ALTER TABLE rollout_devices ADD COLUMN progress_at INTEGER;
-- the attempt whose failure an operator has seen and gone on from
ALTER TABLE rollout_devices ADD COLUMN acknowledged_attempt INTEGER;
UPDATE rollout_devices SET acknowledged_attempt = attempt
WHERE state IN ('failed', 'rolled_back', 'timed_out')
  AND rollout IN (SELECT id FROM rollouts WHERE acknowledged_failures > 0);
ALTER TABLE rollouts DROP COLUMN acknowledged_failures;

-- What approvers said of a stage. A rejection voids the approvals before it.
CREATE TABLE rollout_approvals (
  id INTEGER PRIMARY KEY,
  rollout TEXT NOT NULL REFERENCES rollouts (id),
  stage INTEGER NOT NULL,
  approver TEXT NOT NULL,
  -- the approver's name, as the token had it
  name TEXT NOT NULL,
  -- approve or reject
  decision TEXT NOT NULL,
  comment TEXT NOT NULL,
  at INTEGER NOT NULL,
  void INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX rollout_approvals_once ON rollout_approvals (rollout, stage, approver) WHERE void = 0;

-- Failures of any version on a device, since one last succeeded there; the third puts it aside for a day.
CREATE TABLE device_failures (
  device TEXT PRIMARY KEY,
  failures INTEGER NOT NULL,
  aside_until INTEGER
) STRICT;

-- The clock of the machine beside its uptime: a jump of it is none of the time a stage is watched.
CREATE TABLE rollout_clock (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  -- identity of the boot the uptime counts from
  boot TEXT NOT NULL,
  -- clock minus uptime, milliseconds
  offset_ms INTEGER NOT NULL
) STRICT;

-- A rollout begins when it starts, not when its draft is written.
DROP TRIGGER lineage_of_rollouts;
CREATE TRIGGER lineage_of_rollouts AFTER INSERT ON rollouts WHEN NEW.state = 'running'
BEGIN
  INSERT INTO lineage_events (at, job, subject, type) VALUES (NEW.created_at, 'rollout', NEW.id, 'START');
END;
CREATE TRIGGER lineage_of_started_rollouts AFTER UPDATE OF state ON rollouts
WHEN NEW.state = 'running' AND OLD.state IN ('draft', 'awaiting_approval')
BEGIN
  INSERT INTO lineage_events (at, job, subject, type) VALUES (NEW.changed_at, 'rollout', NEW.id, 'START');
END;
DROP TRIGGER lineage_of_ended_rollouts;
CREATE TRIGGER lineage_of_ended_rollouts AFTER UPDATE OF state ON rollouts
WHEN NEW.state IN ('completed', 'rolled_back', 'aborted', 'superseded') AND OLD.state <> NEW.state
  AND OLD.state NOT IN ('draft', 'awaiting_approval')
BEGIN
  INSERT INTO lineage_events (at, job, subject, type) VALUES (
    NEW.changed_at, 'rollout', NEW.id,
    CASE NEW.state WHEN 'completed' THEN 'COMPLETE' WHEN 'rolled_back' THEN 'FAIL' ELSE 'ABORT' END);
END;
