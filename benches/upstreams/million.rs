//! Whether memory stays where it is over a million requests.

use crate::Options;
use crate::client::{GET_ROW, connect, send};
use crate::compare::chat_request;
use crate::process::Server;

/// Sends a million requests to each mock, in tenths, and prints the memory after each.
pub fn run(options: &Options) {
    let requests = options.requests.unwrap_or(1_000_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for (name, kind, request) in
            [("openai, POST chat", "openai", chat_request()), ("supabase, GET row", "supabase", GET_ROW.to_owned())]
        {
            let server = Server::start(kind, "0");
            let mut connections = connect(server.address).await;
            let mut memory = vec![server.rss_kib()];
            for _ in 0..10 {
                send(&mut connections, request.as_bytes(), requests / 10).await;
                memory.push(server.rss_kib());
            }
            println!("{name}: RSS in MiB at the start and after each tenth of {requests} requests:");
            let shown: Vec<String> = memory.iter().map(|kib| format!("{:.1}", *kib as f64 / 1024.0)).collect();
            println!("  {}", shown.join("  "));
            println!(
                "  from the second tenth to the last: {:+} KiB",
                memory[10].cast_signed() - memory[2].cast_signed()
            );
        }
    });
}
