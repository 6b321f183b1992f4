//! A server that does all that the clients ask for: small answers, large ones, and streams that come back.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Bytes of a download: at the pace of the clients it takes longer than the moves.
pub(crate) const LARGE: usize = 3 << 20;

/// What stands at a place of a download: no two blocks are equal, so that a lost one shows.
pub(crate) fn byte_at(place: usize) -> u8 {
    u8::try_from(((place / 7) ^ (place / 4099)) % 251).unwrap()
}

/// Serves until the test ends. A connection that begins with no HTTP is a stream.
pub(crate) fn serve(at: SocketAddr) {
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
    let large: Vec<u8> = (0..LARGE).map(byte_at).collect();
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
        let body = if line.starts_with("GET /large") { &large[..] } else { b"ok" };
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
