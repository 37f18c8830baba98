-- Sessions of the dashboard: each stands for a token, and has what the token has, for as long as both hold.

CREATE TABLE sessions (
  -- of the id in the cookie, which is kept nowhere
  sha256 BLOB PRIMARY KEY,
  token TEXT NOT NULL REFERENCES tokens (id),
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX sessions_by_token ON sessions (token, created_at);

-- Codes that sign in once, in place of the token that made them.
CREATE TABLE sign_in_codes (
  sha256 BLOB PRIMARY KEY,
  token TEXT NOT NULL REFERENCES tokens (id),
  expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX sign_in_codes_by_token ON sign_in_codes (token);
