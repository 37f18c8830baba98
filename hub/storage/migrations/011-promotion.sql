-- Promotion: the policy of each model in all its versions, verdicts of its gates with every number, requests for
-- approval with their answers, and every move of a version from stage to stage.

CREATE TABLE promotion_policies (
  model TEXT NOT NULL,
  -- grows with every change: the ETag
  revision INTEGER NOT NULL,
  policy TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (model, revision)
) STRICT;

-- What gates said. The same evidence under the same policy is one row, however often it was looked at.
CREATE TABLE promotion_verdicts (
  id TEXT PRIMARY KEY,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  to_stage TEXT NOT NULL,
  answer TEXT NOT NULL CHECK (answer IN ('pass', 'fail', 'undecided')),
  policy_revision INTEGER NOT NULL,
  -- the newest evaluation, of several variants; NULL: none had been evaluated; there was no champion
  evaluation TEXT,
  champion INTEGER,
  -- sha256 of policy revision, manifests, evaluation, champion and all numbers: what an approval is an approval of
  basis TEXT NOT NULL,
  rules TEXT NOT NULL,
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  UNIQUE (model, version, to_stage, basis)
) STRICT;

CREATE INDEX promotion_verdicts_by_time ON promotion_verdicts (model, version, last_at);

CREATE TABLE promotion_requests (
  id TEXT PRIMARY KEY,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  from_stage TEXT NOT NULL,
  to_stage TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'approved', 'rejected', 'expired', 'superseded', 'revoked')),
  verdict TEXT NOT NULL REFERENCES promotion_verdicts (id),
  policy_revision INTEGER NOT NULL,
  needed INTEGER NOT NULL,
  requested_by TEXT NOT NULL,
  comment TEXT NOT NULL,
  requested_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  closed_at INTEGER,
  reason TEXT
) STRICT;

CREATE INDEX promotion_requests_by_version ON promotion_requests (model, version);
CREATE INDEX promotion_requests_by_state ON promotion_requests (state, id);
-- One open request for a version.
CREATE UNIQUE INDEX promotion_requests_open ON promotion_requests (model, version) WHERE state = 'open';

CREATE TABLE promotion_approvals (
  request TEXT NOT NULL REFERENCES promotion_requests (id),
  approver TEXT NOT NULL,
  -- the name of their token then
  name TEXT NOT NULL,
  decision TEXT NOT NULL CHECK (decision IN ('approve', 'reject')),
  comment TEXT NOT NULL,
  at INTEGER NOT NULL,
  revoked_at INTEGER,
  revoked_by TEXT,
  revoke_reason TEXT,
  PRIMARY KEY (request, approver)
) STRICT, WITHOUT ROWID;

CREATE TABLE promotion_moves (
  seq INTEGER PRIMARY KEY,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  from_stage TEXT NOT NULL,
  to_stage TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('automatic', 'approved', 'manual', 'override', 'displaced', 'revoked', 'restored')),
  actor TEXT NOT NULL,
  reason TEXT NOT NULL,
  verdict TEXT REFERENCES promotion_verdicts (id),
  request TEXT REFERENCES promotion_requests (id),
  -- JSON: the versions this one took the place of, and where its alias pointed before; what undoes the move
  undo TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;

CREATE INDEX promotion_moves_by_version ON promotion_moves (model, version, seq);

-- Versions that nothing moves forward by itself until a person does. `revoked`: no rollout of it may start or go on.
CREATE TABLE promotion_holds (
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('revoked', 'moved-back')),
  -- a revoked approval was one for this stage: the hold ends when the version reaches it anew
  stage TEXT NOT NULL,
  actor TEXT NOT NULL,
  reason TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (model, version)
) STRICT, WITHOUT ROWID;
