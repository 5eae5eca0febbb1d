//! The TCP proxy from outside, on raw sockets: what each toxic does to a connection, and that nothing else is done.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use firedrill::model::toxic::{Direction, Toxic, ToxicKind};
use firedrill::units::{Seed, Share};
use firedrill::upstream::{Hit, PlannedToxic, TcpProxy, TcpProxyPlan};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

/// Long enough for anything that shall happen, on a loaded machine too.
const SOON: Duration = Duration::from_secs(20);
/// Long enough to tell "does not come" from "comes".
const MOMENT: Duration = Duration::from_millis(150);

type Hits = Arc<Mutex<Vec<Hit>>>;

/// A server that sends back what it gets, and closes when its client does.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = socket.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
                let _ = to.shutdown().await;
            });
        }
    });
    address
}

fn toxic(name: &str, stream: Direction, kind: ToxicKind) -> Arc<Toxic> {
    Arc::new(Toxic { name: name.into(), kind, stream, toxicity: Share::from_fraction(1.0).unwrap() })
}

fn down(kind: ToxicKind) -> Arc<Toxic> {
    toxic("t", Direction::Downstream, kind)
}

async fn proxy_to(to: SocketAddr, toxics: Vec<Arc<Toxic>>) -> (TcpProxy, Hits) {
    let hits = Hits::default();
    let seen = Arc::clone(&hits);
    let plan = TcpProxyPlan { name: "db".into(), listen: "127.0.0.1:0".parse().unwrap(), to: to.to_string() };
    let on_hit = move |hit| seen.lock().unwrap().push(hit);
    (TcpProxy::start(plan, toxics, Seed(7), on_hit).await.unwrap(), hits)
}

async fn proxy(toxics: Vec<Arc<Toxic>>) -> (TcpProxy, Hits) {
    proxy_to(echo().await, toxics).await
}

