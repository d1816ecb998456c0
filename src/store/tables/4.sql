-- Who may do what. Passwords are kept as PHC strings; of sessions and tokens only digests are.
CREATE TABLE users (
    name TEXT PRIMARY KEY COLLATE NOCASE,
    role TEXT NOT NULL,
    password TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    digest BLOB PRIMARY KEY,
    user TEXT NOT NULL COLLATE NOCASE,
    since INTEGER NOT NULL,
    seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user);

CREATE TABLE tokens (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    user TEXT NOT NULL COLLATE NOCASE,
    role TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    seen INTEGER
) STRICT;
CREATE INDEX tokens_user ON tokens (user);

-- Wrong passwords in a row, by address and by account.
CREATE TABLE guesses (
    at TEXT PRIMARY KEY,
    wrong INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- From where somebody has logged in: who guesses elsewhere does not hinder them there.
CREATE TABLE familiar (
    user TEXT NOT NULL COLLATE NOCASE,
    address TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (user, address)
) STRICT, WITHOUT ROWID;

-- The one secret that makes the first user.
CREATE TABLE first_login (digest BLOB NOT NULL) STRICT;
