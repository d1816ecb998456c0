-- Times are microseconds: since 1970 by the wall clock, or of the watch's own steady clock.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE trackers (
    check_name TEXT NOT NULL,
    target TEXT NOT NULL,
    rule TEXT NOT NULL,
    target_name TEXT,
    up INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    goods INTEGER NOT NULL,
    failing_since INTEGER,
    failing_since_steady INTEGER,
    good_since_steady INTEGER NOT NULL,
    incident INTEGER,
    unbroken_since_steady INTEGER,
    history TEXT, -- [[steady time, value], …]
    PRIMARY KEY (check_name, target, rule)
) STRICT, WITHOUT ROWID;

CREATE TABLE incidents (
    id INTEGER PRIMARY KEY,
    check_name TEXT NOT NULL,
    target TEXT NOT NULL,
    target_name TEXT,
    rule TEXT NOT NULL,
    severity TEXT NOT NULL,
    comment TEXT,
    reason TEXT NOT NULL,
    value REAL,
    unit TEXT NOT NULL,
    failures INTEGER NOT NULL,
    since INTEGER NOT NULL,
    closed_at INTEGER,
    closed_by TEXT
) STRICT;

CREATE TABLE ledger (
    incident INTEGER NOT NULL,
    channel TEXT NOT NULL,
    failed TEXT NOT NULL,
    recovered TEXT NOT NULL,
    reminder TEXT NOT NULL,
    told_at_steady INTEGER NOT NULL,
    PRIMARY KEY (incident, channel)
) STRICT, WITHOUT ROWID;

CREATE TABLE refusals (
    channel TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    since_steady INTEGER,
    retry_at_steady INTEGER,
    cause TEXT
) STRICT, WITHOUT ROWID;
