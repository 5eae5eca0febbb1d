//! How well many token streams at once keep their pace, as a client sees it.
//!
//! Of each stream, a token is late by the time at which it came, less its place in the stream times the pace, less
//! what the earliest of them all has. So what counts is every deviation from the pace, whoever causes it: the server,
//! the kernel, and also this client, which shares the machine.

use crate::Options;
use crate::client::chat;
use crate::process::Server;
use hdrhistogram::Histogram;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

/// The numbers of streams that are tried, unless one is asked for.
const LADDER: [usize; 7] = [500, 1_000, 2_000, 4_000, 6_000, 8_000, 10_000];
/// A stream holds its pace if 99 of 100 of its tokens are less late than this.
const HOLDS: Duration = Duration::from_millis(50);

/// What was seen of all streams of one trial.
struct Seen {
    lateness: Histogram<u64>,
    holding: usize,
    ended: usize,
}

/// Tries numbers of streams and prints how late tokens were.
pub fn run(options: &Options) {
    let gap = Duration::from_micros(1_000_000 / options.rate);
    let ladder = options.streams.map_or(LADDER.to_vec(), |one| vec![one]);
    println!("{} tokens/s a stream, {} s each after all are open; lateness in ms", options.rate, options.seconds);
    println!(
        "{:>8} {:>9} {:>8} {:>8} {:>8} {:>8} {:>9} {:>12} {:>12} {:>9}",
        "streams", "tokens/s", "p50", "p90", "p99", "p99.9", "max", "p99 < 50 ms", "server CPU", "RSS MiB"
    );
    for streams in ladder {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(trial(streams, gap, Duration::from_secs(options.seconds)));
    }
}

async fn trial(streams: usize, gap: Duration, lasts: Duration) {
    let server = Server::start("streams", &gap.as_micros().to_string());
    // Opened over some seconds, as users come; measured once all are there.
    let opening = Duration::from_micros(500) * u32::try_from(streams).unwrap_or(u32::MAX);
    let begin = Instant::now();
    let from = begin + opening + Duration::from_secs(1);
    let until = from + lasts;
    let tokens = (opening + lasts + Duration::from_secs(3)).as_micros() / gap.as_micros();
    let request = chat(&format!(
        r#"{{"messages":[{{"role":"user","content":"Go on."}}],"model":"gpt-4o","stream":true,"max_tokens":{tokens}}}"#
    ));
    let request: &'static str = request.leak();
    let tasks: Vec<_> = (0..streams)
        .map(|n| {
            let at = begin + opening.mul_f64(n as f64 / streams as f64);
            tokio::spawn(one(server.address, request, gap, at, from, until))
        })
        .collect();
    sleep_until(from).await;
    let cpu = server.cpu_ns();
    sleep_until(until).await;
    let cpu = Duration::from_nanos(server.cpu_ns() - cpu);
    let rss = server.rss_kib();
    let mut seen = Seen { lateness: histogram(), holding: 0, ended: 0 };
    for task in tasks {
        let Some(lateness) = task.await.unwrap() else {
            seen.ended += 1;
            continue;
        };
        seen.holding += usize::from(Duration::from_micros(lateness.value_at_quantile(0.99)) < HOLDS);
        seen.lateness.add(lateness).unwrap();
    }
    let ms = |quantile| seen.lateness.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "{streams:>8} {:>9.0} {:>8.1} {:>8.1} {:>8.1} {:>8.1} {:>9.1} {:>12} {:>11.0}% {:>9.0}",
        seen.lateness.len() as f64 / lasts.as_secs_f64(),
        ms(0.5),
        ms(0.9),
        ms(0.99),
        ms(0.999),
        seen.lateness.max() as f64 / 1e3,
        seen.holding,
        100.0 * cpu.as_secs_f64() / lasts.as_secs_f64(),
        rss as f64 / 1024.0
    );
    if seen.ended > 0 {
        println!("{:>8} of them ended early", seen.ended);
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 2).unwrap()
}

/// Reads one stream; of its tokens between `from` and `until`, how late each was, in microseconds. `None` if it
/// ended before.
async fn one(
    address: SocketAddr,
    request: &'static str,
    gap: Duration,
    at: Instant,
    from: Instant,
    until: Instant,
) -> Option<Histogram<u64>> {
    sleep_until(at).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = [0; 2048];
    // In microseconds after `at`: when each token came, less when it was due by the pace.
    let mut offsets: Vec<i64> = Vec::with_capacity(1_024);
    let mut first_measured = None;
    let mut tokens = 0_i64;
    let gap = i64::try_from(gap.as_micros()).unwrap();
    loop {
        let read = socket.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        let now = Instant::now();
        if now >= until {
            break;
        }
        if now >= from && first_measured.is_none() {
            first_measured = Some(offsets.len());
        }
        let came = i64::try_from((now - at).as_micros()).unwrap();
        // An event ends with an empty line; the first one is the role, which is no token.
        for _ in buffer[..read].windows(3).filter(|window| *window == b"}\n\n") {
            if tokens > 0 {
                offsets.push(came - (tokens - 1) * gap);
            }
            tokens += 1;
        }
    }
    let earliest = offsets.iter().copied().min()?;
    let mut lateness = histogram();
    for offset in &offsets[first_measured?..] {
        lateness.record(u64::try_from(offset - earliest).unwrap().max(1)).unwrap();
    }
    Some(lateness)
}
