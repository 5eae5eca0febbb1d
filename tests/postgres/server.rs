//! A PostgreSQL of one's own: made in a folder of its own, reached by a socket in it, gone with it.

#![allow(dead_code, reason = "each test binary has its own copy of this file, and not all use all of it")]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};

/// A running server. It ends when this is dropped.
pub struct Server {
    folder: TempDir,
    process: Child,
    port: Option<u16>,
}

/// Who must show what; a user named `app` his password, over TCP.
const RULES: &str = "local all all trust\nhost all app 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where Debian keeps the server's programs, newest first.
fn programs() -> PathBuf {
    let mut versions: Vec<PathBuf> =
        std::fs::read_dir("/usr/lib/postgresql").unwrap().map(|entry| entry.unwrap().path().join("bin")).collect();
    versions.sort();
    versions.pop().expect("PostgreSQL is installed: apt-get install postgresql")
}

/// The server refuses to run as root: then it runs as Debian's `postgres`.
fn unprivileged() -> Option<(u32, u32)> {
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let root = own.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(1) == Some("0"));
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let user = users.lines().find(|line| line.starts_with("postgres:")).filter(|_| root)?;
    let fields: Vec<&str> = user.split(':').collect();
    Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
}

fn command(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(programs().join(program));
    if let Some((user, group)) = unprivileged() {
        command.uid(user).gid(group);
    }
    command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Server {
    /// Starts a server with an empty database, in the locale `C` and in UTC.
    pub async fn start() -> Self {
        Self::listening(None).await
    }

    /// Starts a server that can be reached over TCP, too.
    pub async fn start_with_tcp() -> Self {
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::listening(Some(port)).await
    }

    /// Where it can be reached over TCP.
    pub fn address(&self) -> std::net::SocketAddr {
        std::net::SocketAddr::from(([127, 0, 0, 1], self.port.expect("it listens on a port")))
    }

    async fn listening(port: Option<u16>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Some((user, group)) = unprivileged() {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let data = folder.path().join("data");
        let made = command("initdb", folder.path())
            .args(["-A", "trust", "-U", "postgres", "--locale=C", "-E", "UTF8", "--no-sync", "-D"])
            .arg(&data)
            .status()
            .unwrap();
        assert!(made.success(), "initdb failed");
        std::fs::write(data.join("pg_hba.conf"), RULES).unwrap();
        let socket = format!("unix_socket_directories={}", folder.path().display());
        let listen = format!("listen_addresses={}", if port.is_some() { "127.0.0.1" } else { "" });
        // The port is part of the socket's name, too.
        let at = format!("port={}", port.unwrap_or(5432));
        let settings =
            [socket.as_str(), listen.as_str(), at.as_str(), "fsync=off", "timezone=UTC", "max_connections=10"];
        let mut server = command("postgres", folder.path());
        server.arg("-D").arg(&data).args(["-c", "default_text_search_config=pg_catalog.english"]);
        settings.iter().for_each(|setting| {
            server.args(["-c", setting]);
        });
        let mut process = server.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let up = log.any(|line| line.contains("ready to accept connections"));
        // Whoever does not read what a process writes stops it in the end.
        std::thread::spawn(move || log.for_each(drop));
        assert!(up, "the server did not come up");
        Self { process, folder, port }
    }

    /// A connection.
    pub async fn connect(&self) -> Client {
        let mut config = Config::new();
        config.host_path(self.folder.path()).port(self.port.unwrap_or(5432)).user("postgres").dbname("postgres");
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}
