//! Real database servers in folders of their own, on free ports, ended with the test.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use tempfile::TempDir;
use vakhta::store::history::Place;

use crate::program::{left_out, until};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    MariaDb,
    Postgres,
}

pub struct Server {
    make: Make,
    folder: TempDir,
    pub port: u16,
    child: Option<Child>,
    databases: u32,
}

impl Server {
    /// A new, empty server; nothing, and a word about it, where it is not installed.
    pub fn start(make: Make, test: &str) -> Option<Self> {
        if program(make).is_none() {
            let package = if make == Make::MariaDb { "mariadb-server" } else { "postgresql" };
            left_out(test, &format!("{package} is not installed"));
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        if let Some((uid, gid)) = servant(make) {
            chown(folder.path(), Some(uid), Some(gid)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { make, folder, port, child: None, databases: 0 };
        server.prepare();
        server.go_on();
        Some(server)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn prepare(&self) {
        let data = self.data();
        let mut command = match self.make {
            Make::MariaDb => {
                let mut command = as_servant(self.make, "mariadb-install-db");
                command.args(["--no-defaults", "--force", "--auth-root-authentication-method=normal", "--skip-test-db", "--basedir=/usr"]);
                command.arg(format!("--datadir={}", data.display()));
                command
            }
            Make::Postgres => {
                let mut command = as_servant(self.make, program(self.make).unwrap().with_file_name("initdb"));
                command.args(["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--pgdata"]).arg(&data);
                command
            }
        };
        let output = command.current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts it, also again; waits until it answers.
    pub fn go_on(&mut self) {
        let (folder, data) = (self.folder.path(), self.data());
        let mut command = as_servant(self.make, program(self.make).unwrap());
        match self.make {
            Make::MariaDb => command.args([
                "--no-defaults".to_owned(),
                format!("--datadir={}", data.display()),
                format!("--socket={}", folder.join("socket").display()),
                format!("--pid-file={}", folder.join("pid").display()),
                format!("--port={}", self.port),
                "--bind-address=127.0.0.1".to_owned(),
                "--innodb-flush-log-at-trx-commit=2".to_owned(),
                "--skip-log-bin".to_owned(),
            ]),
            Make::Postgres => {
                command.arg("-D").arg(&data).args(["-h", "127.0.0.1", "-F", "-k"]).arg(folder).args(["-p", &self.port.to_string()])
            }
        };
        let log = fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
        self.child = Some(command.spawn().unwrap());
        until("the database server answers", || TcpStream::connect(("127.0.0.1", self.port)).ok());
    }

    /// Ends it as a crash would.
    pub fn crash(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // PostgreSQL's quit aborts everything without writing anything more, and ends its helpers too.
        let signal = if self.make == Make::Postgres { Signal::QUIT } else { Signal::KILL };
        let _ = kill_process(Pid::from_child(&child), signal);
        child.wait().unwrap();
    }

    /// A new database on it.
    pub async fn database(&mut self) -> Place {
        self.databases += 1;
        let name = format!("history_{}", self.databases);
        let mut connection = self.connect(if self.make == Make::MariaDb { "mysql" } else { "postgres" }).await;
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        Place::Server(self.url(&name, self.port))
    }

    /// Statements of its administrator.
    pub async fn execute(&self, statements: &str) {
        let mut connection = self.connect(if self.make == Make::MariaDb { "mysql" } else { "postgres" }).await;
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.unwrap();
    }

    /// The last database, through another port.
    pub fn through(&self, port: u16) -> Place {
        Place::Server(self.url(&format!("history_{}", self.databases), port))
    }

    fn url(&self, name: &str, port: u16) -> String {
        match self.make {
            Make::MariaDb => format!("mysql://root@127.0.0.1:{port}/{name}"),
            Make::Postgres => format!("postgres://postgres@127.0.0.1:{port}/{name}"),
        }
    }

    /// A connection; a server that has just begun to listen may still say no.
    async fn connect(&self, name: &str) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let url = self.url(name, self.port);
        for _ in 0..200 {
            if let Ok(connection) = AnyConnection::connect(&url).await {
                return connection;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("no connection to {url}: {}", fs::read_to_string(self.folder.path().join("log")).unwrap_or_default());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.crash();
    }
}

/// The server's program.
fn program(make: Make) -> Option<PathBuf> {
    if make == Make::MariaDb {
        return ["/usr/sbin/mariadbd", "/usr/local/sbin/mariadbd"].map(PathBuf::from).into_iter().find(|path| path.exists());
    }
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    versions.map(|entry| entry.unwrap().path().join("bin/postgres")).find(|path| path.exists())
}

/// Database servers refuse to be root: whom they run as then.
fn servant(make: Make) -> Option<(u32, u32)> {
    let wanted = if make == Make::MariaDb { "mysql" } else { "postgres" };
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let user = users.lines().find(|line| line.split(':').next() == Some(wanted))?;
    let ids: Vec<u32> = user.split(':').skip(2).take(2).map(|id| id.parse().unwrap()).collect();
    rustix::process::geteuid().is_root().then(|| (ids[0], ids[1]))
}

fn as_servant(make: Make, program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    if let Some((uid, gid)) = servant(make) {
        command.uid(uid).gid(gid);
    }
    command
}
