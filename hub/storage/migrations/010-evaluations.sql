-- Evaluations: a version run over a dataset snapshot, beside the champion. They queue here too, so that a restart
-- forgets none.

CREATE TABLE evaluations (
  -- grows with time: the order of the queue
  id TEXT PRIMARY KEY,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  -- why it failed or was cancelled
  code TEXT,
  reason TEXT,
  -- JSON: what was asked for (hub/evaluation/request.ts)
  request TEXT NOT NULL,
  -- sha256 of the snapshot's bytes, and of the manifests of both versions
  dataset TEXT NOT NULL,
  manifest TEXT NOT NULL,
  champion_version INTEGER,
  champion_manifest TEXT,
  -- why it is compared with none
  no_champion TEXT,
  code_version TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  -- JSON: every number (hub/evaluation/result.ts)
  result TEXT,
  FOREIGN KEY (model, version) REFERENCES versions (model, version)
) STRICT;

CREATE INDEX evaluations_by_version ON evaluations (model, version, id);
CREATE INDEX evaluations_waiting ON evaluations (state, id) WHERE state IN ('queued', 'running');
CREATE INDEX evaluations_by_dataset ON evaluations (dataset);
