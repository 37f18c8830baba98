-- What applications on devices reported about a bundle, by name, since ever: left alone when reports expire.

CREATE TABLE window_metrics (
  device TEXT NOT NULL,
  deployment TEXT NOT NULL,
  role TEXT NOT NULL,
  manifest TEXT NOT NULL,
  name TEXT NOT NULL,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  count INTEGER NOT NULL,
  sum REAL NOT NULL,
  sum_squares REAL NOT NULL,
  min REAL NOT NULL,
  max REAL NOT NULL,
  PRIMARY KEY (device, deployment, role, manifest, name)
) STRICT;

CREATE INDEX window_metrics_by_model ON window_metrics (model, version);

-- A device has room for 16 names at a time; runtimes that started anew may have used others. Beyond 64 a name is left out.
CREATE TRIGGER window_metrics_bound BEFORE INSERT ON window_metrics
WHEN (SELECT count(*) FROM window_metrics
      WHERE device = NEW.device AND deployment = NEW.deployment AND role = NEW.role AND manifest = NEW.manifest) >= 64
 AND NOT EXISTS (SELECT 1 FROM window_metrics
      WHERE device = NEW.device AND deployment = NEW.deployment AND role = NEW.role AND manifest = NEW.manifest
        AND name = NEW.name)
BEGIN
  SELECT RAISE(IGNORE);
END;
