CREATE TABLE silences (
    id INTEGER PRIMARY KEY,
    check_name TEXT, -- nothing: every check
    target TEXT, -- nothing: every target
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    by TEXT NOT NULL,
    comment TEXT NOT NULL
) STRICT;

-- The channel takes nothing until someone mends it.
ALTER TABLE refusals ADD COLUMN broken INTEGER NOT NULL DEFAULT 0;
