//! The control API from outside: Toxiproxy's pages with their statuses and defaults, leases, and who may use it.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use firedrill::fault::Engine;
use firedrill::model::control::ControlAccess;
use firedrill::model::event::{EventSink, RunEvent};
use firedrill::model::fault::{ConnectionFault, FaultMatch, FaultRule, FaultWindow, Injection};
use firedrill::model::secret::Secret;
use firedrill::model::upstream::{OpenaiPlan, TcpPlan, TcpProtocol, UpstreamKind, UpstreamPlan};
use firedrill::units::{Offset, RunClock, Seed, Share};
use firedrill::upstream::{Control, ControlError, ControlPlan, Upstreams};
use reqwest::{Client, Method};
use rstest::rstest;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);

struct Api {
    control: Control,
    client: Client,
}

fn plan() -> ControlPlan {
    ControlPlan { listen: "127.0.0.1:0".parse().unwrap(), allow_remote: false, token: None, seed: Seed(3) }
}

async fn api() -> Api {
    Api { control: Control::start(plan()).await.unwrap(), client: Client::new() }
}

impl Api {
    async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let mut request = self.client.request(method, format!("http://{}{path}", self.control.address()));
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask(Method::POST, path, body).await
    }

    async fn with_proxy() -> (Self, SocketAddr) {
        let api = api().await;
        let (status, proxy) = api.post("/proxies", json!({"name": "db", "upstream": echo().await.to_string()})).await;
        assert_eq!(status, 201);
        let listen = proxy["listen"].as_str().unwrap().parse().unwrap();
        (api, listen)
    }
}

async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = socket.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

/// Whether an exchange works through an address.
async fn works(address: SocketAddr) -> bool {
    let exchange = async {
        let mut socket = TcpStream::connect(address).await?;
        socket.write_all(b"x").await?;
        socket.read_exact(&mut [0]).await
    };
    timeout(SOON, exchange).await.unwrap().is_ok()
}

