-- Experiments as MLflow's clients know them: runs with parameters, tags and metric histories, the models they log,
-- the files they leave. Made for 100,000 runs with ten million metric points: keys are stored once and referred to by
-- number, and what a run's metric is at last has a table of its own, so that searching never reads histories.

CREATE TABLE experiments (
  id INTEGER PRIMARY KEY,
  -- also of a deleted one: its name stays taken
  name TEXT NOT NULL UNIQUE,
  artifact_location TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  -- its runs count as deleted with it
  deleted_at INTEGER
) STRICT;

-- clients that name no experiment use this one
INSERT INTO experiments (id, name, artifact_location, created_at, updated_at)
VALUES (0, 'Default', 'mlflow-artifacts:/0', CAST(unixepoch('subsec') * 1000 AS INTEGER), CAST(unixepoch('subsec') * 1000 AS INTEGER));

CREATE TABLE experiment_tags (
  experiment INTEGER NOT NULL REFERENCES experiments (id),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (experiment, key)
) STRICT, WITHOUT ROWID;

-- `number` is the run within this database, `id` (32 hexadecimal digits) to everybody else. Its files are under
-- `<artifact location of the experiment>/<id>/artifacts`.
CREATE TABLE runs (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  experiment INTEGER NOT NULL REFERENCES experiments (id),
  name TEXT NOT NULL,
  user_id TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')),
  -- as the client says: 0 where it said nothing
  start_time INTEGER NOT NULL,
  end_time INTEGER,
  created_at INTEGER NOT NULL,
  deleted_at INTEGER
) STRICT;

CREATE INDEX runs_by_start ON runs (experiment, start_time DESC, id);

