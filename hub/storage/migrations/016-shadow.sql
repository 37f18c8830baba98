-- A deployment of a device may have a shadow beside its primary: what is wanted there has a role.

CREATE TABLE desired_by_role (
  device TEXT NOT NULL REFERENCES devices (id),
  deployment TEXT NOT NULL,
  -- primary or shadow
  role TEXT NOT NULL,
  manifest TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  -- of a shadow: the share of the primary's inferences that it repeats; NULL: the device's default
  sample REAL,
  -- the generation that brought it
  generation INTEGER NOT NULL,
  changed_by TEXT NOT NULL,
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (device, deployment, role)
) STRICT;

INSERT INTO desired_by_role (device, deployment, role, manifest, attempt, generation, changed_by, changed_at)
  SELECT device, deployment, 'primary', manifest, attempt, generation, changed_by, changed_at FROM desired;

DROP TABLE desired;
ALTER TABLE desired_by_role RENAME TO desired;

CREATE INDEX desired_by_manifest ON desired (manifest);
