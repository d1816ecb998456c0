//! The database: how it is opened, brought to the newest tables, and what is wrong with it.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use chrono::Utc;
use sqlx::any::{AnyConnectOptions, AnyQueryResult};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe, ConnectOptions, Connection, SqlSafeStr};
use tokio::time::timeout;

use super::dialect::Dialect;
use super::{FILE, Place};

/// How long the database may take to answer a knock.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long another program may keep the file to itself.
const LOCKED: &str = "PRAGMA busy_timeout = 5000";
/// For a file. What is lost by a power cut is a second of readings, so not every commit waits for the disk.
const PRAGMAS: &str = "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
                       PRAGMA cache_size = -1000; PRAGMA journal_size_limit = 4194304; PRAGMA temp_store = MEMORY;";

/// What is wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It cannot be reached or used now.
    #[error("{0}")]
    Away(String),
    /// Its tables are not made yet.
    #[error("it is empty")]
    Empty,
    /// It will never take this.
    #[error("{0}")]
    Refused(String),
    #[error("its tables were made by a newer vakhta; start the newer program, or name another database")]
    Newer,
}

/// An open database with the newest tables, as one watch writes to it.
pub struct Database {
    pub(super) connection: AnyConnection,
    pub(super) dialect: Dialect,
    pub(super) place: Place,
    /// The number of this watch there.
    pub(super) host: i64,
    /// The numbers of series by their digests.
    pub(super) series: HashMap<i64, i64>,
}

impl Database {
    /// Opens it, brings its tables up to date, and finds the own place in it.
    pub async fn open(place: &Place, watch: &str, name: &str) -> Result<Self, Fault> {
        match Self::open_once(place, watch, name).await {
            Err(Fault::Refused(why)) if place.file().is_some_and(|file| is_senseless(&why) && move_aside(file, &why)) => {
                Self::open_once(place, watch, name).await
            }
            // Whatever it is: it is no fault of the rows that wait.
            Err(Fault::Refused(why)) => Err(Fault::Away(why)),
            other => other,
        }
    }

    async fn open_once(place: &Place, watch: &str, name: &str) -> Result<Self, Fault> {
        let (mut connection, dialect) = connect(place, true).await?;
        migrate(&mut connection, dialect).await.map_err(|error| place.fault_of(error))?;
        let mut database = Self { connection, dialect, place: place.clone(), host: 0, series: HashMap::new() };
        database.host = database.find_host(watch, name).await.map_err(|error| place.fault(&error))?;
        Ok(database)
    }

    async fn find_host(&mut self, watch: &str, name: &str) -> Result<i64, sqlx::Error> {
        let insert = format!("INSERT INTO hosts (watch, name) VALUES (?, ?) {}", self.dialect.unless_there("watch", &["name"]));
        self.run(&insert, |query| query.bind(watch.to_owned()).bind(name.to_owned())).await?;
        let select = self.dialect.numbered("SELECT id FROM hosts WHERE watch = ?");
        sqlx::query_scalar(AssertSqlSafe(select)).bind(watch.to_owned()).fetch_one(&mut self.connection).await
    }

    /// Runs a statement with `?` for its values.
    pub(super) async fn run<'q>(
        &mut self,
        sql: &str,
        bind: impl FnOnce(Query<'q, Any, sqlx::any::AnyArguments>) -> Query<'q, Any, sqlx::any::AnyArguments>,
    ) -> Result<AnyQueryResult, sqlx::Error> {
        let query = sqlx::query(AssertSqlSafe(self.dialect.numbered(sql)));
        bind(query).execute(&mut self.connection).await
    }

    /// How many series this connection has written to.
    pub fn series(&self) -> usize {
        self.series.len()
    }

    pub async fn close(self) {
        // It is closed in any case.
        let _ = self.connection.close().await;
    }
}

/// A connection to where it is kept, to write or only to read.
pub async fn connect(place: &Place, write: bool) -> Result<(AnyConnection, Dialect), Fault> {
    sqlx::any::install_default_drivers();
    let (url, dialect) = place.url(write).map_err(|error| Fault::Away(error.to_string()))?;
    let options = AnyConnectOptions::from_str(&url).map_err(|error| place.fault(&error))?.disable_statement_logging();
    let connected = timeout(PATIENCE, options.connect()).await;
    let mut connection =
        connected.map_err(|_| Fault::Away(format!("no answer within {PATIENCE:?}")))?.map_err(|error| place.fault(&error))?;
    if dialect == Dialect::Sqlite {
        let pragmas = if write { format!("{LOCKED};{PRAGMAS}") } else { LOCKED.to_owned() };
        sqlx::raw_sql(AssertSqlSafe(pragmas)).execute(&mut connection).await.map_err(|error| place.fault(&error))?;
    }
    Ok((connection, dialect))
}

