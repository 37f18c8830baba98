-- Models, their numbered versions, and the manifests that say what each is made of.

CREATE TABLE models (
  name TEXT PRIMARY KEY,
  -- the newest version and the newest manifest's counter; both only grow
  last_version INTEGER NOT NULL,
  last_counter INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE versions (
  model TEXT NOT NULL REFERENCES models (name),
  version INTEGER NOT NULL,
  description TEXT NOT NULL,
  metrics TEXT NOT NULL,
  source_commit TEXT,
  run TEXT,
  dataset TEXT,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (model, version)
) STRICT;

-- One a variant of a version. `payload` is the manifest's exact bytes, `digest` their sha256.
CREATE TABLE manifests (
  digest TEXT PRIMARY KEY,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  variant TEXT NOT NULL,
  counter INTEGER NOT NULL,
  payload BLOB NOT NULL,
  -- the signed envelope; NULL while it awaits its signature
  envelope BLOB,
  signed_at INTEGER,
  -- sha256 of what the manifest says apart from version, counter and time: the same content is the same version
  content TEXT NOT NULL,
  -- what the ONNX file is made of, and what became of the sample
  inspection TEXT NOT NULL,
  baseline TEXT NOT NULL,
  FOREIGN KEY (model, version) REFERENCES versions (model, version),
  UNIQUE (model, version, variant),
  UNIQUE (model, counter),
  UNIQUE (model, content)
) STRICT;

CREATE TABLE manifest_files (
  manifest TEXT NOT NULL REFERENCES manifests (digest),
  role TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  PRIMARY KEY (manifest, role)
) STRICT;

CREATE INDEX manifest_files_by_blob ON manifest_files (sha256);
