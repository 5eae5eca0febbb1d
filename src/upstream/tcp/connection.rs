//! [`carry`]: one connection, from the client to the server and back, until it ends.

use super::pump::{Ending, Pump};
use super::toxics::{Placed, ToxicSet};
use crate::model::toxic::Direction;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Carries bytes both ways until both sides have finished, one breaks off, or a toxic ends it.
pub async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    connection: u64,
    toxics: watch::Receiver<Arc<ToxicSet>>,
    on_hit: &(dyn Fn(&Placed) + Send + Sync),
) {
    // Small messages must not wait for a full segment; a socket that cannot do it still works.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let reset = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = Pump {
            from: from_client,
            to: to_server,
            direction: Direction::Upstream,
            connection,
            toxics: toxics.clone(),
            on_hit,
        };
        let down =
            Pump { from: from_server, to: to_client, direction: Direction::Downstream, connection, toxics, on_hit };
        let up = up.run();
        let down = down.run();
        tokio::pin!(up, down);
        let (mut up_ended, mut down_ended) = (false, false);
        loop {
            let ending = tokio::select! {
                ending = &mut up, if !up_ended => { up_ended = true; ending }
                ending = &mut down, if !down_ended => { down_ended = true; ending }
            };
            match ending {
                Ending::Finished if up_ended && down_ended => break false,
                Ending::Finished => {}
                Ending::Closed => break false,
                Ending::Reset => break true,
            }
        }
    };
    if reset {
        reset_on_drop(&client);
        reset_on_drop(&server);
    }
}

/// Makes a socket end with a reset (RST) instead of an orderly close once it is dropped.
pub fn reset_on_drop(socket: &TcpStream) {
    // Only a socket that is gone already refuses this.
    let _ = socket.set_zero_linger();
}
