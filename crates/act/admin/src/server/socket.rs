//! The Unix socket's file: who owns it, and how it is taken over from a process that died.
//!
//! The new socket is made beside the place, closed to others, and then renamed into it: at no moment is it
//! open to all, and a dead process's file is replaced in one step. A lock on the folder keeps two starting
//! processes from each replacing the other's fresh file. Refused: a socket that still answers, and any file
//! that is not a socket.

use std::fmt;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FlockOperation, flock};
use rustix::net::sockopt::socket_peercred;
use rustix::process::getuid;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

/// Longest path in bytes: `sun_path` holds 107 and a zero, and the file is made under a name that is longer
/// by [`NEW`].
const MAX_PATH: usize = 107 - NEW.len();

/// Ending of the file before it takes its place.
const NEW: &str = ".new";

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 64;

/// A Unix socket that this process has for its own.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    file: SocketFile,
}

impl UnixSocket {
    /// Takes `path` for this process. The folder is made for this user only if it does not exist; the file
    /// may be opened by this user (and root) only. Needs a tokio runtime.
    ///
    /// # Errors
    /// Another process answers there, something that is not a socket is there, the folder belongs to someone
    /// else, the path is too long, or the system refuses.
    pub fn claim(path: &Path) -> Result<Self, SocketError> {
        let length = path.as_os_str().len();
        if length > MAX_PATH {
            return Err(SocketError::TooLong { path: path.into(), length });
        }
        let failed = |doing: &'static str| {
            let path = path.to_path_buf();
            move |source: io::Error| SocketError::System { doing, path, source }
        };
        let folder = folder(path)?;
        // Closing the folder ends the lock.
        flock(&folder, FlockOperation::LockExclusive)
            .map_err(|error| failed("lock the folder of")(error.into()))?;
        check_free(path)?;
        let listener = listen(path).map_err(failed("listen on"))?;
        let file = SocketFile::of(path).map_err(failed("look at"))?;
        let listener = UnixListener::from_std(listener).map_err(failed("listen on"))?;
        Ok(Self { listener, file })
    }

    /// Goes on with the socket of another process, which stays in its place. The file stays that one's: whoever takes
    /// over and fails must not remove it. Needs a tokio runtime.
    ///
    /// # Errors
    /// It is none, its file is gone, or the system refuses.
    pub fn inherit(path: &Path, socket: OwnedFd) -> Result<Self, SocketError> {
        let failed = |source| SocketError::System { doing: "go on with", path: path.into(), source };
        let listener = StdListener::from(socket);
        let there = listener.local_addr().map_err(failed)?;
        // A socket keeps the name that it was bound by, which is the one before it took its place.
        if there.as_pathname() != Some(&beside(path)) {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "another socket was passed")));
        }
        let file = SocketFile::of(path).map_err(failed)?;
        file.left.store(true, Ordering::Relaxed);
        let listener = UnixListener::from_std(listener).map_err(failed)?;
        Ok(Self { listener, file })
    }

    /// For another process to go on with.
    pub(super) fn lend(&self) -> io::Result<OwnedFd> {
        self.listener.as_fd().try_clone_to_owned()
    }

    /// Whether the file is another process's.
    pub(super) fn left(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.file.left)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    pub(super) fn into_parts(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }
}

