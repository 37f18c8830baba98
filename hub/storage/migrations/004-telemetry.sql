-- What devices report: how far each outbox has been taken in, window reports, events, and sums that never expire.

CREATE TABLE outbox_positions (
  device TEXT NOT NULL,
  epoch TEXT NOT NULL,
  -- every record up to here is in this database
  seq INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (device, epoch)
) STRICT;

CREATE TABLE window_reports (
  id INTEGER PRIMARY KEY,
  device TEXT NOT NULL,
  deployment TEXT NOT NULL,
  role TEXT NOT NULL,
  manifest TEXT NOT NULL,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  -- device clock
  from_ms INTEGER NOT NULL,
  to_ms INTEGER NOT NULL,
  -- hub clock
  received_at INTEGER NOT NULL,
  ok INTEGER NOT NULL,
  error INTEGER NOT NULL,
  refused INTEGER NOT NULL,
  -- LatencyCounts as JSON, so that sums over many reports are made where they lie
  latency TEXT NOT NULL,
  -- the whole report, CBOR
  body BLOB NOT NULL
) STRICT;

CREATE INDEX window_reports_by_device ON window_reports (device, id);
CREATE INDEX window_reports_by_model ON window_reports (model, version, id);
CREATE INDEX window_reports_by_manifest ON window_reports (manifest, deployment, id);
CREATE INDEX window_reports_by_age ON window_reports (received_at);

-- Counts per device and bundle since ever: small, exact, and left alone when reports expire.
CREATE TABLE window_totals (
  device TEXT NOT NULL,
  deployment TEXT NOT NULL,
  role TEXT NOT NULL,
  manifest TEXT NOT NULL,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  windows INTEGER NOT NULL,
  interrupted INTEGER NOT NULL,
  ok INTEGER NOT NULL,
  error INTEGER NOT NULL,
  refused INTEGER NOT NULL,
  true_positive INTEGER NOT NULL,
  false_positive INTEGER NOT NULL,
  true_negative INTEGER NOT NULL,
  false_negative INTEGER NOT NULL,
  last_to_ms INTEGER NOT NULL,
  PRIMARY KEY (device, deployment, role, manifest)
) STRICT;

CREATE INDEX window_totals_by_model ON window_totals (model, version);

CREATE TABLE device_events (
  id INTEGER PRIMARY KEY,
  device TEXT NOT NULL,
  at INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  event TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;

CREATE INDEX device_events_by_device ON device_events (device, id);
CREATE INDEX device_events_by_age ON device_events (received_at);
