-- Devices, the claims they enrol with, the groups they are in, what is wanted of them and what they report.

CREATE TABLE claims (
  id TEXT PRIMARY KEY,
  token_sha256 BLOB NOT NULL,
  -- labels of the devices enrolled with it, JSON
  labels TEXT NOT NULL,
  uses_max INTEGER NOT NULL,
  uses INTEGER NOT NULL DEFAULT 0,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER
) STRICT;

CREATE TABLE devices (
  id TEXT PRIMARY KEY,
  labels TEXT NOT NULL,
  profile TEXT NOT NULL,
  sign_key BLOB NOT NULL,
  seal_key BLOB NOT NULL,
  secret_sha256 BLOB NOT NULL,
  -- handed out by a rotation and not used yet; it replaces the other one when it is
  next_secret_sha256 BLOB,
  claim TEXT NOT NULL REFERENCES claims (id),
  enrolled_at INTEGER NOT NULL,
  revoked_at INTEGER,
  -- of what is wanted; grows with every change of it
  generation INTEGER NOT NULL DEFAULT 1,
  -- grows with every edit of the labels: the ETag
  revision INTEGER NOT NULL DEFAULT 1,
  -- from the latest hello; NULL before the first
  hello_at INTEGER,
  agent TEXT,
  root_version INTEGER,
  reported_generation INTEGER,
  stale INTEGER,
  last_seen_at INTEGER
) STRICT;

CREATE UNIQUE INDEX devices_by_sign_key ON devices (sign_key);

CREATE TABLE device_groups (
  name TEXT PRIMARY KEY,
  query TEXT NOT NULL,
  description TEXT NOT NULL,
  revision INTEGER NOT NULL DEFAULT 1,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE desired (
  device TEXT NOT NULL REFERENCES devices (id),
  deployment TEXT NOT NULL,
  manifest TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  -- the generation that brought it
  generation INTEGER NOT NULL,
  changed_by TEXT NOT NULL,
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (device, deployment)
) STRICT;

CREATE INDEX desired_by_manifest ON desired (manifest);

-- What devices say: one row for each bundle they ever were asked to run in a deployment.
CREATE TABLE device_deployments (
  device TEXT NOT NULL,
  deployment TEXT NOT NULL,
  manifest TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  state TEXT NOT NULL,
  reason TEXT,
  detail TEXT,
  -- 1 where the device's latest word is that this is what serves in the deployment
  running INTEGER NOT NULL DEFAULT 0,
  -- hub clock, when it was last said to begin to serve; NULL where it never did
  ran_at INTEGER,
  -- hub clock, when the state was reported
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (device, deployment, manifest)
) STRICT;

CREATE INDEX device_deployments_by_manifest ON device_deployments (manifest, deployment);

-- Lowest counter of a model that devices may still install; only rises.
CREATE TABLE counter_floors (
  model TEXT PRIMARY KEY,
  counter INTEGER NOT NULL,
  changed_by TEXT NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;