#[tokio::test]
async fn a_proxy_is_made_changed_disabled_and_removed() {
    let (api, listen) = Api::with_proxy().await;
    assert!(works(listen).await);
    let (status, all) = api.get("/proxies").await;
    assert_eq!((status, all["db"]["enabled"].as_bool(), &all["db"]["toxics"]), (200, Some(true), &json!([])));

    let (status, shown) = api.ask(Method::PATCH, "/proxies/db", json!({"enabled": false})).await;
    assert_eq!(
        (status, shown["enabled"].as_bool(), shown["listen"].as_str()),
        (200, Some(false), Some(&*listen.to_string()))
    );
    assert_eq!(TcpStream::connect(listen).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    api.post("/proxies/db", json!({"enabled": true})).await;
    assert!(works(listen).await);

    let other = echo().await.to_string();
    let (_, moved) = api.post("/proxies/db", json!({"upstream": other})).await;
    assert_eq!(moved["upstream"], other);
    assert!(works(listen).await);

    assert_eq!(api.ask(Method::DELETE, "/proxies/db", Value::Null).await.0, 204);
    assert_eq!(api.get("/proxies/db").await, (404, json!({"error": "proxy not found", "status": 404})));
    assert!(TcpStream::connect(listen).await.is_err());
}

#[tokio::test]
async fn a_toxic_has_toxiproxys_defaults_and_works_at_once() {
    let (api, listen) = Api::with_proxy().await;
    let (status, toxic) =
        api.post("/proxies/db/toxics", json!({"type": "reset_peer", "attributes": {"timeout": 0}})).await;
    let expected = json!({"attributes": {"timeout": 0}, "name": "reset_peer_downstream", "type": "reset_peer",
                          "stream": "downstream", "toxicity": 1.0});
    assert_eq!((status, toxic), (200, expected));
    assert!(!works(listen).await);
    assert_eq!(api.get("/firedrill/fired").await.1["total"], 1);

    assert_eq!(api.ask(Method::DELETE, "/proxies/db/toxics/reset_peer_downstream", Value::Null).await.0, 204);
    assert!(works(listen).await);
}

#[tokio::test]
async fn an_update_keeps_what_it_does_not_name() {
    let (api, _) = Api::with_proxy().await;
    let toxic = json!({"name": "slow", "type": "latency", "toxicity": 0.5, "stream": "upstream",
                       "attributes": {"latency": 100, "jitter": 10}});
    api.post("/proxies/db/toxics", toxic).await;
    let (status, changed) = api.post("/proxies/db/toxics/slow", json!({"attributes": {"latency": 250}})).await;
    let expected = json!({"name": "slow", "type": "latency", "toxicity": 0.5, "stream": "upstream",
                          "attributes": {"latency": 250, "jitter": 10}});
    assert_eq!((status, &changed), (200, &expected));
    assert_eq!(api.get("/proxies/db/toxics/slow").await.1, expected);
    assert_eq!(api.get("/proxies/db/toxics").await.1, json!([expected]));
}

#[tokio::test]
async fn populate_makes_replaces_and_keeps_and_reset_heals() {
    let api = api().await;
    let upstream = echo().await.to_string();
    let one = json!({"name": "one", "listen": "localhost:0", "upstream": upstream});
    let two = json!({"name": "two", "listen": "127.0.0.1:0", "upstream": upstream, "enabled": false});
    let (status, made) = api.post("/populate", json!([one, two])).await;
    assert_eq!((status, made["proxies"].as_array().unwrap().len()), (201, 2));
    assert_eq!(made["proxies"][1]["enabled"], false);

    let listen = made["proxies"][0]["listen"].clone();
    api.post("/proxies/one/toxics", json!({"type": "timeout"})).await;
    let same = json!([{"name": "one", "listen": listen, "upstream": upstream}]);
    let (_, kept) = api.post("/populate", same).await;
    assert_eq!(kept["proxies"][0]["toxics"][0]["name"], "timeout_downstream", "the same proxy was replaced");

    assert_eq!(api.post("/reset", Value::Null).await.0, 204);
    let (_, all) = api.get("/proxies").await;
    assert_eq!((&all["one"]["toxics"], &all["two"]["enabled"]), (&json!([]), &json!(true)));

    let (status, refused) =
        api.post("/populate", json!([{"name": "three", "upstream": "x:1"}, {"name": "four"}])).await;
    assert_eq!((status, refused["error"].as_str()), (400, Some("missing required field: upstream at proxy 2")));
    assert_eq!(api.get("/proxies/three").await.0, 404, "half of a refused list was made");
}

#[rstest]
#[case("/proxies", json!({"upstream": "x:1"}), 400, "missing required field: name")]
#[case("/proxies", json!({"name": "new"}), 400, "missing required field: upstream")]
#[case("/proxies", json!({"name": "db", "upstream": "x:1"}), 409, "proxy already exists")]
#[case("/proxies/nobody/toxics", json!({"type": "latency"}), 404, "proxy not found")]
#[case("/proxies/db/toxics", json!({"type": "later"}), 400, "invalid toxic type")]
#[case("/proxies/db/toxics", json!({"type": "latency", "stream": "sideways"}), 400, "stream was invalid, can be either upstream or downstream")]
#[case("/proxies/db/toxics/none", json!({"attributes": {}}), 404, "toxic not found")]
#[tokio::test]
async fn mistakes_get_toxiproxys_errors(
    #[case] path: &str,
    #[case] body: Value,
    #[case] status: u16,
    #[case] error: &str,
) {
    let (api, _) = Api::with_proxy().await;
    assert_eq!(api.post(path, body).await, (status, json!({"error": error, "status": status})));
}

#[tokio::test]
async fn what_is_no_json_is_said_to_be_none() {
    let (api, _) = Api::with_proxy().await;
    for body in [json!("text"), json!({"type": "latency", "attributes": {"latency": "soon"}})] {
        let (status, answer) = api.post("/proxies/db/toxics", body).await;
        assert!(status == 400 && answer["error"].as_str().unwrap().starts_with("bad request body: "), "{answer}");
    }
    let twice = json!({"type": "latency"});
    api.post("/proxies/db/toxics", twice.clone()).await;
    assert_eq!(api.post("/proxies/db/toxics", twice).await.1["error"], "toxic already exists");
}

#[tokio::test]
async fn a_lease_that_is_not_renewed_takes_its_toxic_off() {
    let (api, listen) = Api::with_proxy().await;
    let kept = json!({"name": "kept", "type": "latency", "attributes": {"latency": 1}});
    let leased = json!({"name": "leased", "type": "reset_peer", "lease": "200ms"});
    let (status, set) = api.ask(Method::PUT, "/firedrill/toxics", json!({"db": [kept, leased]})).await;
    assert_eq!((status, set[0]["toxics"].as_array().unwrap().len()), (200, 2));
    assert_eq!(api.post("/firedrill/renew", json!({"lease": "400ms"})).await.1, json!({"renewed": 1}));
    assert!(!works(listen).await);
    let gone = async {
        while api.get("/proxies/db/toxics/leased").await.0 == 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, gone).await.unwrap();
    assert!(works(listen).await);
    assert_eq!(api.get("/proxies/db/toxics").await.1[0]["name"], "kept");
}

#[tokio::test]
async fn a_set_that_names_an_unknown_proxy_changes_nothing() {
    let (api, _) = Api::with_proxy().await;
    let sets = json!({"db": [{"type": "timeout"}], "nobody": []});
    assert_eq!(api.ask(Method::PUT, "/firedrill/toxics", sets).await.0, 404);
    assert_eq!(api.get("/proxies/db/toxics").await.1, json!([]));
}

#[tokio::test]
async fn browsers_are_turned_away_and_other_machines_need_leave_and_a_token() {
    let api = api().await;
    let url = format!("http://{}/proxies", api.control.address());
    let browser = api.client.get(&url).header("user-agent", "Mozilla/5.0 (X11)").send().await.unwrap();
    assert_eq!(browser.status(), 403);
    let listen = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(Control::start(ControlPlan { listen, ..plan() }).await, Err(ControlError::Remote(_))));
    let open = ControlPlan { listen, allow_remote: true, ..plan() };
    assert!(matches!(Control::start(open).await, Err(ControlError::NoToken(_))));
    let (status, refused) =
        api.post("/proxies", json!({"name": "wide", "listen": "0.0.0.0:0", "upstream": "x:1"})).await;
    assert!(status == 400 && refused["error"].as_str().unwrap().contains("loopback"), "{refused}");
}