-- The names of metrics, parameters and tags of runs.
CREATE TABLE run_keys (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE run_params (
  run INTEGER NOT NULL REFERENCES runs (number),
  key INTEGER NOT NULL REFERENCES run_keys (id),
  value TEXT NOT NULL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

-- values may be thousands of characters: the beginning finds nearly as well
CREATE INDEX run_params_by_value ON run_params (key, substr(value, 1, 40));

CREATE TABLE run_tags (
  run INTEGER NOT NULL REFERENCES runs (number),
  key INTEGER NOT NULL REFERENCES run_keys (id),
  value TEXT NOT NULL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX run_tags_by_value ON run_tags (key, substr(value, 1, 40));

-- Everything logged; the same point twice is one. No foreign keys: they would cost a lookup a point, and runs and keys
-- are never removed. SQLite has no NaN: `is_nan` is 1 and the value 0 then; infinities are infinities.
CREATE TABLE metric_points (
  run INTEGER NOT NULL,
  key INTEGER NOT NULL,
  step INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  value REAL NOT NULL,
  is_nan INTEGER NOT NULL,
  PRIMARY KEY (run, key, step, timestamp, value, is_nan)
) STRICT, WITHOUT ROWID;

-- The point with the highest step, then timestamp, then value.
CREATE TABLE run_latest_metrics (
  run INTEGER NOT NULL,
  key INTEGER NOT NULL,
  step INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  value REAL NOT NULL,
  is_nan INTEGER NOT NULL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX run_latest_metrics_by_value ON run_latest_metrics (key, is_nan, value);

-- What runs say they were fed with.
CREATE TABLE run_datasets (
  id INTEGER PRIMARY KEY,
  experiment INTEGER NOT NULL REFERENCES experiments (id),
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  source_type TEXT NOT NULL,
  source TEXT NOT NULL,
  schema TEXT,
  profile TEXT,
  UNIQUE (experiment, name, digest)
) STRICT;

CREATE TABLE run_inputs (
  run INTEGER NOT NULL REFERENCES runs (number),
  dataset INTEGER NOT NULL REFERENCES run_datasets (id),
  -- JSON object: text by key
  tags TEXT NOT NULL,
  PRIMARY KEY (run, dataset)
) STRICT, WITHOUT ROWID;

CREATE INDEX run_inputs_by_dataset ON run_inputs (dataset);

-- A model a run made files of. `m-` and 32 hexadecimal digits.
CREATE TABLE logged_models (
  id TEXT PRIMARY KEY,
  experiment INTEGER NOT NULL REFERENCES experiments (id),
  name TEXT NOT NULL,
  model_type TEXT,
  -- the id of the run, as the client said it
  source_run TEXT,
  status TEXT NOT NULL CHECK (status IN ('LOGGED_MODEL_PENDING', 'LOGGED_MODEL_READY', 'LOGGED_MODEL_UPLOAD_FAILED')),
  status_message TEXT,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER
) STRICT;

CREATE INDEX logged_models_by_experiment ON logged_models (experiment, created_at DESC, id);
CREATE INDEX logged_models_by_run ON logged_models (source_run);

CREATE TABLE logged_model_params (
  model TEXT NOT NULL REFERENCES logged_models (id),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (model, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE logged_model_tags (
  model TEXT NOT NULL REFERENCES logged_models (id),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (model, key)
) STRICT, WITHOUT ROWID;

-- Metrics of runs that name a model; written by runs/log-metric and runs/log-batch. `run` is the run's id.
CREATE TABLE logged_model_metrics (
  model TEXT NOT NULL REFERENCES logged_models (id),
  key TEXT NOT NULL,
  run TEXT NOT NULL,
  step INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  value REAL NOT NULL,
  is_nan INTEGER NOT NULL,
  -- empty where none was named
  dataset_name TEXT NOT NULL,
  dataset_digest TEXT NOT NULL,
  PRIMARY KEY (model, key, dataset_name, dataset_digest, step, timestamp, value, is_nan, run)
) STRICT, WITHOUT ROWID;

-- Models a run was given, and those it made.
CREATE TABLE run_input_models (
  run INTEGER NOT NULL REFERENCES runs (number),
  model TEXT NOT NULL,
  PRIMARY KEY (run, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_outputs (
  run INTEGER NOT NULL REFERENCES runs (number),
  model TEXT NOT NULL,
  step INTEGER NOT NULL,
  PRIMARY KEY (run, model)
) STRICT, WITHOUT ROWID;

-- Files of runs and logged models, and what of them a version was registered from, which nothing changes any more:
-- `owner` is the id of a run or of a logged model, or `<model>/<version>`; `path` is relative and normalised.
CREATE TABLE artifacts (
  owner_kind TEXT NOT NULL CHECK (owner_kind IN ('run', 'model', 'version')),
  owner TEXT NOT NULL,
  path TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (owner_kind, owner, path)
) STRICT, WITHOUT ROWID;

CREATE INDEX artifacts_by_blob ON artifacts (sha256);

-- What the planner should expect: rows, then rows for one value of each column of the index, for 100,000 runs. Without
-- it SQLite takes a condition on a metric or a parameter for rare and begins at the wrong end. (ANALYZE of one table
-- makes the table of statistics; of sqlite_schema it reads them again.)
ANALYZE run_keys;
DELETE FROM sqlite_stat1 WHERE tbl = 'run_keys';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('run_keys', 'sqlite_autoindex_run_keys_1', '20 1'),
  ('runs', 'runs_by_start', '100000 100000 1 1'),
  ('runs', 'sqlite_autoindex_runs_1', '100000 1'),
  ('run_params', 'run_params_by_value', '1000000 100000 200'),
  ('run_params', 'run_params', '1000000 10 1'),
  ('run_tags', 'run_tags_by_value', '1000000 100000 200'),
  ('run_tags', 'run_tags', '1000000 10 1'),
  ('metric_points', 'metric_points', '10000000 100 10 1 1 1 1'),
  ('run_latest_metrics', 'run_latest_metrics_by_value', '1000000 100000 100000 2'),
  ('run_latest_metrics', 'run_latest_metrics', '1000000 10 1');
ANALYZE sqlite_schema;