async fn connect(proxy: &TcpProxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn exchange(socket: &mut TcpStream, text: &[u8]) -> Vec<u8> {
    socket.write_all(text).await.unwrap();
    let mut back = vec![0; text.len()];
    timeout(SOON, socket.read_exact(&mut back)).await.unwrap().unwrap();
    back
}

/// What a client reads until the end, and how it ended.
async fn drain(socket: &mut TcpStream) -> (Vec<u8>, Result<(), ErrorKind>) {
    let mut all = Vec::new();
    let end = timeout(SOON, socket.read_to_end(&mut all)).await.expect("the connection did not end");
    (all, end.map(|_| ()).map_err(|error| error.kind()))
}

#[tokio::test]
async fn without_toxics_bytes_and_half_closes_pass_as_they_are() {
    let (proxy, hits) = proxy(vec![]).await;
    let mut socket = connect(&proxy).await;
    assert_eq!(exchange(&mut socket, b"hello").await, b"hello");
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let (mut from, mut to) = socket.split();
    let sent = async {
        to.write_all(&large).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut back = Vec::new();
    let read = async { from.read_to_end(&mut back).await.unwrap() };
    timeout(SOON, async { tokio::join!(sent, read) }).await.unwrap();
    assert!(back == large, "{} of {} bytes came back, or other ones", back.len(), large.len());
    assert!(hits.lock().unwrap().is_empty());
    assert_eq!((proxy.accepted(), hits.lock().unwrap().len()), (1, 0));
    proxy.shutdown().await;
}

#[tokio::test]
async fn latency_delays_both_ways_and_is_noted_once_per_connection() {
    let latency = ToxicKind::Latency { latency: 60, jitter: 0 };
    let both = vec![toxic("there", Direction::Upstream, latency), toxic("back", Direction::Downstream, latency)];
    let (proxy, hits) = proxy(both).await;
    let mut socket = connect(&proxy).await;
    for _ in 0..2 {
        let began = Instant::now();
        assert_eq!(exchange(&mut socket, b"ping").await, b"ping");
        assert!(began.elapsed() >= Duration::from_millis(119), "{:?}", began.elapsed());
    }
    let mut names: Vec<String> = hits.lock().unwrap().iter().map(|hit| hit.toxic.name.clone()).collect();
    names.sort();
    assert_eq!(names, ["back", "there"]);
}

#[tokio::test]
async fn a_narrow_line_takes_the_time_that_the_bytes_need() {
    let (proxy, _) = proxy(vec![down(ToxicKind::Bandwidth { rate: 100 })]).await;
    let mut socket = connect(&proxy).await;
    let began = Instant::now();
    let sent = vec![7; 30_000];
    assert_eq!(exchange(&mut socket, &sent).await, sent);
    assert!(began.elapsed() >= Duration::from_millis(290), "{:?}", began.elapsed());
}

#[tokio::test]
async fn slices_arrive_one_by_one() {
    let slicer = ToxicKind::Slicer { average_size: 10, size_variation: 0, delay: 20_000 };
    let (proxy, _) = proxy(vec![down(slicer)]).await;
    let mut socket = connect(&proxy).await;
    socket.write_all(&[1; 50]).await.unwrap();
    let mut sizes = Vec::new();
    let mut buffer = [0; 100];
    while sizes.iter().sum::<usize>() < 50 {
        sizes.push(timeout(SOON, socket.read(&mut buffer)).await.unwrap().unwrap());
    }
    // A slow reader may find two at once; it never finds all at once.
    assert!(sizes.len() > 1 && sizes.iter().all(|size| size % 10 == 0), "{sizes:?}");
}

#[tokio::test]
async fn limited_data_ends_with_a_close_after_exactly_so_many_bytes() {
    let (proxy, _) = proxy(vec![down(ToxicKind::LimitData { bytes: 7 })]).await;
    let mut socket = connect(&proxy).await;
    socket.write_all(b"0123456789").await.unwrap();
    assert_eq!(drain(&mut socket).await.0, b"0123456");
}

#[tokio::test]
async fn a_timeout_closes_without_a_word() {
    let (proxy, _) = proxy(vec![down(ToxicKind::Timeout { timeout: 80 })]).await;
    let mut socket = connect(&proxy).await;
    let began = Instant::now();
    socket.write_all(b"hello").await.unwrap();
    let (got, end) = drain(&mut socket).await;
    assert!(got.is_empty() && end.is_ok(), "{got:?} {end:?}");
    assert!(began.elapsed() >= Duration::from_millis(79));
}

#[tokio::test]
async fn a_timeout_that_is_taken_off_closes_what_lost_bytes_and_spares_new_connections() {
    let (proxy, _) = proxy(vec![down(ToxicKind::Timeout { timeout: 0 })]).await;
    let mut socket = connect(&proxy).await;
    socket.write_all(b"hello").await.unwrap();
    let mut one = [0];
    assert!(timeout(MOMENT, socket.read(&mut one)).await.is_err(), "something came through");
    proxy.set_toxics(vec![]);
    assert!(drain(&mut socket).await.0.is_empty());
    assert_eq!(exchange(&mut connect(&proxy).await, b"again").await, b"again");
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let (proxy, _) = proxy(vec![down(ToxicKind::ResetPeer { timeout: 0 })]).await;
    let mut socket = connect(&proxy).await;
    assert_eq!(drain(&mut socket).await.1, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn refusing_resets_new_connections_and_leaves_old_ones_alone() {
    let (proxy, hits) = proxy(vec![]).await;
    let mut old = connect(&proxy).await;
    assert_eq!(exchange(&mut old, b"a").await, b"a");
    proxy.set_toxics(vec![down(ToxicKind::Refuse {})]);
    let mut new = connect(&proxy).await;
    assert_eq!(drain(&mut new).await.1, Err(ErrorKind::ConnectionReset));
    assert_eq!(exchange(&mut old, b"b").await, b"b");
    assert_eq!(hits.lock().unwrap()[0].connection, 1);
}

#[tokio::test]
async fn a_hanging_accept_lets_go_when_it_is_taken_off() {
    let (proxy, _) = proxy(vec![down(ToxicKind::AcceptHang {})]).await;
    let mut socket = connect(&proxy).await;
    socket.write_all(b"hello").await.unwrap();
    let mut back = [0; 5];
    assert!(timeout(MOMENT, socket.read(&mut back)).await.is_err());
    proxy.set_toxics(vec![]);
    timeout(SOON, socket.read_exact(&mut back)).await.unwrap().unwrap();
    assert_eq!(&back, b"hello");
}

#[tokio::test]
async fn a_full_pool_lets_the_next_one_in_when_one_leaves() {
    let (proxy, hits) = proxy(vec![down(ToxicKind::ConnectionCap { connections: 2 })]).await;
    let mut first = connect(&proxy).await;
    let mut second = connect(&proxy).await;
    assert_eq!(exchange(&mut first, b"1").await, b"1");
    assert_eq!(exchange(&mut second, b"2").await, b"2");
    let mut third = connect(&proxy).await;
    third.write_all(b"3").await.unwrap();
    let mut back = [0];
    assert!(timeout(MOMENT, third.read(&mut back)).await.is_err(), "the cap does not hold");
    drop(first);
    timeout(SOON, third.read_exact(&mut back)).await.unwrap().unwrap();
    assert_eq!(&back, b"3");
    assert_eq!(hits.lock().unwrap().iter().map(|hit| hit.connection).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn a_partition_keeps_bytes_until_the_way_is_open_again() {
    let (proxy, _) = proxy(vec![]).await;
    let mut socket = connect(&proxy).await;
    assert_eq!(exchange(&mut socket, b"before").await, b"before");
    proxy.set_toxics(vec![down(ToxicKind::Partition {})]);
    let mut back = [0; 6];
    socket.write_all(b"during").await.unwrap();
    assert!(timeout(MOMENT, socket.read(&mut back)).await.is_err());
    proxy.set_toxics(vec![]);
    timeout(SOON, socket.read_exact(&mut back)).await.unwrap().unwrap();
    assert_eq!(&back, b"during");
}

#[tokio::test]
async fn a_black_hole_swallows_and_tells_nobody() {
    let (proxy, _) = proxy(vec![down(ToxicKind::Blackhole { bytes: 3 })]).await;
    let mut socket = connect(&proxy).await;
    socket.write_all(b"012345").await.unwrap();
    let mut back = [0; 3];
    timeout(SOON, socket.read_exact(&mut back)).await.unwrap().unwrap();
    assert_eq!(&back, b"012");
    socket.write_all(b"more").await.unwrap();
    assert!(timeout(MOMENT, socket.read(&mut back)).await.is_err());
    proxy.set_toxics(vec![]);
    assert!(drain(&mut socket).await.0.is_empty(), "bytes are missing: the connection cannot go on");
}

#[tokio::test]
async fn a_half_close_ends_one_direction_only() {
    let (proxy, _) = proxy(vec![toxic("h", Direction::Upstream, ToxicKind::HalfClose { bytes: 4 })]).await;
    let mut socket = connect(&proxy).await;
    socket.write_all(b"012345").await.unwrap();
    // The echo server sees an end after four bytes, answers those, and closes; the answer still comes back.
    assert_eq!(drain(&mut socket).await, (b"0123".to_vec(), Ok(())));
}

#[tokio::test]
async fn a_slow_close_is_late() {
    let (proxy, _) = proxy(vec![down(ToxicKind::SlowClose { delay: 120 })]).await;
    let mut socket = connect(&proxy).await;
    assert_eq!(exchange(&mut socket, b"x").await, b"x");
    let began = Instant::now();
    socket.shutdown().await.unwrap();
    assert_eq!(drain(&mut socket).await, (vec![], Ok(())));
    assert!(began.elapsed() >= Duration::from_millis(119), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_reset() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (proxy, _) = proxy_to(gone, vec![]).await;
    let mut socket = connect(&proxy).await;
    assert_eq!(drain(&mut socket).await.1, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn who_is_touched_is_drawn_by_the_number_of_the_connection() {
    let half = Arc::new(Toxic {
        name: "half".into(),
        kind: ToxicKind::Refuse {},
        stream: Direction::Downstream,
        toxicity: Share::from_fraction(0.5).unwrap(),
    });
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (proxy, hits) = proxy(vec![Arc::clone(&half)]).await;
        for _ in 0..40 {
            let mut socket = connect(&proxy).await;
            let _ = socket.write_all(b"x").await;
            let _ = timeout(SOON, socket.read(&mut [0])).await.unwrap();
        }
        let touched: Vec<u64> = hits.lock().unwrap().iter().map(|hit| hit.connection).collect();
        assert!((8..=32).contains(&touched.len()), "{touched:?}");
        runs.push(touched);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn shutting_down_gives_the_address_back_and_ends_everything() {
    let (proxy, _) = proxy(vec![down(ToxicKind::Partition {})]).await;
    let mut socket = connect(&proxy).await;
    socket.write_all(b"x").await.unwrap();
    let address = proxy.address();
    timeout(SOON, proxy.shutdown()).await.unwrap();
    let _ = drain(&mut socket).await;
    TcpListener::bind(address).await.unwrap();
}

fn planned(rule: usize, share: f64, stream: Direction, kind: ToxicKind) -> PlannedToxic {
    let toxicity = Share::from_fraction(share).unwrap();
    let toxic = Arc::new(Toxic { name: format!("rule {rule}"), kind, stream, toxicity });
    PlannedToxic { rule, toxic, seed: Seed(1).derive("rule"), nth: None, wave: 0, delay: None }
}

#[tokio::test]
async fn a_planned_refusal_of_all_is_a_refused_connection_until_it_is_over() {
    let (proxy, _) = proxy(vec![]).await;
    let mut old = connect(&proxy).await;
    assert_eq!(exchange(&mut old, b"a").await, b"a");
    for _ in 0..3 {
        proxy.set_faults(vec![planned(0, 1.0, Direction::Downstream, ToxicKind::Refuse {})]);
        refused(&proxy).await;
        assert_eq!(exchange(&mut old, b"b").await, b"b", "what is open stays open");
        assert!(TcpSocket::new_v4().unwrap().bind(proxy.address()).is_err(), "the address is still ours");
        proxy.set_faults(vec![]);
        assert_eq!(exchange(&mut reachable(&proxy).await, b"c").await, b"c");
    }
}

/// Waits until nobody can connect; what has just been set takes a moment.
async fn refused(proxy: &TcpProxy) {
    let refused = async {
        while !TcpStream::connect(proxy.address()).await.is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused) {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, refused).await.unwrap();
}

async fn reachable(proxy: &TcpProxy) -> TcpStream {
    let connected = async {
        loop {
            match TcpStream::connect(proxy.address()).await {
                Ok(socket) => return socket,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    timeout(SOON, connected).await.unwrap()
}

#[tokio::test]
async fn switched_off_it_ends_what_is_open_and_keeps_its_address() {
    let (proxy, _) = proxy(vec![]).await;
    let mut open = connect(&proxy).await;
    assert_eq!(exchange(&mut open, b"a").await, b"a");
    proxy.set_enabled(false);
    assert!(drain(&mut open).await.0.is_empty());
    refused(&proxy).await;
    assert!(!proxy.is_enabled());
    proxy.set_enabled(true);
    assert_eq!(exchange(&mut reachable(&proxy).await, b"b").await, b"b");
}

#[tokio::test]
async fn faults_of_the_plan_and_toxics_by_hand_do_not_touch_each_other() {
    let (proxy, hits) = proxy(vec![down(ToxicKind::Latency { latency: 40, jitter: 0 })]).await;
    let limit = planned(3, 1.0, Direction::Downstream, ToxicKind::LimitData { bytes: 4 });
    proxy.set_faults(vec![limit]);
    proxy.set_toxics(vec![down(ToxicKind::Latency { latency: 60, jitter: 0 })]);
    let mut socket = connect(&proxy).await;
    let began = Instant::now();
    socket.write_all(b"012345").await.unwrap();
    assert_eq!(drain(&mut socket).await.0, b"0123");
    assert!(began.elapsed() >= Duration::from_millis(59));
    let mut seen: Vec<_> = hits.lock().unwrap().iter().map(|hit| (hit.rule, hit.toxic.kind.name())).collect();
    seen.sort();
    assert_eq!(seen, [(None, "latency"), (Some(3), "limit_data")]);
    proxy.set_faults(vec![]);
    assert_eq!(proxy.toxics().len(), 1);
}

#[tokio::test]
async fn a_rule_that_acts_both_ways_hits_a_connection_once_each_time_it_is_on() {
    let (proxy, hits) = proxy(vec![]).await;
    let mut socket = connect(&proxy).await;
    let latency = ToxicKind::Latency { latency: 1, jitter: 0 };
    for wave in 0..2 {
        let both = [Direction::Upstream, Direction::Downstream];
        proxy.set_faults(both.map(|way| PlannedToxic { wave, ..planned(0, 1.0, way, latency) }).to_vec());
        for _ in 0..2 {
            assert_eq!(exchange(&mut socket, b"a").await, b"a");
        }
        proxy.set_faults(vec![]);
        assert_eq!(exchange(&mut socket, b"b").await, b"b");
    }
    let seen: Vec<_> = hits.lock().unwrap().iter().map(|hit| (hit.rule, hit.first)).collect();
    assert_eq!(seen, [(Some(0), true), (Some(0), false)]);
}

#[tokio::test]
async fn only_what_does_something_is_a_hit() {
    let (proxy, hits) = proxy(vec![]).await;
    let mut socket = connect(&proxy).await;
    assert_eq!(exchange(&mut socket, b"a").await, b"a");
    let never = planned(0, 1.0, Direction::Downstream, ToxicKind::LimitData { bytes: 1_000 });
    let slow = planned(1, 1.0, Direction::Downstream, ToxicKind::SlowClose { delay: 10 });
    let idle = planned(2, 1.0, Direction::Upstream, ToxicKind::Partition {});
    proxy.set_faults(vec![never.clone(), slow.clone()]);
    assert_eq!(exchange(&mut socket, b"b").await, b"b");
    proxy.set_faults(vec![never, slow, idle]);
    tokio::time::sleep(MOMENT).await;
    assert!(hits.lock().unwrap().is_empty(), "{:?}", hits.lock().unwrap());
    socket.write_all(b"c").await.unwrap();
    let held = async {
        while hits.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(SOON, held).await.unwrap();
    assert_eq!(hits.lock().unwrap()[0].rule, Some(2), "bytes wait before the partition");
    proxy.set_faults(vec![planned(1, 1.0, Direction::Downstream, ToxicKind::SlowClose { delay: 10 })]);
    socket.read_exact(&mut [0]).await.unwrap();
    socket.shutdown().await.unwrap();
    drain(&mut socket).await.1.unwrap();
    assert_eq!(hits.lock().unwrap().iter().map(|hit| hit.rule).collect::<Vec<_>>(), [Some(2), Some(1)]);
}

#[tokio::test]
async fn a_reset_after_some_bytes_lets_those_through() {
    let (proxy, hits) = proxy(vec![down(ToxicKind::ResetAfter { bytes: 3 })]).await;
    let mut socket = connect(&proxy).await;
    socket.write_all(b"01").await.unwrap();
    let mut two = [0; 2];
    socket.read_exact(&mut two).await.unwrap();
    assert_eq!((&two, hits.lock().unwrap().len()), (b"01", 0));
    socket.write_all(b"2345").await.unwrap();
    assert_eq!(drain(&mut socket).await.1, Err(ErrorKind::ConnectionReset));
    assert_eq!(hits.lock().unwrap().len(), 1);
}
