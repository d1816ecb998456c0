-- Targets that were added while the watch ran, beside those of the file.
CREATE TABLE machines (
    check_name TEXT NOT NULL,
    target TEXT NOT NULL,
    paused INTEGER NOT NULL,
    added INTEGER NOT NULL,
    by TEXT NOT NULL,
    PRIMARY KEY (check_name, target)
) STRICT, WITHOUT ROWID;

-- Who changed what, and when.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    what TEXT NOT NULL,
    about TEXT NOT NULL
) STRICT;
CREATE INDEX audit_at ON audit (at);