/// Removes the file when it is dropped, if it is still the one that this process made.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    /// It is another process's.
    left: Arc<AtomicBool>,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.into(), identity: identity(path)?, left: Arc::default() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.left.load(Ordering::Relaxed) && identity(&self.path).is_ok_and(|now| now == self.identity) {
            // A file that stays behind is replaced by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// The folder, made if need be, opened for the lock.
fn folder(path: &Path) -> Result<File, SocketError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = |source| SocketError::System { doing: "make the folder of", path: path.into(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let open = File::open(folder).map_err(failed)?;
    let owner = open.metadata().map_err(failed)?.uid();
    let me = getuid().as_raw();
    // Under /tmp anyone can be first to make the folder, and its owner can swap files in it.
    if me != 0 && owner != me && owner != 0 {
        return Err(SocketError::Foreign { folder: folder.into(), owner });
    }
    Ok(open)
}

/// Nothing there, or a socket that nobody serves any more.
fn check_free(path: &Path) -> Result<(), SocketError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(SocketError::System { doing: "look at", path: path.into(), source }),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(SocketError::NotASocket { path: path.into() });
        }
        Ok(_) => {}
    }
    match knock(path) {
        // Reset says that the listener closed while the kernel was connecting.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) =>
        {
            Ok(())
        }
        // A full queue has an owner as well, one that does not accept at the moment.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(SocketError::InUse { path: path.into(), pid: None })
        }
        Err(source) => Err(SocketError::System { doing: "ask who serves", path: path.into(), source }),
        Ok(pid) => Err(SocketError::InUse { path: path.into(), pid }),
    }
}

/// Connects without waiting; gives the process that listens, if the kernel tells.
fn knock(path: &Path) -> io::Result<Option<u32>> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.connect(&SockAddr::unix(path)?)?;
    let pid = socket_peercred(&socket).ok().map(|peer| peer.pid.as_raw_nonzero().get());
    Ok(pid.and_then(|pid| u32::try_from(pid).ok()))
}

/// The file before it takes its place.
fn beside(path: &Path) -> PathBuf {
    let mut new = path.as_os_str().to_owned();
    new.push(NEW);
    new.into()
}

fn listen(path: &Path) -> io::Result<StdListener> {
    let new = beside(path);
    // Left by a process that died between the two steps; the lock says that nobody is at it now.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.bind(&SockAddr::unix(&new)?)?;
    fs::set_permissions(&new, Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)?;
    fs::rename(&new, path)?;
    Ok(StdListener::from(OwnedFd::from(socket)))
}

/// Why a door can't be opened.
#[derive(Debug)]
pub enum SocketError {
    /// Another process answers there.
    InUse {
        /// The socket.
        path: PathBuf,
        /// Whose it is, if the kernel tells.
        pid: Option<u32>,
    },
    /// A file of another kind is there; it is not touched.
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// The folder belongs to another user.
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// Its owner's user id.
        owner: u32,
    },
    /// The kernel takes no path of this length.
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its bytes.
        length: usize,
    },
    /// The TCP address can't be had.
    Tcp {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// What the system says of the Unix socket.
    System {
        /// What was tried, as in "can't … PATH".
        doing: &'static str,
        /// The socket.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// How to have a second haechi on one host.
const OTHER: &str = "give this one another socket with --admin-socket or HAECHI_ADMIN_SOCKET";

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { path, pid: Some(pid) } => {
                write!(f, "process {pid} serves {} already: stop it, or {OTHER}", path.display())
            }
            Self::InUse { path, pid: None } => {
                write!(f, "another process serves {} already: stop it, or {OTHER}", path.display())
            }
            Self::NotASocket { path } => {
                write!(f, "{} is not a socket: move it away, or {OTHER}", path.display())
            }
            Self::Foreign { folder, owner } => write!(
                f,
                "{} belongs to user {owner}, who could put another socket in its place: {OTHER}",
                folder.display()
            ),
            Self::TooLong { path, length } => write!(
                f,
                "{} has {length} bytes, and the path of a socket may have {MAX_PATH}: {OTHER}",
                path.display()
            ),
            Self::Tcp { address, source } => {
                write!(
                    f,
                    "can't have {address} for the admin API: {source}; `admin.listen` in the config names it"
                )
            }
            Self::System { doing, path, source } => {
                write!(f, "can't {doing} {}: {source}", path.display())?;
                match source.kind() {
                    io::ErrorKind::PermissionDenied
                    | io::ErrorKind::ReadOnlyFilesystem
                    | io::ErrorKind::NotADirectory => write!(f, "; {OTHER}"),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for SocketError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } | Self::Tcp { source, .. } => Some(source),
            _ => None,
        }
    }
}
