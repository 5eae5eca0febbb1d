//! A client that costs little, so that what is measured is the server: requests are written as they stand, and of an
//! answer only its length is read.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Keep-alive connections that ask at the same time.
pub const CONNECTIONS: usize = 16;

/// `GET` of one row, with the headers that supabase-py sends.
pub const GET_ROW: &str = "GET /rest/v1/items?select=%2A&id=eq.1 HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: \
    application/json\r\naccept-encoding: gzip, deflate\r\nconnection: keep-alive\r\nuser-agent: \
    supabase-py/postgrest-py v2.34.1\r\naccept-profile: public\r\ncontent-profile: public\r\nx-client-info: \
    supabase-py/2.34.1\r\napikey: KEY\r\nauthorization: Bearer KEY\r\n\r\n";

/// A chat completion, with the headers that Python's openai sends.
pub fn chat(body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\naccept-encoding: gzip, \
         deflate\r\nconnection: keep-alive\r\ncontent-type: application/json\r\nuser-agent: OpenAI/Python \
         3.54.0\r\nx-stainless-lang: python\r\nx-stainless-package-version: 3.54.0\r\nx-stainless-os: \
         Linux\r\nx-stainless-arch: x64\r\nx-stainless-runtime: CPython\r\nx-stainless-runtime-version: \
         3.12.3\r\nx-stainless-async: async:asyncio\r\nx-stainless-retry-count: 0\r\nx-stainless-read-timeout: \
         600\r\nauthorization: Bearer sk-firedrill-0000000000000000000000000000\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// One keep-alive connection.
pub struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn to(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket, buffer: vec![0; 16 << 10] }
    }

    /// Asks, and reads the answer to its end. Returns the length of its body.
    pub async fn ask(&mut self, request: &[u8]) -> usize {
        self.socket.write_all(request).await.unwrap();
        let mut filled = 0;
        loop {
            let read = self.socket.read(&mut self.buffer[filled..]).await.unwrap();
            assert!(read > 0, "the server closed the connection");
            filled += read;
            if let Some((head, length)) = head_of(&self.buffer[..filled])
                && filled >= head + length
            {
                return length;
            }
        }
    }
}

/// Where the body begins and how long it is, once the head is there.
fn head_of(seen: &[u8]) -> Option<(usize, usize)> {
    let end = seen.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&seen[..end]).unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    Some((end, length.expect("an answer of a known length")))
}

/// Sends so many requests over all connections; returns the length of the last answer's body.
pub async fn send(connections: &mut [Connection], request: &[u8], requests: u64) -> usize {
    let each = requests / connections.len() as u64;
    let asking = connections.iter_mut().map(|connection| async move {
        let mut length = 0;
        for _ in 0..each {
            length = connection.ask(request).await;
        }
        length
    });
    futures_util::future::join_all(asking).await.pop().unwrap_or(0)
}

/// Connects so often.
pub async fn connect(address: SocketAddr) -> Vec<Connection> {
    futures_util::future::join_all((0..CONNECTIONS).map(|_| Connection::to(address))).await
}
