//! Whose fault it is that a look went wrong, and what a person reads about it.

use std::io;

use rustix::io::Errno;

use super::LookupError;

/// Why a target could not be looked at to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The target is at fault, or the way to it.
    Theirs(String),
    /// This machine is at fault: it says nothing of the target.
    Ours(String),
}

impl From<&io::Error> for Fault {
    fn from(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => Self::Ours("too many open files on this machine".into()),
            Some(Errno::NOBUFS | Errno::NOMEM) => Self::Ours("this machine has no memory left for sockets".into()),
            Some(Errno::ADDRNOTAVAIL) => Self::Ours("this machine has no free port or address to connect from".into()),
            Some(Errno::AFNOSUPPORT) => Self::Ours("this machine does not speak the address's family (IPv6?)".into()),
            Some(Errno::PERM | Errno::ACCESS) => Self::Ours("this machine may not connect there (a local firewall or sandbox)".into()),
            _ => Self::Theirs(in_words(error)),
        }
    }
}

impl From<&LookupError> for Fault {
    fn from(error: &LookupError) -> Self {
        match error {
            LookupError::NoAddress(_) | LookupError::Failed { .. } => Self::Theirs(error.to_string()),
            LookupError::NoAnswer { .. } | LookupError::NoResolver { .. } => Self::Ours(error.to_string()),
        }
    }
}

fn in_words(error: &io::Error) -> String {
    use io::ErrorKind::*;
    match error.kind() {
        ConnectionRefused => "connection refused".into(),
        ConnectionReset | ConnectionAborted => "the connection was reset".into(),
        BrokenPipe | UnexpectedEof => "the connection was closed early".into(),
        HostUnreachable => "the host is unreachable".into(),
        NetworkUnreachable => "the network is unreachable".into(),
        TimedOut => "the connection timed out".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_theirs_and_exhaustion_is_ours() {
        let check = |errno: Errno, expect: Fault| assert_eq!(Fault::from(&io::Error::from(errno)), expect);
        check(Errno::CONNREFUSED, Fault::Theirs("connection refused".into()));
        check(Errno::HOSTUNREACH, Fault::Theirs("the host is unreachable".into()));
        check(Errno::NETUNREACH, Fault::Theirs("the network is unreachable".into()));
        check(Errno::CONNRESET, Fault::Theirs("the connection was reset".into()));
        check(Errno::TIMEDOUT, Fault::Theirs("the connection timed out".into()));
        check(Errno::MFILE, Fault::Ours("too many open files on this machine".into()));
        check(Errno::ADDRNOTAVAIL, Fault::Ours("this machine has no free port or address to connect from".into()));
        check(Errno::ACCESS, Fault::Ours("this machine may not connect there (a local firewall or sandbox)".into()));
    }
}
