//! [`serve`]: one connection, from what comes before a session to its end.

use super::downward::{Downward, Ending};
use super::faults::Faults;
use super::ledger::Ledger;
use super::upward::Upward;
use super::wire::{CANCEL_REQUEST, GSSENC_REQUEST, Messages, SSL_REQUEST, code, error_response, message};
use crate::model::fault::PostgresFault;
use bytes::{Bytes, BytesMut};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a client may take to leave once it was told to.
const LINGER: Duration = Duration::from_secs(2);
/// What is said where a client may not have encryption.
const NO: &[u8] = b"N";

/// Serves the `n`-th connection for a server at `to`.
pub async fn serve(mut client: TcpStream, to: &str, faults: &Faults, n: u64) {
    // Small messages must not wait for a full segment; a socket that cannot do it still works.
    let _ = client.set_nodelay(true);
    match begin(&mut client, faults, n).await {
        Ok(Beginning::Session { startup, ahead }) => {
            let Ok(server) = TcpStream::connect(to).await else {
                // The client must see that the server is not there. It did see a connection, which cannot be undone.
                let _ = client.set_zero_linger();
                return;
            };
            let _ = server.set_nodelay(true);
            match session(&mut client, server, startup, ahead, faults, n).await {
                Ok(Ending::Finished) => {}
                Ok(Ending::Farewell) => leave(client).await,
                // A connection that breaks off breaks off on both sides.
                Ok(Ending::Reset) | Err(_) => drop(client.set_zero_linger()),
            }
        }
        Ok(Beginning::Opaque { packet, ahead }) => drop(opaque(client, to, &packet, &ahead).await),
        Ok(Beginning::Refused) => leave(client).await,
        Ok(Beginning::Stalled) => {
            // Until the client gives up.
            while client.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {}
        }
        Ok(Beginning::Nothing) | Err(_) => {}
    }
}

/// What a connection turns out to be.
enum Beginning {
    /// A session, with its startup message and what the client sent behind it.
    Session { startup: Bytes, ahead: BytesMut },
    /// Something that is not looked into: an encrypted session, a request to cancel.
    Opaque { packet: Bytes, ahead: BytesMut },
    /// It was told an error.
    Refused,
    /// Nothing more is said.
    Stalled,
    /// It ended.
    Nothing,
}

async fn begin(client: &mut TcpStream, faults: &Faults, n: u64) -> io::Result<Beginning> {
    let (from, mut to) = client.split();
    let mut messages = Messages::new(from);
    loop {
        let Some(packet) = messages.startup().await? else { return Ok(Beginning::Nothing) };
        match code(&packet) {
            SSL_REQUEST => {
                let wanted =
                    |fault: &PostgresFault| matches!(fault, PostgresFault::StallSsl {} | PostgresFault::RefuseSsl {});
                let struck = faults.on_connection(n, wanted);
                if let Some((strike, fault)) = &struck {
                    faults.fired(strike, "connection");
                    if matches!(fault, PostgresFault::StallSsl {}) {
                        return Ok(Beginning::Stalled);
                    }
                } else if !faults.read_sessions() {
                    return Ok(Beginning::Opaque { packet, ahead: messages.into_parts().0 });
                } else {
                    faults.warn(
                        "a client asked for TLS and was told that there is none: faults in PostgreSQL's own words need \
                         sessions that can be read (for a client that insists, say sslmode=disable)",
                    );
                }
                to.write_all(NO).await?;
            }
            GSSENC_REQUEST => to.write_all(NO).await?,
            CANCEL_REQUEST => return Ok(Beginning::Opaque { packet, ahead: messages.into_parts().0 }),
            _ => {
                let refused = faults.on_connection(n, |fault| matches!(fault, PostgresFault::Startup(_)));
                if let Some((strike, PostgresFault::Startup(error))) = refused {
                    faults.fired(&strike, "connection");
                    to.write_all(&error_response(&error)).await?;
                    return Ok(Beginning::Refused);
                }
                return Ok(Beginning::Session { startup: packet, ahead: messages.into_parts().0 });
            }
        }
    }
}

/// A session with its server, until one of both or a fault ends it.
async fn session(
    client: &mut TcpStream,
    mut server: TcpStream,
    startup: Bytes,
    ahead: BytesMut,
    faults: &Faults,
    n: u64,
) -> io::Result<Ending> {
    let ledger = Ledger::default();
    let (from_client, mut to_client) = client.split();
    let (from_server, mut to_server) = server.split();
    to_server.write_all(&startup).await?;
    let mut answers = Messages::new(from_server);
    let mut asks = Messages::starting_with(ahead, from_client);
    if let Some((strike, _)) = faults.on_connection(n, |fault| matches!(fault, PostgresFault::StallAuth {})) {
        faults.fired(&strike, "connection");
        if let Some(head) = answers.head().await? {
            let challenge = answers.body(head.length).await?;
            // Where it asks for nothing, its word would be that all is well.
            if challenge.first_chunk() != Some(&[0; 4]) {
                to_client.write_all(&message(head.kind, &challenge)).await?;
            }
        }
        while let Some(head) = asks.head().await? {
            asks.pass(head.length, &mut tokio::io::sink()).await?;
        }
        return Ok(Ending::Finished);
    }
    // ReadyForQuery ends the start, as it ends every answer.
    ledger.asked(super::ledger::Awaited::default());
    let upward = Upward::new(asks, to_server, &ledger, faults).run();
    let downward = Downward { messages: answers, to: to_client, ledger: &ledger, faults, rows: 0 }.run();
    tokio::pin!(upward, downward);
    tokio::select! {
        ending = &mut downward => ending,
        // The client has finished, or broken off: the server may have something to say yet.
        asked = &mut upward => match asked {
            Ok(()) => downward.await,
            Err(error) => Err(error),
        },
    }
}

/// Bytes both ways.
async fn opaque(mut client: TcpStream, to: &str, packet: &[u8], ahead: &[u8]) -> io::Result<()> {
    let mut server = TcpStream::connect(to).await?;
    server.write_all(packet).await?;
    server.write_all(ahead).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// Waits for the client to leave: a socket that is dropped with something unread in it is reset, which would take the
/// last words with it.
async fn leave(mut client: TcpStream) {
    let gone = async {
        client.shutdown().await?;
        drain(&mut client).await
    };
    // Whoever has not left by then will not.
    let _ = tokio::time::timeout(LINGER, gone).await;
}

async fn drain(from: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    while from.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}
