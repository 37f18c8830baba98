-- Models whose versions are sealed, and the content keys of sealed bundles.

ALTER TABLE models ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0 CHECK (sealed IN (0, 1));

-- `locked`: the key, encrypted with the hub's own (keys/seal.key), which is not in this database.
CREATE TABLE sealed_keys (
  manifest TEXT PRIMARY KEY REFERENCES manifests (digest),
  locked BLOB NOT NULL
) STRICT;