#[tokio::test]
async fn a_token_has_to_be_shown() {
    let control = Control::start(ControlPlan { token: Some("s3cret".into()), ..plan() }).await.unwrap();
    let url = format!("http://{}/version", control.address());
    let client = Client::new();
    assert_eq!(client.get(&url).send().await.unwrap().status(), 401);
    assert_eq!(client.get(&url).bearer_auth("wrong!").send().await.unwrap().status(), 401);
    assert_eq!(client.get(&url).bearer_auth("s3cret").send().await.unwrap().status(), 200);
    timeout(SOON, control.shutdown()).await.unwrap();
    assert!(client.get(&url).bearer_auth("s3cret").send().await.is_err());
}

/// A run's upstreams with a control API: OpenAI, and a server named `db`.
struct Run {
    upstreams: Upstreams,
    events: tokio::sync::mpsc::UnboundedReceiver<RunEvent>,
    client: Client,
}

fn rule(name: &str, upstream: &str, until: Offset, inject: Injection) -> FaultRule {
    FaultRule {
        name: name.into(),
        upstream: upstream.into(),
        when: FaultMatch::default(),
        share: Share::ALL,
        window: FaultWindow { from: Offset::ZERO, until: Some(until) },
        inject,
    }
}

impl Run {
    async fn start(token: Option<&str>) -> Self {
        let (sink, events) = EventSink::channel();
        let by_hand = || Injection::Connection(ConnectionFault::ByHand {});
        let rules = vec![
            rule("slow", "openai", Offset::from_secs(600), Injection::ResetPeer {}),
            rule("openai/by-hand", "openai", Offset::ZERO, by_hand()),
            rule("db/by-hand", "db", Offset::ZERO, by_hand()),
        ];
        let server = TcpPlan { to: echo().await.to_string(), protocol: TcpProtocol::None, url: None };
        let plans = [
            UpstreamPlan::new("openai", UpstreamKind::Openai(OpenaiPlan::default())),
            UpstreamPlan::new("db", UpstreamKind::Tcp(server)),
        ];
        let token = token.map(|token| Secret::new(token.into()));
        let access = ControlAccess { listen: "127.0.0.1:0".parse().unwrap(), token };
        let engine = Arc::new(Engine::new(rules, Seed(1)));
        let upstreams = Upstreams::start_with(&plans, engine, Seed(1), sink, Some(&access)).await.unwrap();
        Self { upstreams, events, client: Client::new() }
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let url = format!("http://{}{path}", self.upstreams.control().unwrap());
        let response = self.client.request(method, url).json(&body).send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null))
    }

    fn db(&self) -> SocketAddr {
        self.upstreams.address("db").unwrap()
    }

    /// What a run is told of the faults, as `opened 2`, `fired 2 latency`, …
    async fn finish(mut self) -> Vec<String> {
        timeout(SOON, self.upstreams.shutdown()).await.unwrap();
        let mut told = Vec::new();
        while let Some(event) = self.events.recv().await {
            match event {
                RunEvent::FaultOpened { rule, .. } => told.push(format!("opened {rule}")),
                RunEvent::FaultClosed { rule, .. } => told.push(format!("closed {rule}")),
                RunEvent::FaultFired { rule, n, request, .. } => told.push(format!("fired {rule} {n} {request}")),
                _ => {}
            }
        }
        told
    }
}

