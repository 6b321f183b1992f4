//! Why the API did not answer as wished: each with the way out.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::api::ErrorBody;

/// What came instead of an answer.
#[derive(Debug)]
pub enum ClientError {
    /// Nobody listens at the socket.
    Absent {
        /// The socket.
        socket: PathBuf,
    },
    /// The socket belongs to someone else, or can't be opened for another reason.
    Closed {
        /// The socket.
        socket: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// haechi says no, and why.
    Refused {
        /// HTTP status.
        status: u16,
        /// The reason.
        body: ErrorBody,
    },
    /// What answered is not a haechi of this version, or it went away.
    Broken {
        /// The socket.
        socket: PathBuf,
        /// What went wrong.
        why: String,
    },
}

impl ClientError {
    pub(super) fn connect(socket: PathBuf, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::ConnectionRefused
            // The listener closed while the kernel was connecting.
            | io::ErrorKind::ConnectionReset => Self::Absent { socket },
            _ => Self::Closed { socket, source },
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent { socket } => write!(
                f,
                "no haechi answers at {}: is it running? start one with `haechi run`, or name its socket with \
                 --admin-socket / HAECHI_ADMIN_SOCKET",
                socket.display()
            ),
            Self::Closed { socket, source } if source.kind() == io::ErrorKind::PermissionDenied => {
                write!(
                    f,
                    "not allowed to open {}: ask as the user that runs haechi, or as root",
                    socket.display()
                )
            }
            Self::Closed { socket, source } => write!(f, "can't open {}: {source}", socket.display()),
            Self::Refused { body, .. } => f.write_str(&body.error),
            Self::Broken { socket, why } => {
                write!(f, "no usable answer from {}: {why}", socket.display())
            }
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Closed { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_there_is_told_from_not_allowed() {
        let at = |kind: io::ErrorKind| ClientError::connect("/x.sock".into(), kind.into());
        use io::ErrorKind::{ConnectionRefused, ConnectionReset, NotADirectory, NotFound};
        for kind in [NotFound, NotADirectory, ConnectionRefused, ConnectionReset] {
            assert!(matches!(at(kind), ClientError::Absent { .. }), "{kind}");
        }
        assert!(at(io::ErrorKind::PermissionDenied).to_string().starts_with("not allowed to open /x.sock: "));
        assert!(at(io::ErrorKind::WouldBlock).to_string().starts_with("can't open /x.sock: "));
    }
}
