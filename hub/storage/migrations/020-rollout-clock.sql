-- When the clock was last held beside the uptime, so that a restart of the machine, or a clock that starts anew with it, is
-- told apart from time that passed. NULL: by a hub of before.
ALTER TABLE rollout_clock ADD COLUMN seen_ms INTEGER;