#[tokio::test]
async fn a_runs_upstreams_are_proxies_whose_toxics_stand_on_its_timeline() {
    let run = Run::start(None).await;
    let (_, all) = run.ask(Method::GET, "/proxies", Value::Null).await;
    assert_eq!(all.as_object().unwrap().keys().collect::<Vec<_>>(), ["db", "openai"]);
    assert_eq!(all["db"]["listen"], run.db().to_string());

    // Before the run begins it is tried out: on the timeline as of its beginning.
    let toxic = json!({"type": "reset_peer", "name": "cut"});
    assert_eq!(run.ask(Method::POST, "/proxies/db/toxics", toxic).await.0, 200);
    assert!(!works(run.db()).await);
    run.upstreams.begin(RunClock::start());
    assert!(!works(run.db()).await);
    let (_, active) = run.ask(Method::GET, "/firedrill/active", Value::Null).await;
    assert_eq!((&active["toxics"]["db"][0]["name"], &active["planned"][0]["name"]), (&json!("cut"), &json!("slow")));
    assert_eq!(run.ask(Method::DELETE, "/proxies/db/toxics/cut", Value::Null).await.0, 204);
    assert!(works(run.db()).await);

    // A fault of the plan on a request is shown beside it.
    let url = format!("{}/models", run.upstreams.url("openai").unwrap());
    assert!(run.client.get(url).bearer_auth("k").send().await.is_err());
    let (_, fired) = run.ask(Method::GET, "/firedrill/fired", Value::Null).await;
    assert_eq!(fired["total"], 2);
    let slow = &fired["planned"][0];
    assert_eq!((fired["planned"].as_array().unwrap().len(), &slow["fired"], &slow["on"]), (1, &json!(1), &json!(true)));
    assert_eq!(slow["kind"], "reset_peer");

    // Nothing is on when it is off; `reset` enables again.
    assert_eq!(run.ask(Method::POST, "/proxies/db", json!({"enabled": false})).await.1["enabled"], false);
    let refused = async {
        while TcpStream::connect(run.db()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, refused).await.unwrap();
    assert_eq!(run.ask(Method::GET, "/firedrill/active", Value::Null).await.1["disabled"], json!(["db"]));
    assert_eq!(run.ask(Method::POST, "/reset", Value::Null).await.0, 204);
    let back = async {
        while TcpStream::connect(run.db()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, back).await.unwrap();
    assert!(works(run.db()).await);

    let told = run.finish().await;
    assert_eq!(told[..4], ["opened 2", "fired 2 1 connection 2", "closed 2", "fired 0 1 GET /v1/models"], "{told:?}");
    assert_eq!(told[4], "opened 2");
    assert!(told[5].starts_with("fired 2 2 every connection"), "{told:?}");
    assert_eq!(told.last().unwrap(), "closed 2");
}

#[tokio::test]
async fn a_lease_that_runs_out_closes_the_fault_on_the_timeline() {
    let run = Run::start(None).await;
    run.upstreams.begin(RunClock::start());
    let toxic = json!({"type": "latency", "attributes": {"latency": 10}, "lease": "200ms"});
    assert_eq!(run.ask(Method::POST, "/proxies/db/toxics", toxic).await.0, 200);
    assert!(works(run.db()).await);
    let gone = async {
        while run.ask(Method::GET, "/proxies/db/toxics", Value::Null).await.1 != json!([]) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, gone).await.unwrap();
    assert_eq!(run.finish().await, ["opened 2", "fired 2 1 connection 1", "closed 2"]);
}

#[tokio::test]
async fn an_upstreams_proxy_keeps_its_addresses() {
    let run = Run::start(None).await;
    let (listen, upstream) = (run.db().to_string(), echo().await.to_string());
    let moved = json!({"upstream": upstream});
    let (status, refused) = run.ask(Method::POST, "/proxies/db", moved).await;
    assert!(status == 409 && refused["error"].as_str().unwrap().contains("that of an upstream"), "{refused}");
    assert_eq!(run.ask(Method::DELETE, "/proxies/db", Value::Null).await.0, 409);
    let populated =
        json!([{"name": "mine", "upstream": upstream}, {"name": "db", "listen": listen, "upstream": upstream}]);
    assert_eq!(run.ask(Method::POST, "/populate", populated).await.0, 409);
    assert_eq!(run.ask(Method::GET, "/proxies/mine", Value::Null).await.0, 404, "all or nothing");
    let (_, same) = run.ask(Method::GET, "/proxies/db", Value::Null).await;
    let same = json!([{"name": "db", "listen": same["listen"], "upstream": same["upstream"], "enabled": true}]);
    assert_eq!(run.ask(Method::POST, "/populate", same).await.0, 201);
    assert!(works(run.db()).await);
    let (_, own) = run.ask(Method::POST, "/proxies", json!({"name": "own", "upstream": upstream})).await;
    assert!(works(own["listen"].as_str().unwrap().parse().unwrap()).await, "others may be added beside");
}

#[tokio::test]
async fn a_runs_control_api_wants_its_token() {
    let run = Run::start(Some("s3cret")).await;
    assert_eq!(run.ask(Method::GET, "/proxies", Value::Null).await.0, 401);
    let url = run.upstreams.environment()["FIREDRILL_CONTROL_URL"].clone();
    let shown = run.client.get(format!("{url}/proxies")).bearer_auth("s3cret").send().await.unwrap();
    assert_eq!(shown.status(), 200);
}
