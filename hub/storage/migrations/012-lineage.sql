-- Lineage is read out of the tables that make it: what it needs are ways in from the other side, and the log of what
-- OpenLineage calls events, with how far each receiver has been told.

CREATE INDEX versions_by_dataset ON versions (dataset) WHERE dataset IS NOT NULL;
CREATE INDEX run_datasets_by_digest ON run_datasets (digest, name);
CREATE INDEX rollouts_by_version ON rollouts (model, version);
CREATE INDEX rollout_devices_by_device ON rollout_devices (device);

-- One row for each beginning and end of a run, registration, evaluation or rollout, in the transaction that makes it:
-- triggers, so that none is forgotten and their order is that of the commits. What an event says is read when it is
-- told.
CREATE TABLE lineage_events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  -- milliseconds since 1970
  at INTEGER NOT NULL,
  job TEXT NOT NULL CHECK (job IN ('run', 'registration', 'evaluation', 'rollout')),
  -- the id of the run, evaluation or rollout; `model/7` of a registration
  subject TEXT NOT NULL,
  type TEXT NOT NULL CHECK (type IN ('START', 'COMPLETE', 'ABORT', 'FAIL'))
) STRICT;

CREATE TABLE lineage_receivers (
  -- sha256 of the address, which may hold a secret
  receiver TEXT PRIMARY KEY,
  -- everything up to here it has taken
  seq INTEGER NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;

-- what is there already tells its beginning and its end
INSERT INTO lineage_events (at, job, subject, type)
SELECT at, job, subject, type FROM (
  SELECT created_at AS at, 'registration' AS job, model || '/' || version AS subject, 'START' AS type, 1 AS place
  FROM versions
  UNION ALL SELECT created_at, 'registration', model || '/' || version, 'COMPLETE', 2 FROM versions
  UNION ALL SELECT created_at, 'rollout', id, 'START', 1 FROM rollouts
  UNION ALL SELECT changed_at, 'rollout', id, CASE state WHEN 'completed' THEN 'COMPLETE' WHEN 'rolled_back' THEN 'FAIL'
      ELSE 'ABORT' END, 2 FROM rollouts WHERE state IN ('completed', 'rolled_back', 'aborted', 'superseded', 'rejected')
  UNION ALL SELECT created_at, 'evaluation', id, 'START', 1 FROM evaluations
  UNION ALL SELECT ended_at, 'evaluation', id, CASE state WHEN 'succeeded' THEN 'COMPLETE' WHEN 'failed' THEN 'FAIL'
      ELSE 'ABORT' END, 2 FROM evaluations WHERE ended_at IS NOT NULL
  UNION ALL SELECT created_at, 'run', id, 'START', 1 FROM runs
  UNION ALL SELECT coalesce(end_time, created_at), 'run', id, CASE status WHEN 'FINISHED' THEN 'COMPLETE'
      WHEN 'FAILED' THEN 'FAIL' ELSE 'ABORT' END, 2 FROM runs WHERE status IN ('FINISHED', 'FAILED', 'KILLED')
) ORDER BY at, subject, place;

CREATE TRIGGER lineage_of_versions AFTER INSERT ON versions
BEGIN
  INSERT INTO lineage_events (at, job, subject, type) VALUES
    (NEW.created_at, 'registration', NEW.model || '/' || NEW.version, 'START'),
    (NEW.created_at, 'registration', NEW.model || '/' || NEW.version, 'COMPLETE');
END;

CREATE TRIGGER lineage_of_runs AFTER INSERT ON runs
BEGIN
  INSERT INTO lineage_events (at, job, subject, type) VALUES (NEW.created_at, 'run', NEW.id, 'START');
  INSERT INTO lineage_events (at, job, subject, type)
  SELECT coalesce(NEW.end_time, NEW.created_at), 'run', NEW.id,
    CASE NEW.status WHEN 'FINISHED' THEN 'COMPLETE' WHEN 'FAILED' THEN 'FAIL' ELSE 'ABORT' END
  WHERE NEW.status IN ('FINISHED', 'FAILED', 'KILLED');
END;

-- a run that goes on after it had ended has another end
CREATE TRIGGER lineage_of_ended_runs AFTER UPDATE OF status ON runs
WHEN NEW.status IN ('FINISHED', 'FAILED', 'KILLED') AND OLD.status <> NEW.status
BEGIN
  INSERT INTO lineage_events (at, job, subject, type) VALUES (
    coalesce(NEW.end_time, CAST(unixepoch('subsec') * 1000 AS INTEGER)), 'run', NEW.id,
    CASE NEW.status WHEN 'FINISHED' THEN 'COMPLETE' WHEN 'FAILED' THEN 'FAIL' ELSE 'ABORT' END);
END;

CREATE TRIGGER lineage_of_rollouts AFTER INSERT ON rollouts
BEGIN
  INSERT INTO lineage_events (at, job, subject, type) VALUES (NEW.created_at, 'rollout', NEW.id, 'START');
END;

CREATE TRIGGER lineage_of_ended_rollouts AFTER UPDATE OF state ON rollouts
WHEN NEW.state IN ('completed', 'rolled_back', 'aborted', 'superseded', 'rejected') AND OLD.state <> NEW.state
BEGIN
  INSERT INTO lineage_events (at, job, subject, type) VALUES (
    NEW.changed_at, 'rollout', NEW.id,
    CASE NEW.state WHEN 'completed' THEN 'COMPLETE' WHEN 'rolled_back' THEN 'FAIL' ELSE 'ABORT' END);
END;

CREATE TRIGGER lineage_of_evaluations AFTER INSERT ON evaluations
BEGIN
  INSERT INTO lineage_events (at, job, subject, type) VALUES (NEW.created_at, 'evaluation', NEW.id, 'START');
END;

CREATE TRIGGER lineage_of_ended_evaluations AFTER UPDATE OF state ON evaluations
WHEN NEW.state IN ('succeeded', 'failed', 'cancelled') AND OLD.state <> NEW.state
BEGIN
  INSERT INTO lineage_events (at, job, subject, type) VALUES (
    coalesce(NEW.ended_at, OLD.created_at), 'evaluation', NEW.id,
    CASE NEW.state WHEN 'succeeded' THEN 'COMPLETE' WHEN 'failed' THEN 'FAIL' ELSE 'ABORT' END);
END;
