//! The socket's file: taken, replaced, refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use common::Folder;
use haechi_admin::server::{Server, UnixSocket};
use haechi_admin::{LentDoors, SocketError};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn folder_and_file_are_for_this_user_only() {
    let folder = Folder::new("socket-mode");
    let path = folder.path().join("new/deep/admin.sock");
    let _socket = UnixSocket::claim(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&folder.path().join("new")), 0o700);
}

#[tokio::test]
async fn an_existing_folder_keeps_its_mode() {
    let folder = Folder::new("socket-keep");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let _socket = UnixSocket::claim(&folder.socket()).unwrap();
    assert_eq!(mode(folder.path()), 0o755);
}

#[tokio::test]
async fn a_dead_process_is_replaced() {
    let folder = Folder::new("socket-stale");
    drop(UnixListener::bind(folder.socket()).unwrap());
    assert!(folder.socket().exists(), "std leaves the file, as a crash does");
    let socket = UnixSocket::claim(&folder.socket()).unwrap();
    assert!(std::os::unix::net::UnixStream::connect(folder.socket()).is_ok());
    drop(socket);
    assert!(!folder.socket().exists());
}

#[tokio::test]
async fn a_living_one_is_refused_by_its_process() {
    let folder = Folder::new("socket-use");
    let _first = UnixSocket::claim(&folder.socket()).unwrap();
    let error = UnixSocket::claim(&folder.socket()).unwrap_err();
    let me = std::process::id();
    assert!(matches!(error, SocketError::InUse { pid: Some(pid), .. } if pid == me), "{error}");
    assert!(error.to_string().starts_with(&format!("process {me} serves ")), "{error}");
    assert!(error.to_string().contains("--admin-socket"), "{error}");
    assert!(folder.socket().exists(), "the refused one leaves it alone");
}

#[tokio::test]
async fn one_that_does_not_accept_is_alive_as_well() {
    let folder = Folder::new("socket-full");
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&socket2::SockAddr::unix(folder.socket()).unwrap()).unwrap();
    socket.listen(0).unwrap();
    let _waits = std::os::unix::net::UnixStream::connect(folder.socket()).unwrap();
    let error = UnixSocket::claim(&folder.socket()).unwrap_err();
    assert!(matches!(error, SocketError::InUse { pid: None, .. }), "{error}");
}

#[tokio::test]
async fn other_files_are_never_deleted() {
    let folder = Folder::new("socket-other");
    fs::write(folder.socket(), "precious").unwrap();
    let error = UnixSocket::claim(&folder.socket()).unwrap_err();
    assert!(matches!(error, SocketError::NotASocket { .. }), "{error}");
    assert_eq!(fs::read_to_string(folder.socket()).unwrap(), "precious");

    let link = folder.path().join("link.sock");
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
    let error = UnixSocket::claim(&link).unwrap_err();
    assert!(matches!(error, SocketError::NotASocket { .. }), "{error}");
}

#[tokio::test]
async fn only_its_own_file_goes_with_it() {
    let folder = Folder::new("socket-own");
    let first = UnixSocket::claim(&folder.socket()).unwrap();
    fs::remove_file(folder.socket()).unwrap();
    let _second = UnixSocket::claim(&folder.socket()).unwrap();
    drop(first);
    assert!(folder.socket().exists(), "that of the second");
}

#[tokio::test]
async fn what_a_crash_left_half_done_is_no_obstacle() {
    let folder = Folder::new("socket-half");
    let half = folder.path().join("admin.sock.new");
    drop(UnixListener::bind(&half).unwrap());
    let _socket = UnixSocket::claim(&folder.socket()).unwrap();
    assert!(!half.exists());
}

#[tokio::test]
async fn paths_that_the_kernel_cannot_take_are_refused_by_length() {
    let folder = Folder::new("socket-long");
    let room = 103 - folder.path().as_os_str().len() - 1;
    let fits = folder.path().join("x".repeat(room));
    assert!(UnixSocket::claim(&fits).is_ok());
    let over = folder.path().join("x".repeat(room + 1));
    let error = UnixSocket::claim(&over).unwrap_err();
    assert!(matches!(error, SocketError::TooLong { length: 104, .. }), "{error}");
}

#[tokio::test]
async fn a_file_as_folder_is_said() {
    let folder = Folder::new("socket-file");
    fs::write(folder.path().join("file"), "").unwrap();
    let error = UnixSocket::claim(&folder.path().join("file/admin.sock")).unwrap_err();
    assert!(error.to_string().starts_with("can't make the folder of "), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_starters_one_wins() {
    let folder = Folder::new("socket-race");
    for _ in 0..20 {
        drop(UnixListener::bind(folder.socket()).unwrap());
        let starters: Vec<_> = (0..8)
            .map(|_| {
                let path = folder.socket();
                tokio::task::spawn_blocking(move || UnixSocket::claim(&path))
            })
            .collect();
        let mut won = Vec::new();
        for starter in starters {
            match starter.await.unwrap() {
                Ok(socket) => won.push(socket),
                Err(error) => assert!(matches!(error, SocketError::InUse { .. }), "{error}"),
            }
        }
        assert_eq!(won.len(), 1);
        drop(won);
        assert!(!folder.socket().exists());
    }
}

#[tokio::test]
async fn a_tcp_address_that_is_taken_is_said_and_leaves_no_file() {
    let folder = Folder::new("socket-tcp");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = Server::bind(&folder.socket(), Some(address)).unwrap_err();
    assert!(matches!(error, SocketError::Tcp { .. }), "{error}");
    assert!(error.to_string().contains("`admin.listen`"), "{error}");
    assert!(!folder.socket().exists());
}

/// What another process would get.
fn lent(server: &Server) -> LentDoors {
    server.lend().unwrap().lent
}

#[tokio::test]
async fn a_process_that_took_over_and_failed_leaves_the_file() {
    let folder = Folder::new("socket-heir");
    let server = Server::bind(&folder.socket(), None).unwrap();
    drop(Server::inherit(&folder.socket(), None, lent(&server)).unwrap());
    assert!(folder.socket().exists(), "it failed before it owned anything");

    let heir = Server::inherit(&folder.socket(), None, lent(&server)).unwrap();
    let (before, after) = (server.lend().unwrap(), heir.lend().unwrap());
    before.leave();
    after.own();
    drop(server);
    assert!(folder.socket().exists(), "it is the heir's");
    assert!(std::os::unix::net::UnixStream::connect(folder.socket()).is_ok());
    drop(heir);
    assert!(!folder.socket().exists());
}

#[tokio::test]
async fn only_its_own_socket_is_gone_on_with() {
    let folder = Folder::new("socket-other");
    let (one, other) = (folder.socket(), folder.path().join("other.sock"));
    let server = Server::bind(&one, None).unwrap();
    let _there = Server::bind(&other, None).unwrap();
    let error = Server::inherit(&other, None, lent(&server)).unwrap_err();
    assert!(error.to_string().contains("another socket was passed"), "{error}");
}
