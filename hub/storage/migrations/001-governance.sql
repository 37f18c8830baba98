-- Who may do what: API tokens, kept only as the sha256 of the token, and the answers to requests that must not
-- be done twice.

CREATE TABLE tokens (
  -- the first 8 characters after roost_: visible, and what a token is looked up by
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('viewer', 'ci', 'operator', 'approver', 'admin')),
  sha256 BLOB NOT NULL,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER
) STRICT;

CREATE TABLE idempotency_keys (
  principal TEXT NOT NULL,
  key TEXT NOT NULL,
  -- sha256 of method, path and, where the body is held in memory, body
  fingerprint TEXT NOT NULL,
  -- NULL while the first request is still being answered
  status INTEGER,
  headers TEXT,
  -- NULL where the answer held a secret, which is never kept
  body TEXT,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (principal, key)
) STRICT;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
