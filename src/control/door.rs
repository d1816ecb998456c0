//! The watch's side of the socket: who knocks gets one answer, and nobody can hold it up.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{Answer, Body, Request, SOCKET};

/// So many are heard at once; the others wait until one of these is done or out of time.
const AT_ONCE: usize = 4;
/// For the request to come and for its answer to be fetched.
const LONGEST: Duration = Duration::from_secs(3);
/// For the watch to answer: it may have a large file to read.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest request, in bytes.
const LONGEST_LINE: u64 = 4096;
/// After a knock that could not be heard: no descriptors are left, say.
const PAUSE: Duration = Duration::from_secs(1);

/// A question to the watch and the way back.
pub struct Question {
    pub request: Request,
    pub answer: oneshot::Sender<Answer>,
}

/// The open socket; it is gone when this is dropped.
pub struct Door {
    path: PathBuf,
    porter: JoinHandle<()>,
}

impl Door {
    /// Makes the socket, for this user alone. Whoever calls holds the folder's lock: a socket that is there
    /// already was left by a watch that is dead. Errors: no permission, a path too long, something else in its place.
    pub fn open(folder: &Path, questions: mpsc::Sender<Question>) -> io::Result<Self> {
        let path = folder.join(SOCKET);
        let listener = listen(&path)?;
        let porter = tokio::spawn(hear(listener, questions));
        Ok(Self { path, porter })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.porter.abort();
        // What cannot be removed is replaced by the next watch.
        let _ = fs::remove_file(&self.path);
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let address = SockAddr::unix(path)
        .map_err(|_| io::Error::other(format!("{} is too long for a socket: choose a shorter `state_dir`", path.display())))?;
    // The thing itself is looked at, not where a link leads; and no link is followed when the socket is made.
    match fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => fs::remove_file(path)?,
        Ok(_) => return Err(io::Error::other(format!("{} is in the way and is no socket: move it away", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Before it has a name, so that there is no instant at which others could knock.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    socket.bind(&address)?;
    socket.listen(16)?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(socket.into())
}

/// Hears a few at once, until the door is closed.
async fn hear(listener: UnixListener, questions: mpsc::Sender<Question>) {
    let seats = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        // It is never closed.
        let Ok(seat) = seats.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let questions = questions.clone();
        tokio::spawn(async move {
            // Whoever is too slow, or leaves, gets no answer.
            let _ = serve(stream, &questions).await;
            drop(seat);
        });
    }
}

/// One request, one answer.
async fn serve(mut stream: UnixStream, questions: &mpsc::Sender<Question>) -> io::Result<()> {
    let mut line = Vec::new();
    let (from, mut to) = stream.split();
    timeout(LONGEST, BufReader::new(from.take(LONGEST_LINE)).read_until(b'\n', &mut line)).await??;
    let answer = match serde_json::from_slice(&line) {
        Ok(request) => match timeout(PATIENCE, put(request, questions)).await? {
            Some(answer) => answer,
            None => return Ok(()),
        },
        Err(error) => Body::Error(format!("this is no request: {error}")).into(),
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    timeout(LONGEST, to.write_all(&text)).await??;
    to.shutdown().await
}

/// The watch's answer; nothing if it has ended.
async fn put(request: Request, questions: &mpsc::Sender<Question>) -> Option<Answer> {
    let (answer, answered) = oneshot::channel();
    questions.send(Question { request, answer }).await.ok()?;
    answered.await.ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn open(folder: &Path) -> io::Result<Door> {
        Door::open(folder, mpsc::channel(1).0)
    }

    #[tokio::test]
    async fn a_socket_is_for_its_user_and_goes_with_its_watch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SOCKET);
        let door = open(folder.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(door);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_a_dead_watch_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        drop(std::os::unix::net::UnixListener::bind(folder.path().join(SOCKET)).unwrap());
        open(folder.path()).unwrap();
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, precious) = (folder.path().join(SOCKET), folder.path().join("precious"));
        for link_to in [precious.clone(), folder.path().join("nothing")] {
            fs::write(&precious, "kept").unwrap();
            symlink(link_to, &path).unwrap();
            let error = open(folder.path()).err().unwrap().to_string();
            assert!(error.ends_with("is in the way and is no socket: move it away"), "{error}");
            assert!(!folder.path().join("nothing").exists());
            assert_eq!(fs::read_to_string(&precious).unwrap(), "kept");
            fs::remove_file(&path).unwrap();
        }
    }

    #[tokio::test]
    async fn a_path_too_long_is_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let error = open(&folder.path().join("x".repeat(120))).err().unwrap().to_string();
        assert!(error.contains("is too long for a socket: choose a shorter `state_dir`"), "{error}");
    }
}
