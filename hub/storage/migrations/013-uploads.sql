-- Uploads that may be cut and go on (tus 1.0). The bytes are in uploads/<id> below the data folder.

CREATE TABLE uploads (
  id TEXT PRIMARY KEY,
  -- who made it, and nobody else, may go on with it
  principal TEXT NOT NULL,
  -- what it will have: Upload-Length
  size_bytes INTEGER NOT NULL,
  -- bytes that are on disk; what the file has beyond is not counted and cut off
  offset_bytes INTEGER NOT NULL DEFAULT 0,
  -- as sent in Upload-Metadata
  metadata TEXT NOT NULL,
  -- sha256, once all is there; then it is a blob, or about to be
  digest TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX uploads_by_principal ON uploads (principal);
CREATE INDEX uploads_by_expiry ON uploads (expires_at);
