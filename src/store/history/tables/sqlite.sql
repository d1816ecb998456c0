-- Times are milliseconds since 1970; slots are minutes or quarters of an hour since then.
CREATE TABLE hosts (
    id INTEGER PRIMARY KEY,
    watch TEXT NOT NULL UNIQUE, -- the identity of its state folder: numbers of incidents are counted there
    name TEXT NOT NULL,
    minutes_until INTEGER, -- every reading before this is rolled up
    quarters_until INTEGER
) STRICT;

CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    host INTEGER NOT NULL,
    digest INTEGER NOT NULL, -- of the three names, which may be too long for an index
    check_name TEXT NOT NULL,
    target TEXT NOT NULL,
    metric TEXT NOT NULL,
    UNIQUE (host, digest)
) STRICT;
CREATE INDEX series_by_name ON series (check_name, target);

-- In the order in which they come: appended at one end, dropped at the other.
CREATE TABLE readings (
    host INTEGER NOT NULL,
    time INTEGER NOT NULL,
    series INTEGER NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (host, time, series)
) STRICT, WITHOUT ROWID;

CREATE TABLE minutes (
    series INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    count INTEGER NOT NULL,
    mean REAL NOT NULL,
    low REAL NOT NULL,
    high REAL NOT NULL,
    PRIMARY KEY (series, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE quarters (
    series INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    count INTEGER NOT NULL,
    mean REAL NOT NULL,
    low REAL NOT NULL,
    high REAL NOT NULL,
    PRIMARY KEY (series, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE incidents (
    host INTEGER NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    check_name TEXT NOT NULL,
    target TEXT NOT NULL,
    target_name TEXT,
    rule TEXT NOT NULL,
    severity TEXT NOT NULL,
    reason TEXT NOT NULL,
    value REAL,
    failures INTEGER NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,
    closed_by TEXT,
    PRIMARY KEY (host, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX incidents_by_time ON incidents (since);
CREATE INDEX incidents_by_check ON incidents (check_name, since);
CREATE INDEX incidents_by_target ON incidents (target, since);
CREATE INDEX incidents_by_kind ON incidents (kind, since);
CREATE INDEX incidents_open ON incidents (since) WHERE until IS NULL;

CREATE TABLE told (
    host INTEGER NOT NULL,
    number INTEGER NOT NULL,
    channel TEXT NOT NULL,
    kind TEXT NOT NULL,
    time INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    cause TEXT,
    PRIMARY KEY (host, number, channel, kind, time)
) STRICT, WITHOUT ROWID;
