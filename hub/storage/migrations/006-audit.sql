-- Every change, each row chained to the one before it by its hash. Rows are only ever appended: the triggers stop
-- mistakes, the chain and its signed head (governance/audit-head.ts) show what was done behind their back.

CREATE TABLE audit_log (
  -- 1, 2, 3, …: a gap is a removed row
  seq INTEGER PRIMARY KEY CHECK (seq > 0),
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  -- '<noun>.<verb>'
  action TEXT NOT NULL,
  -- '<kind>:<name>'
  subject TEXT NOT NULL,
  -- JSON; NULL where there was nothing
  before TEXT,
  after TEXT,
  request_id TEXT,
  -- sha256 over the hash of the row before (32 zero bytes for the first) and all columns above
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE INDEX audit_log_by_actor ON audit_log (actor, seq);
CREATE INDEX audit_log_by_action ON audit_log (action, seq);
CREATE INDEX audit_log_by_subject ON audit_log (subject, seq);

CREATE TRIGGER audit_log_is_not_updated BEFORE UPDATE ON audit_log
BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;

CREATE TRIGGER audit_log_is_not_deleted BEFORE DELETE ON audit_log
BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;

-- also stops INSERT OR REPLACE, whose deletion fires no trigger, and two records made from the same last row
CREATE TRIGGER audit_log_has_no_gap BEFORE INSERT ON audit_log
WHEN NEW.seq <> coalesce((SELECT max(seq) FROM audit_log), 0) + 1
BEGIN SELECT raise(ABORT, 'the audit log is append-only: this is not its next row'); END;

-- JSON arrays that narrow what the role gives; NULL: not narrowed
ALTER TABLE tokens ADD COLUMN scopes TEXT;
ALTER TABLE tokens ADD COLUMN models TEXT;
-- to the minute
ALTER TABLE tokens ADD COLUMN last_used_at INTEGER;
