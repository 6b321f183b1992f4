//! Starts that can't be: addresses and sockets that others have, or that this user may not have.

use std::net::{SocketAddr, TcpListener};

use haechi_tests::{Nginx, Node, TempDir, address, get};

use crate::files::good;
use crate::{BINARY, json, open_up, verb, verb_as_nobody};

#[test]
fn a_port_that_another_program_has() {
    let taken = TcpListener::bind(SocketAddr::new(address(), 80)).unwrap();
    let listen = taken.local_addr().unwrap();
    let node = Node::prepared(BINARY, &good(listen, "10.0.0.1:80".parse().unwrap()));
    let run = verb(&node, &["run", "-c", "haechi.yaml"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.err.contains(&format!("listener web can't stand on {listen}: Address already in use")),
        "{run:?}"
    );
    assert!(run.err.contains("`ss -ltnp 'sport = :80'` shows which"), "{run:?}");
    let run = verb(&node, &["run", "-c", "haechi.yaml", "-o", "json"]);
    assert!(run.code == 1 && json(&run)["error"].as_str().unwrap().contains("ss -ltnp"), "{run:?}");
    assert!(!node.folder().join("admin.sock").exists(), "nothing stays behind");
}

#[test]
fn a_port_that_another_haechi_has() {
    let nginx = Nginx::demo("web-1", address());
    let listen = SocketAddr::new(address(), 80);
    let first = Node::start(BINARY, &good(listen, nginx.address));
    // With SO_REUSEPORT alone the kernel would give each of the two half of the connections.
    let second = Node::prepared(BINARY, &good(listen, nginx.address));
    let run = verb(&second, &["run", "-c", "haechi.yaml"]);
    assert!(run.code == 1 && run.err.contains("Address already in use"), "{run:?}");
    for _ in 0..20 {
        assert_eq!(get(listen, "/").unwrap().status, 200);
    }
    assert_eq!(first.status()["generation"], 1);
}

#[test]
fn an_admin_address_that_another_program_has() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let holder = TcpListener::bind(taken).unwrap();
    let listen = SocketAddr::new(address(), 80);
    let config =
        format!("{}admin: {{ listen: \"{taken}\" }}\n", good(listen, "10.0.0.1:80".parse().unwrap()));
    let node = Node::prepared(BINARY, &config);
    let run = verb(&node, &["run", "-c", "haechi.yaml"]);
    assert!(run.code == 1 && run.err.contains(&format!("can't have {taken} for the admin API")), "{run:?}");
    assert!(run.err.contains("`admin.listen` in the config names it"), "{run:?}");
    drop(holder);
}

#[test]
fn a_socket_that_another_haechi_has() {
    let nginx = Nginx::demo("web-1", address());
    let (listen, other) = (SocketAddr::new(address(), 80), SocketAddr::new(address(), 80));
    let node = Node::start(BINARY, &good(listen, nginx.address));
    std::fs::write(node.folder().join("other.yaml"), good(other, nginx.address)).unwrap();
    let run = verb(&node, &["run", "-c", "other.yaml"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains(&format!("process {} serves ", node.pid())), "{run:?}");
    assert!(run.err.contains("--admin-socket or HAECHI_ADMIN_SOCKET"), "{run:?}");
    assert!(get(other, "/").is_err(), "it never served");
    assert_eq!(node.status()["pid"], node.pid(), "the first one still answers");
    let file = node.folder().join("other.yaml");
    let socket = node.folder().join("haechi.yaml");
    let words = ["run", "-c", file.to_str().unwrap(), "--admin-socket", socket.to_str().unwrap()];
    let run = verb(&node, &words);
    assert!(run.code == 1 && run.err.contains("is not a socket: move it away"), "{run:?}");
    assert!(socket.exists(), "a file that is not ours is not touched");
}

#[test]
fn a_socket_path_that_no_kernel_takes() {
    let node = Node::prepared(BINARY, &good(SocketAddr::new(address(), 80), "10.0.0.1:80".parse().unwrap()));
    let long = node.folder().join("x".repeat(120));
    let run = verb(&node, &["run", "-c", "haechi.yaml", "--admin-socket", long.to_str().unwrap()]);
    assert_eq!(run.code, 1, "{run:?}");
    let length = long.as_os_str().len();
    assert!(run.err.contains(&format!("has {length} bytes, and the path of a socket may have ")), "{run:?}");
    let asked = verb(&node, &["status", "--admin-socket", long.to_str().unwrap()]);
    assert!(asked.code == 1 && asked.err.starts_with("error: "), "{asked:?}");
}

#[test]
fn a_socket_folder_that_is_not_ours_to_write() {
    let folder = TempDir::new("nobody");
    let shut = folder.path().join("shut");
    std::fs::create_dir(&shut).unwrap();
    open_up(&shut, 0o555);
    let socket = shut.join("admin.sock");
    let listen = format!("{}:8080", address());
    let words =
        ["run", "--listen", &listen, "--to", "10.0.0.1:80", "--admin-socket", socket.to_str().unwrap()];
    let run = verb_as_nobody(&folder, &words);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains(&format!("{}: Permission denied", socket.display())), "{run:?}");
    assert!(run.err.contains("--admin-socket or HAECHI_ADMIN_SOCKET"), "{run:?}");
}

#[test]
fn a_file_that_this_user_may_not_read() {
    let folder = TempDir::new("nobody");
    let file = folder.path().join("haechi.yaml");
    std::fs::write(&file, good(SocketAddr::new(address(), 8080), "10.0.0.1:80".parse().unwrap())).unwrap();
    open_up(&file, 0o000);
    for verb in ["check", "run"] {
        let output = verb_as_nobody(&folder, &[verb, "-c", "haechi.yaml"]);
        let says = "haechi.yaml: permission denied; haechi must be able to read it";
        assert!(output.code == 1 && output.err.contains(says), "{verb}: {output:?}");
    }
}

#[test]
fn a_port_that_needs_a_right() {
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if first.trim().parse::<u16>().unwrap() <= 80 {
        // Here anyone may have port 80 (container runtimes set this), so there is nothing to refuse.
        return;
    }
    let folder = TempDir::new("nobody");
    let listen = format!("{}:80", address());
    let run = verb_as_nobody(&folder, &["run", "--listen", &listen, "--to", "10.0.0.1:80"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains(&format!("listener web can't stand on {listen}: Permission denied")), "{run:?}");
    assert!(run.err.contains("ports below 1024 need root or CAP_NET_BIND_SERVICE"), "{run:?}");
}

#[test]
fn an_address_that_is_on_another_node() {
    let nginx = Nginx::demo("web-1", address());
    // For documentation (RFC 5737): a machine that has it is set up wrongly.
    let config = good("203.0.113.7:8080".parse().unwrap(), nginx.address);
    let node = Node::prepared(BINARY, &config);
    let run = verb(&node, &["run", "-c", "haechi.yaml"]);
    assert!(run.code == 1 && run.err.contains("can't stand on 203.0.113.7:8080"), "{run:?}");
    assert!(run.err.contains("one that a virtual router moves must stand in its `addresses`"), "{run:?}");

    let router = "{ id: 51, interface: eth0, addresses: 203.0.113.7/24, priority: 150 }";
    let node = Node::start(BINARY, &format!("{config}virtualRouters: {{ edge: {router} }}\n"));
    assert_eq!(node.status()["generation"], 1, "it serves as soon as the address comes");
}
