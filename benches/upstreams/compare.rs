//! CPU time per request and requests per second, side by side.

use crate::Options;
use crate::client::{CONNECTIONS, Connection, GET_ROW, chat, connect, send};
use crate::process::Server;
use std::time::Duration;
use tokio::time::Instant;

/// Requests of a server in one round, unless asked otherwise.
const REQUESTS: u64 = 20_000;

/// One thing that is measured.
struct Contender {
    name: &'static str,
    server: Server,
    request: String,
    connections: Vec<Connection>,
    length: usize,
    /// Per round: CPU microseconds per request.
    cpu: Vec<f64>,
    /// Per round: requests per second.
    rate: Vec<f64>,
}

/// What a chat asks for: an answer of about 500 bytes.
pub fn chat_request() -> String {
    chat(r#"{"messages":[{"role":"user","content":"Say hello."}],"model":"gpt-4o","max_tokens":8}"#)
}

/// Measures and prints.
pub fn run(options: &Options) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // The servers beside ours answer with as many bytes as the mock does.
        let mut probe = Vec::new();
        for (kind, request) in
            [("openai", chat_request()), ("supabase", GET_ROW.to_owned()), ("stub", GET_ROW.to_owned())]
        {
            let server = Server::start(kind, "0");
            probe.push(Connection::to(server.address).await.ask(request.as_bytes()).await.to_string());
        }
        let mut contenders = Vec::new();
        for (name, kind, request, setting) in [
            ("axum: POST chat", "axum", chat_request(), &probe[0]),
            ("firedrill: POST chat", "openai", chat_request(), &probe[0]),
            ("wiremock: POST chat", "wiremock", chat_request(), &probe[0]),
            ("axum: GET row", "axum", GET_ROW.to_owned(), &probe[1]),
            ("firedrill: GET row", "supabase", GET_ROW.to_owned(), &probe[1]),
            ("wiremock: GET row", "wiremock", GET_ROW.to_owned(), &probe[1]),
            ("axum: GET as the stub", "axum", GET_ROW.to_owned(), &probe[2]),
            ("firedrill: stub", "stub", GET_ROW.to_owned(), &probe[2]),
        ] {
            let server = Server::start(kind, setting);
            let connections = connect(server.address).await;
            contenders.push(Contender { name, server, request, connections, length: 0, cpu: vec![], rate: vec![] });
        }
        let requests = options.requests.unwrap_or(REQUESTS).max(CONNECTIONS as u64);
        for round in 0..=options.rounds {
            for contender in &mut contenders {
                let (cpu, started) = (contender.server.cpu_ns(), Instant::now());
                contender.length = send(&mut contender.connections, contender.request.as_bytes(), requests).await;
                let elapsed = started.elapsed();
                // The thread's time is up to date once it has given up its core.
                tokio::time::sleep(Duration::from_millis(20)).await;
                let cpu = contender.server.cpu_ns() - cpu;
                // The first round warms up.
                if round > 0 {
                    contender.cpu.push(cpu as f64 / 1e3 / requests as f64);
                    contender.rate.push(requests as f64 / elapsed.as_secs_f64());
                }
            }
        }
        print(&contenders, options.rounds, requests);
    });
}

fn print(contenders: &[Contender], rounds: usize, requests: u64) {
    println!("{rounds} rounds of {requests} requests each in turn, {CONNECTIONS} connections, servers with one worker");
    println!("median over the rounds (least to most); against axum with the same request and length\n");
    println!(
        "{:<22} {:>6}  {:<26} {:>8}  {:<26} {:>8}",
        "", "bytes", "CPU per request, us", "x axum", "requests/s", "x axum"
    );
    for group in contenders.chunks(3) {
        let (base_cpu, base_rate) = (median(&group[0].cpu), median(&group[0].rate));
        for one in group {
            let (cpu, rate) = (median(&one.cpu), median(&one.rate));
            println!(
                "{:<22} {:>6}  {:<26} {:>8.2}  {:<26} {:>8.2}",
                one.name,
                one.length,
                spread(&one.cpu, 2),
                cpu / base_cpu,
                spread(&one.rate, 0),
                rate / base_rate
            );
        }
        // The stub is there to tell what the transport costs without a mock.
        let [_, ours, wiremock] = group else { continue };
        let (ours, wiremock) = (median(&ours.rate), median(&wiremock.rate));
        println!("{:<22} {:>6}  {:.2}x wiremock's requests/s", "", "", ours / wiremock);
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn median(values: &[f64]) -> f64 {
    sorted(values)[values.len() / 2]
}

fn spread(values: &[f64], digits: usize) -> String {
    let sorted = sorted(values);
    format!("{:.digits$} ({:.digits$} - {:.digits$})", median(values), sorted[0], sorted[sorted.len() - 1])
}
