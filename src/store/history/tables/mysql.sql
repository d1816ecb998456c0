-- Whole again after a stop in the middle: here a change of tables cannot be taken back.
-- Times are milliseconds since 1970; slots are minutes or quarters of an hour since then.
CREATE TABLE IF NOT EXISTS hosts (
    id BIGINT AUTO_INCREMENT PRIMARY KEY,
    watch VARCHAR(100) NOT NULL UNIQUE, -- the identity of its state folder: numbers of incidents are counted there
    name VARCHAR(255) NOT NULL,
    minutes_until BIGINT, -- every reading before this is rolled up
    quarters_until BIGINT
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS series (
    id BIGINT AUTO_INCREMENT PRIMARY KEY,
    host BIGINT NOT NULL,
    digest BIGINT NOT NULL, -- of the three names, which may be too long for an index
    check_name VARCHAR(255) NOT NULL,
    target VARCHAR(1024) NOT NULL,
    metric VARCHAR(255) NOT NULL,
    UNIQUE (host, digest),
    KEY series_by_name (check_name(100), target(190))
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- In the order in which they come: appended at one end, dropped at the other.
CREATE TABLE IF NOT EXISTS readings (
    host BIGINT NOT NULL,
    time BIGINT NOT NULL,
    series BIGINT NOT NULL,
    value DOUBLE NOT NULL,
    PRIMARY KEY (host, time, series)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS minutes (
    series BIGINT NOT NULL,
    slot BIGINT NOT NULL,
    count BIGINT NOT NULL,
    mean DOUBLE NOT NULL,
    low DOUBLE NOT NULL,
    high DOUBLE NOT NULL,
    PRIMARY KEY (series, slot)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS quarters (
    series BIGINT NOT NULL,
    slot BIGINT NOT NULL,
    count BIGINT NOT NULL,
    mean DOUBLE NOT NULL,
    low DOUBLE NOT NULL,
    high DOUBLE NOT NULL,
    PRIMARY KEY (series, slot)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS incidents (
    host BIGINT NOT NULL,
    number BIGINT NOT NULL,
    kind VARCHAR(100) NOT NULL,
    check_name VARCHAR(255) NOT NULL,
    target VARCHAR(1024) NOT NULL,
    target_name VARCHAR(255),
    rule VARCHAR(255) NOT NULL,
    severity VARCHAR(100) NOT NULL,
    reason TEXT NOT NULL,
    value DOUBLE,
    failures BIGINT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT,
    closed_by VARCHAR(100),
    PRIMARY KEY (host, number),
    KEY incidents_by_time (since),
    KEY incidents_by_check (check_name(100), since),
    KEY incidents_by_target (target(190), since),
    KEY incidents_by_kind (kind, since),
    KEY incidents_open (until, since)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS told (
    host BIGINT NOT NULL,
    number BIGINT NOT NULL,
    channel VARCHAR(100) NOT NULL,
    kind VARCHAR(100) NOT NULL,
    time BIGINT NOT NULL,
    outcome VARCHAR(100) NOT NULL,
    cause TEXT,
    PRIMARY KEY (host, number, channel, kind, time)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
