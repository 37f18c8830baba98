-- What was done on a day long ago is found without going through all that was done since.

CREATE INDEX audit_log_by_time ON audit_log (at, seq);
