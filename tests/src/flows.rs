//! Flows that last: long downloads, upgraded connections and TCP streams, and a server that does all of it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::pause;

/// Bytes of a [`download`]: at its pace it takes four seconds, longer than a move.
const LARGE: usize = 3 << 20;

static LARGE_BODY: LazyLock<Vec<u8>> = LazyLock::new(|| (0..LARGE).map(byte_at).collect());

/// What stands at a place of a download: no two blocks are equal, so that a lost one shows.
fn byte_at(place: usize) -> u8 {
    u8::try_from(((place / 7) ^ (place / 4099)) % 251).unwrap()
}

/// Serves until the process ends: small answers (`ok`), downloads at `/large`, and what comes back as it came after
/// an upgrade, or on a connection that does not begin with HTTP.
///
/// # Panics
/// When the address can't be had.
pub fn serve_flows(at: SocketAddr) {
    let listener = TcpListener::bind(at).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || converse(stream));
        }
    });
}

fn converse(stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if !line.contains("HTTP/1.1") {
            writer.write_all(line.as_bytes()).ok()?;
            return echo(reader, writer);
        }
        let mut upgrade = false;
        let mut field = String::new();
        while reader.read_line(&mut field).ok()? > 2 {
            upgrade |= field.to_ascii_lowercase().starts_with("upgrade:");
            field.clear();
        }
        if upgrade {
            let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
            writer.write_all(head.as_bytes()).ok()?;
            return echo(reader, writer);
        }
        let body = if line.starts_with("GET /large") { &LARGE_BODY[..] } else { b"ok" };
        write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).ok()?;
        writer.write_all(body).ok()?;
    }
}

fn echo(mut reader: impl Read, mut writer: impl Write) -> Option<()> {
    let mut block = [0; 1024];
    loop {
        let count = reader.read(&mut block).ok().filter(|count| *count > 0)?;
        writer.write_all(&block[..count]).ok()?;
    }
}

/// A TCP connection that fails when it waits longer than `patience`.
///
/// # Errors
/// Nobody is there, or nobody answers.
pub fn stream(to: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    // Small, so that the kernel does not read ahead what the client does not.
    socket.set_recv_buffer_size(32 << 10)?;
    socket.connect_timeout(&to.into(), patience)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(patience))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A connection that was HTTP and is a stream now, as a WebSocket is.
///
/// # Errors
/// As [`stream()`], or another answer than 101.
pub fn upgraded(to: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let mut stream = stream(to, patience)?;
    stream.write_all(b"GET /echo HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")?;
    let head = head(&mut stream)?;
    if head.starts_with("HTTP/1.1 101") { Ok(stream) } else { Err(io::Error::other(head)) }
}

/// Says a word on a stream and hears it back.
///
/// # Errors
/// It does not come back, or is another one.
pub fn speak(stream: &mut TcpStream, word: &str) -> io::Result<()> {
    stream.write_all(word.as_bytes())?;
    let mut back = vec![0; word.len()];
    stream.read_exact(&mut back)?;
    if back == word.as_bytes() { Ok(()) } else { Err(io::Error::other("another word came back")) }
}

/// Byte by byte: what comes after it is the body's.
fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut one = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 4096 {
        stream.read_exact(&mut one)?;
        head.push(one[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Reads slowly, and looks at each byte.
///
/// # Errors
/// The first thing that is not as it was sent.
pub fn download(from: SocketAddr, patience: Duration) -> io::Result<()> {
    let mut stream = stream(from, patience)?;
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: test\r\n\r\n")?;
    let head = head(&mut stream)?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(io::Error::other(head));
    }
    let mut block = vec![0; 32 << 10];
    let mut place = 0;
    while place < LARGE {
        let length = block.len().min(LARGE - place);
        let count = stream.read(&mut block[..length])?;
        if count == 0 {
            return Err(io::Error::other(format!("it ended after {place} bytes")));
        }
        if let Some(wrong) = (0..count).find(|at| block[*at] != byte_at(place + at)) {
            return Err(io::Error::other(format!("another byte at {}", place + wrong)));
        }
        place += count;
        pause(Duration::from_millis(u64::try_from(count).unwrap() * 40 / (32 << 10)));
    }
    Ok(())
}
