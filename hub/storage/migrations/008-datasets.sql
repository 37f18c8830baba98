-- Datasets: names, and the snapshots below them. A snapshot is a blob; its schema and statistics were taken when it came.

CREATE TABLE datasets (
  name TEXT PRIMARY KEY,
  description TEXT NOT NULL DEFAULT '',
  -- JSON object of texts
  tags TEXT NOT NULL DEFAULT '{}',
  -- the newest snapshot's number; only grows, so that a number never names two snapshots
  last_version INTEGER NOT NULL DEFAULT 0,
  -- grows with every edit of description and tags: the ETag
  revision INTEGER NOT NULL DEFAULT 1,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE dataset_snapshots (
  dataset TEXT NOT NULL REFERENCES datasets (name),
  version INTEGER NOT NULL,
  -- sha256 of its bytes: the blob. The same bytes may be a snapshot of several datasets.
  digest TEXT NOT NULL,
  format TEXT NOT NULL CHECK (format IN ('csv', 'json-lines', 'parquet')),
  size_bytes INTEGER NOT NULL,
  row_count INTEGER NOT NULL,
  -- JSON: columns with their types and statistics (hub/datasets/documents.ts)
  columns TEXT NOT NULL,
  description TEXT NOT NULL DEFAULT '',
  tags TEXT NOT NULL DEFAULT '{}',
  revision INTEGER NOT NULL DEFAULT 1,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (dataset, version),
  UNIQUE (dataset, digest)
) STRICT;

CREATE INDEX dataset_snapshots_by_digest ON dataset_snapshots (digest);
