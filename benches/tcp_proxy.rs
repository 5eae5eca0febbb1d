//! What a hop through our TCP proxy costs, beside a proxy that is `tokio::io::copy_bidirectional` and nothing else,
//! and beside no proxy at all. The three take turns, round after round, in one process; what counts is the CPU time
//! of the whole process per round trip, and the median round trip.
//!
//! Run it with `cargo bench --bench tcp_proxy`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and may fail where it stands")]

use firedrill::units::Seed;
use firedrill::upstream::{TcpProxy, TcpProxyPlan};
use rustix::process::{Resource, getrlimit};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

const ROUNDS: usize = 9;
const CONNECTIONS: usize = 16;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let server = echo().await;
    let plain = plain_proxy(server).await;
    let plan = TcpProxyPlan { name: "bench".into(), listen: "127.0.0.1:0".parse().unwrap(), to: server.to_string() };
    let ours = TcpProxy::start(plan, Vec::new(), Seed(1), |_| {}).await.unwrap();
    let ways = [("direct", server), ("copy_bidirectional", plain), ("firedrill", ours.address())];
    println!("{:>9} {:>20} {:>16} {:>14}", "message", "way", "CPU/round trip", "p50");
    for (size, trips) in [(100, 4_000), (8_000, 3_000), (100_000, 300)] {
        let mut figures = vec![Vec::new(); ways.len()];
        for _ in 0..ROUNDS {
            for (way, (_, address)) in ways.iter().enumerate() {
                figures[way].push(round(*address, size, trips).await);
            }
        }
        let medians: Vec<(f64, f64)> = figures
            .iter()
            .map(|rounds| (median(rounds.iter().map(|r| r.0)), median(rounds.iter().map(|r| r.1))))
            .collect();
        for ((name, _), (cpu, p50)) in ways.iter().zip(&medians) {
            println!("{size:>9} {name:>20} {:>13.2} µs {:>11.1} µs", cpu * 1e6, p50 * 1e6);
        }
        let hop = |way: usize| medians[way].0 - medians[0].0;
        println!("{:>9} CPU of our hop ÷ of copy_bidirectional's: {:.2}", "", hop(2) / hop(1));
    }
    open_many(ours.address(), &ours).await;
}

/// CPU seconds and median seconds of a round trip.
async fn round(address: SocketAddr, size: usize, trips: usize) -> (f64, f64) {
    let before = cpu();
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        tasks.push(tokio::spawn(async move {
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.set_nodelay(true).unwrap();
            let sent = vec![7; size];
            let mut back = vec![0; size];
            let mut times = Vec::with_capacity(trips);
            for _ in 0..trips {
                let began = Instant::now();
                let (mut from, mut to) = socket.split();
                let (wrote, read) = tokio::join!(to.write_all(&sent), from.read_exact(&mut back));
                wrote.unwrap();
                read.unwrap();
                times.push(began.elapsed().as_secs_f64());
            }
            times
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    ((cpu() - before).as_secs_f64() / times.len() as f64, median(times.into_iter()))
}

/// As many connections as the machine allows, up to 5,000, each with a round trip, all open at once.
async fn open_many(address: SocketAddr, proxy: &TcpProxy) {
    // A connection takes two descriptors here, two in the proxy and one at the server.
    let room = getrlimit(Resource::Nofile).current.map_or(5_000, |most| (most.saturating_sub(100) / 4).min(5_000));
    let before = resident();
    let mut sockets = Vec::new();
    for _ in 0..room {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(b"x").await.unwrap();
        socket.read_exact(&mut [0]).await.unwrap();
        sockets.push(socket);
    }
    let each = (resident() - before) / room.max(1) as f64;
    println!("{} connections open at once, {:.1} KiB each (client, proxy and server together)", proxy.open(), each);
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Resident KiB of this process.
fn resident() -> f64 {
    let statm = procfs::process::Process::myself().unwrap().statm().unwrap();
    statm.resident as f64 * procfs::page_size() as f64 / 1024.0
}

async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            socket.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = socket.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

async fn plain_proxy(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await.unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}