async fn migrate(connection: &mut AnyConnection, dialect: Dialect) -> Result<(), MigrateError> {
    let tables = Migration::new(1, "tables".into(), MigrationType::Simple, dialect.tables().into_sql_str(), false);
    Migrator::with_migrations(vec![tables]).run_direct(None, connection, false).await
}

impl Place {
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Server(_) => None,
        }
    }

    fn url(&self, write: bool) -> std::io::Result<(String, Dialect)> {
        Ok(match self {
            Self::File(path) => {
                let path = std::path::absolute(path)?;
                if write {
                    OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
                }
                (format!("sqlite://{}?mode={}", escaped(&path), if write { "rw" } else { "ro" }), Dialect::Sqlite)
            }
            Self::Server(url) if url.starts_with("postgres") => (url.clone(), Dialect::Postgres),
            Self::Server(url) => (url.clone(), Dialect::MySql),
        })
    }

    /// Where it is, for a person: without the user's name and password.
    pub fn shown(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Server(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("database", ""));
                let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                format!("{scheme}://{}", rest.split('?').next().unwrap_or_default())
            }
        }
    }

    pub(super) fn fault(&self, error: &sqlx::Error) -> Fault {
        let words = self.scrubbed(&error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned()));
        if is_refusal(error) {
            Fault::Refused(words)
        } else if has_no_table(error) {
            Fault::Empty
        } else {
            Fault::Away(words)
        }
    }

    fn fault_of(&self, error: MigrateError) -> Fault {
        match error {
            MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => Fault::Newer,
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => self.fault(&error),
            other => Fault::Away(self.scrubbed(&other.to_string())),
        }
    }

    /// Without the password, whatever a library quotes.
    fn scrubbed(&self, text: &str) -> String {
        let Self::Server(url) = self else { return text.to_owned() };
        let login = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map(|(login, _)| login);
        match login.and_then(|login| login.split_once(':')).map(|(_, password)| password) {
            Some(password) if !password.is_empty() => text.replace(password, "***"),
            _ => text.to_owned(),
        }
    }
}

/// Whether what was asked is at fault, not the database's present state.
fn is_refusal(error: &sqlx::Error) -> bool {
    if matches!(error, sqlx::Error::Encode(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. }) {
        return true;
    }
    let Some(error) = error.as_database_error() else { return false };
    let code = error.code().unwrap_or_default();
    // SQLSTATE: 21 cardinality, 22 data, 23 constraints. Of SQLite: 11 corrupt, 18 too big, 19 constraint, 20 mismatch, 26 not a database.
    match code.parse::<i32>() {
        Ok(number) if code.len() < 5 => [11, 18, 19, 20, 26].contains(&(number & 0xff)),
        _ => ["21", "22", "23"].iter().any(|class| code.starts_with(class)),
    }
}

/// SQLSTATE 42P01 of PostgreSQL and 42S02 of MySQL; SQLite has a number for all that is wrong with a statement.
fn has_no_table(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    ["42P01", "42S02"].contains(&&*error.code().unwrap_or_default()) || error.message().starts_with("no such table")
}

/// SQLite's words for SQLITE_CORRUPT and SQLITE_NOTADB.
fn is_senseless(words: &str) -> bool {
    words.contains("malformed") || words.contains("not a database")
}

/// `history.db.corrupt-20261120T120210`, with its companions.
fn move_aside(file: &Path, why: &str) -> bool {
    let with = |end: &str| PathBuf::from(format!("{}{end}", file.display()));
    let mark = format!(".corrupt-{}", Utc::now().format("%Y%m%dT%H%M%S"));
    for companion in ["-wal", "-shm"] {
        // There need not be one.
        let _ = fs::rename(with(companion), with(&format!("{mark}{companion}")));
    }
    let moved = fs::rename(file, with(&mark)).is_ok();
    if moved {
        tracing::error!(file = FILE, aside = %with(&mark).display(), why, "history cannot be read; it is moved aside and a new one begins");
    }
    moved
}

/// A path as a URL has it.
fn escaped(path: &Path) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).iter();
    bytes.map(|byte| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
