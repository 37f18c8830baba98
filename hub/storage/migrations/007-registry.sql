-- What is said about models and versions after they were registered: descriptions, tags, stages, aliases, deletion;
-- the datasets a version was made of; and what each device profile is expected to make of a variant.

ALTER TABLE models ADD COLUMN description TEXT NOT NULL DEFAULT '';
-- grows with every edit: the ETag
ALTER TABLE models ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
-- NULL: never since it was made
ALTER TABLE models ADD COLUMN changed_at INTEGER;
-- hidden since; its name and its numbers stay taken
ALTER TABLE models ADD COLUMN deleted_at INTEGER;

ALTER TABLE versions ADD COLUMN stage TEXT NOT NULL DEFAULT 'development'
  CHECK (stage IN ('development', 'staging', 'production', 'archived'));
ALTER TABLE versions ADD COLUMN framework TEXT;
-- where another registry's client says its files lie (MLflow's `source`)
ALTER TABLE versions ADD COLUMN source TEXT;
ALTER TABLE versions ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
ALTER TABLE versions ADD COLUMN changed_at INTEGER;
ALTER TABLE versions ADD COLUMN deleted_at INTEGER;

CREATE INDEX versions_by_run ON versions (run) WHERE run IS NOT NULL;
CREATE INDEX versions_by_stage ON versions (model, stage, version);

-- JSON: what each device profile makes of this variant, and the hub's own latency with it
ALTER TABLE manifests ADD COLUMN compatibility TEXT NOT NULL DEFAULT '{"hubLatencyMs":null,"profiles":[]}';

CREATE TABLE model_tags (
  model TEXT NOT NULL REFERENCES models (name),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (model, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX model_tags_by_value ON model_tags (key, value);

CREATE TABLE version_tags (
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (model, version, key),
  FOREIGN KEY (model, version) REFERENCES versions (model, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX version_tags_by_value ON version_tags (model, key, value);

CREATE TABLE aliases (
  model TEXT NOT NULL,
  alias TEXT NOT NULL,
  version INTEGER NOT NULL,
  changed_by TEXT NOT NULL,
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (model, alias),
  FOREIGN KEY (model, version) REFERENCES versions (model, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX aliases_by_version ON aliases (model, version);

-- Snapshots by their digest; one of them need not lie in this hub.
CREATE TABLE version_datasets (
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  dataset TEXT NOT NULL,
  -- training, validation, test, or whatever else its author says it was for
  role TEXT NOT NULL,
  PRIMARY KEY (model, version, dataset, role),
  FOREIGN KEY (model, version) REFERENCES versions (model, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX version_datasets_by_dataset ON version_datasets (dataset);
