//! Storage, edge functions and realtime of the Supabase mock from outside.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use firedrill::fault::Engine;
use firedrill::model::event::EventSink;
use firedrill::model::supabase::{BucketAccess, BucketPlan, EdgeFunctionPlan};
use firedrill::model::upstream::{SupabasePlan, UpstreamKind, UpstreamPlan};
use firedrill::units::{ByteSize, Seed};
use firedrill::upstream::Upstreams;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Method};
use reqwest::Client;
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

struct Project {
    _upstreams: Upstreams,
    client: Client,
    base: String,
    environment: BTreeMap<String, String>,
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
    body: Value,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

impl Project {
    async fn with(plan: SupabasePlan) -> Self {
        let plan = UpstreamPlan::new("supabase", UpstreamKind::Supabase(plan));
        let engine = Arc::new(Engine::new(Vec::new(), Seed(1)));
        let upstreams = Upstreams::start(&[plan], engine, Seed(1), EventSink::channel().0).await.unwrap();
        Self {
            base: upstreams.url("supabase").unwrap(),
            environment: upstreams.environment(),
            _upstreams: upstreams,
            client: Client::new(),
        }
    }

    /// A project with a private bucket, a public one and one for users.
    async fn new() -> Self {
        let bucket = |public, access| BucketPlan { public, access, ..BucketPlan::default() };
        let small = BucketPlan {
            file_size_limit: Some(ByteSize(8)),
            allowed_mime_types: vec!["image/*".into()],
            ..BucketPlan::default()
        };
        let buckets = BTreeMap::from([
            ("private".to_owned(), bucket(false, BucketAccess::Service)),
            ("public".to_owned(), bucket(true, BucketAccess::Service)),
            ("users".to_owned(), bucket(false, BucketAccess::Users)),
            ("small".to_owned(), small),
        ]);
        let echo = EdgeFunctionPlan { body: json!({"hello": "world"}), ..EdgeFunctionPlan::default() };
        let open = EdgeFunctionPlan { status: 418, body: json!("short and stout"), verify_jwt: false };
        let edge_functions = BTreeMap::from([("hello".to_owned(), echo), ("teapot".to_owned(), open)]);
        Self::with(SupabasePlan { buckets, edge_functions, ..SupabasePlan::default() }).await
    }

    fn key(&self, name: &str) -> &str {
        &self.environment[name]
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Reply { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null), text }
    }

    fn request(&self, method: Method, path: &str, key: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).header("apikey", key).bearer_auth(key)
    }

    fn service(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.request(method, &format!("/storage/v1{path}"), self.key("SUPABASE_SERVICE_KEY"))
    }

    fn anon(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.request(method, &format!("/storage/v1{path}"), self.key("SUPABASE_ANON_KEY"))
    }

    async fn upload(&self, path: &str, text: &str) -> Reply {
        let request = self.service(Method::POST, &format!("/object/{path}")).header("content-type", "text/plain");
        self.send(request.body(text.to_owned())).await
    }

    async fn sign_up(&self, email: &str) -> Value {
        let request = self.request(Method::POST, "/auth/v1/signup", self.key("SUPABASE_ANON_KEY"));
        self.send(request.json(&json!({"email": email, "password": "secret-1"}))).await.body
    }
}

fn names(rows: &Value) -> Vec<&str> {
    rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

// --- Storage ----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn an_object_is_uploaded_in_both_forms_and_comes_back() {
    let project = Project::new().await;
    let raw = project.upload("private/a/raw.txt", "hello").await;
    assert_eq!((raw.status, &raw.body["Key"]), (200, &json!("private/a/raw.txt")));
    assert!(raw.body["Id"].as_str().is_some_and(|id| id.len() == 36));
    let form = "--b\r\nContent-Disposition: form-data; name=\"cacheControl\"\r\n\r\n60\r\n\
                --b\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{\"by\":\"me\"}\r\n\
                --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"p.png\"\r\n\
                Content-Type: image/png\r\n\r\n.PNG\r\n--b--\r\n";
    let request = project.service(Method::POST, "/object/private/a/form.png");
    let request = request.header("content-type", "multipart/form-data; boundary=b").body(form);
    let sent = project.send(request).await;
    assert_eq!(sent.status, 200, "{}", sent.text);

    let reply = project.send(project.service(Method::GET, "/object/private/a/raw.txt")).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, "hello"));
    assert_eq!((reply.header("content-type"), reply.header("cache-control")), ("text/plain", "no-cache"));
    let reply = project.send(project.service(Method::GET, "/object/private/a/form.png?download=mine.png")).await;
    assert_eq!((reply.header("content-type"), reply.header("cache-control")), ("image/png", "max-age=60"));
    assert!(reply.headers["content-disposition"].to_str().unwrap().starts_with("attachment; filename=mine.png"));
    let info = project.send(project.service(Method::GET, "/object/info/private/a/form.png")).await.body;
    assert_eq!(
        (&info["size"], &info["content_type"], &info["metadata"]["by"]),
        (&json!(4), &json!("image/png"), &json!("me"))
    );
    let part = project.service(Method::GET, "/object/private/a/raw.txt").header("range", "bytes=1-2");
    let part = project.send(part).await;
    assert_eq!((part.status, part.text.as_str()), (206, "el"));
    assert_eq!(part.headers["content-range"], "bytes 1-2/5");
    let head = project.send(project.service(Method::HEAD, "/object/private/a/raw.txt")).await;
    assert_eq!((head.status, head.header("content-length")), (200, "5"));
}

#[tokio::test]
async fn an_object_is_replaced_only_if_asked() {
    let project = Project::new().await;
    let first = project.upload("private/x", "one").await.body;
    let again = project.upload("private/x", "two").await;
    assert_eq!(again.status, 400);
    assert_eq!((&again.body["statusCode"], &again.body["error"]), (&json!("409"), &json!("Duplicate")));
    let upsert = project.service(Method::POST, "/object/private/x").header("x-upsert", "true").body("two");
    assert_eq!(project.send(upsert).await.body["Id"], first["Id"], "it stays the same object");
    let update = project.service(Method::PUT, "/object/private/x").body("three");
    assert_eq!(project.send(update).await.status, 200);
    assert_eq!(project.send(project.service(Method::GET, "/object/private/x")).await.text, "three");
    let missing = project.send(project.service(Method::PUT, "/object/private/none").body("x")).await;
    assert_eq!((missing.status, &missing.body["error"]), (400, &json!("not_found")));
}

#[tokio::test]
async fn objects_are_listed_moved_copied_and_removed() {
    let project = Project::new().await;
    for path in ["b.txt", "a.txt", "dir/c.txt", "dir/sub/d.txt"] {
        project.upload(&format!("private/{path}"), path).await;
    }
    let list =
        async |body: Value| project.send(project.service(Method::POST, "/object/list/private").json(&body)).await.body;
    let rows =
        list(json!({"prefix": "", "limit": 100, "offset": 0, "sortBy": {"column": "name", "order": "asc"}})).await;
    assert_eq!(names(&rows), ["dir", "a.txt", "b.txt"]);
    assert!(rows[0]["id"].is_null() && rows[1]["metadata"]["size"] == 5);
    assert_eq!(names(&list(json!({"prefix": "dir", "limit": 1})).await), ["sub"]);
    assert_eq!(names(&list(json!({"prefix": "dir", "offset": 1})).await), ["c.txt"]);
    assert_eq!(names(&list(json!({"search": "B.T", "sortBy": {"column": "name", "order": "desc"}})).await), ["b.txt"]);
    let body = json!({"limit": 2, "with_delimiter": true});
    let page = project.send(project.service(Method::POST, "/object/list-v2/private").json(&body)).await.body;
    assert_eq!((names(&page["objects"]), &page["hasNext"]), (vec!["a.txt", "b.txt"], &json!(true)));
    let body = json!({"limit": 2, "with_delimiter": true, "cursor": page["nextCursor"]});
    let page = project.send(project.service(Method::POST, "/object/list-v2/private").json(&body)).await.body;
    assert_eq!((names(&page["folders"]), &page["hasNext"]), (vec!["dir/"], &json!(false)));

    let transfer = |to: &str| json!({"bucketId": "private", "sourceKey": "a.txt", "destinationKey": to});
    let copied = project.send(project.service(Method::POST, "/object/copy").json(&transfer("copy.txt"))).await;
    assert_eq!(copied.body["Key"], "private/copy.txt");
    let moved = project.send(project.service(Method::POST, "/object/move").json(&transfer("moved.txt"))).await;
    assert_eq!(moved.body["message"], "Successfully moved");
    let gone = project.send(project.service(Method::POST, "/object/move").json(&transfer("again.txt"))).await;
    assert_eq!((gone.status, &gone.body["message"]), (400, &json!("Object not found")));
    let body = json!({"prefixes": ["moved.txt", "copy.txt", "none.txt"]});
    let removed = project.send(project.service(Method::DELETE, "/object/private").json(&body)).await.body;
    assert_eq!(names(&removed), ["moved.txt", "copy.txt"]);
    assert_eq!(names(&list(json!({})).await), ["dir", "b.txt"]);
}

#[tokio::test]
async fn buckets_are_made_changed_emptied_and_deleted() {
    let project = Project::new().await;
    let make = async |body: Value| project.send(project.service(Method::POST, "/bucket").json(&body)).await;
    let body = json!({"id": "new", "name": "new", "public": false, "file_size_limit": "1KB", "allowed_mime_types": ["text/plain"]});
    assert_eq!(make(body.clone()).await.body, json!({"name": "new"}));
    assert_eq!(make(body).await.body["error"], "Duplicate");
    assert_eq!(make(json!({"name": "a/b"})).await.body["message"], "Bucket name invalid");
    let bucket = project.send(project.service(Method::GET, "/bucket/new")).await.body;
    assert_eq!(
        (&bucket["file_size_limit"], &bucket["public"], &bucket["owner"]),
        (&json!(1000), &json!(false), &json!(""))
    );
    let put = project.service(Method::PUT, "/bucket/new").json(&json!({"public": true, "file_size_limit": null}));
    assert_eq!(project.send(put).await.body["message"], "Successfully updated");
    let all = project.send(project.service(Method::GET, "/bucket")).await.body;
    assert_eq!(names(&all), ["new", "private", "public", "small", "users"]);
    project.upload("new/x.txt", "x").await;
    let full = project.send(project.service(Method::DELETE, "/bucket/new")).await;
    assert_eq!((full.status, &full.body["statusCode"]), (400, &json!("409")));
    project.send(project.service(Method::POST, "/bucket/new/empty")).await;
    assert_eq!(
        project.send(project.service(Method::DELETE, "/bucket/new")).await.body["message"],
        "Successfully deleted"
    );
    let gone = project.send(project.service(Method::GET, "/bucket/new")).await;
    assert_eq!((gone.status, &gone.body["message"]), (400, &json!("Bucket not found")));
}

#[tokio::test]
async fn policies_are_by_role() {
    let project = Project::new().await;
    project.upload("private/x", "secret").await;
    project.upload("public/x", "known").await;
    let denied = project.send(project.anon(Method::POST, "/object/private/y").body("y")).await;
    assert_eq!((denied.status, &denied.body["statusCode"]), (400, &json!("403")));
    assert_eq!(denied.body["message"], "new row violates row-level security policy");
    assert_eq!(project.send(project.anon(Method::GET, "/object/private/x")).await.body["message"], "Object not found");
    assert_eq!(project.send(project.anon(Method::GET, "/bucket")).await.body, json!([]));
    assert_eq!(project.send(project.anon(Method::POST, "/object/list/private").json(&json!({}))).await.body, json!([]));
    let open = async |path: &str| project.send(project.client.get(format!("{}/storage/v1{path}", project.base))).await;
    assert_eq!(open("/object/public/public/x").await.text, "known");
    assert_eq!(open("/object/public/private/x").await.body["message"], "Bucket not found");
    assert_eq!(open("/object/private/x").await.status, 401, "no key");
    let session = project.sign_up("ada@example.com").await;
    let token = session["access_token"].as_str().unwrap();
    let mine = |method: Method| project.request(method, "/storage/v1/object/users/mine", token);
    assert_eq!(project.send(mine(Method::POST).body("mine")).await.status, 200);
    assert_eq!(project.send(mine(Method::GET)).await.text, "mine");
    assert_eq!(project.send(project.anon(Method::GET, "/object/users/mine")).await.status, 400);
}

#[rstest]
#[case("too-large", "image/png", "123456789", "413", "The object exceeded the maximum allowed size")]
#[case("wrong-type", "text/plain", "1", "415", "mime type text/plain is not supported")]
#[case("b%C3%A4d", "image/png", "1", "400", "Invalid key: bäd")]
#[tokio::test]
async fn a_bucket_takes_what_it_may(
    #[case] name: &str,
    #[case] kind: &str,
    #[case] body: &'static str,
    #[case] status: &str,
    #[case] message: &str,
) {
    let project = Project::new().await;
    let request = project.service(Method::POST, &format!("/object/small/{name}")).header("content-type", kind);
    let reply = project.send(request.body(body)).await;
    assert_eq!((reply.status, &reply.body["statusCode"]), (400, &json!(status)));
    assert_eq!(reply.body["message"], message);
}

#[tokio::test]
async fn signed_urls_are_good_for_their_object_and_their_time() {
    let project = Project::new().await;
    project.upload("private/dir/x y.txt", "hello").await;
    let sign = project.service(Method::POST, "/object/sign/private/dir/x%20y.txt").json(&json!({"expiresIn": 60}));
    let url = project.send(sign).await.body["signedURL"].as_str().unwrap().to_owned();
    assert!(url.starts_with("/object/sign/private/dir/x%20y.txt?token=ey"), "{url}");
    let open = async |url: &str| project.send(project.client.get(format!("{}/storage/v1{url}", project.base))).await;
    assert_eq!(open(&url).await.text, "hello");
    assert_eq!(open(&url.replace("x%20y", "z")).await.body["error"], "InvalidJWT");
    assert_eq!(open(&format!("{url}x")).await.body["message"], "signature verification failed");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    assert_eq!(open(&url).await.body["message"], "\"exp\" claim timestamp check failed");
    let many = json!({"expiresIn": "60", "paths": ["dir/x y.txt", "none"]});
    let rows = project.send(project.service(Method::POST, "/object/sign/private").json(&many)).await.body;
    assert!(rows[0]["error"].is_null() && rows[1]["signedURL"].is_null(), "{rows}");

    let made = project.send(project.service(Method::POST, "/object/upload/sign/private/new.txt")).await.body;
    let url = format!("{}/storage/v1{}", project.base, made["url"].as_str().unwrap());
    assert_eq!(project.send(project.client.put(&url).body("new")).await.body["Key"], "private/new.txt");
    assert_eq!(project.send(project.client.put(&url).body("new")).await.body["error"], "Duplicate");
}

// --- Functions --------------------------------------------------------------------------------------------------

#[tokio::test]
async fn functions_answer_what_the_plan_says() {
    let project = Project::new().await;
    let anon = project.key("SUPABASE_ANON_KEY");
    let invoke = async |name: &str, key: &str| {
        project.send(project.request(Method::POST, &format!("/functions/v1/{name}"), key).json(&json!({}))).await
    };
    assert_eq!(invoke("hello", anon).await.body, json!({"hello": "world"}));
    let teapot = project.send(project.client.get(format!("{}/functions/v1/teapot/any", project.base))).await;
    assert_eq!((teapot.status, teapot.text.as_str()), (418, "short and stout"));
    let missing = invoke("none", anon).await;
    assert_eq!((missing.status, &missing.body["code"]), (404, &json!("NOT_FOUND")));
    let bare = project.send(project.client.post(format!("{}/functions/v1/hello", project.base))).await;
    assert_eq!((bare.status, &bare.body["message"]), (401, &json!("Missing authorization header")));
    let forged = format!("{}x", &anon[..anon.len() - 2]);
    assert_eq!(invoke("hello", &forged).await.body, json!({"code": 401, "message": "Invalid JWT"}));
}

// --- Realtime ---------------------------------------------------------------------------------------------------

struct Socket {
    stream: WebSocketStream<TcpStream>,
    old: bool,
}

impl Socket {
    async fn open(project: &Project, version: &str) -> Self {
        let host = project.base.strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(host).await.unwrap();
        let key = project.key("SUPABASE_ANON_KEY");
        let url = format!("ws://{host}/realtime/v1/websocket?apikey={key}&vsn={version}");
        let (stream, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        Self { stream, old: version.starts_with('1') }
    }

    async fn say(&mut self, reference: &str, topic: &str, event: &str, payload: Value) {
        let message = if self.old {
            json!({"topic": topic, "event": event, "payload": payload, "ref": reference, "join_ref": "1"})
        } else {
            json!(["1", reference, topic, event, payload])
        };
        self.stream.send(Message::Text(message.to_string().into())).await.unwrap();
    }

    async fn message(&mut self) -> Message {
        timeout(Duration::from_secs(5), self.stream.next()).await.expect("nothing came").unwrap().unwrap()
    }

    /// The next message: its event, its payload and what it answers.
    async fn next(&mut self) -> (String, Value, Value) {
        let message: Value = serde_json::from_str(self.message().await.to_text().unwrap()).unwrap();
        let [reference, event, payload] = if self.old {
            ["ref", "event", "payload"].map(|name| message[name].clone())
        } else {
            [1, 3, 4].map(|at| message[at].clone())
        };
        (event.as_str().unwrap().to_owned(), payload, reference)
    }

    async fn join(&mut self, topic: &str, config: Value) -> Value {
        self.say("1", topic, "phx_join", json!({"config": config})).await;
        let (event, payload, reference) = self.next().await;
        assert_eq!((event.as_str(), reference), ("phx_reply", json!("1")));
        payload
    }
}

const QUIET: &str = "realtime:room";

#[rstest]
#[case("1.0.0")]
#[case("2.0.0")]
#[tokio::test]
async fn a_websocket_beats_joins_and_leaves(#[case] version: &str) {
    let project = Project::new().await;
    let mut socket = Socket::open(&project, version).await;
    socket.say("9", "phoenix", "heartbeat", json!({})).await;
    assert_eq!(socket.next().await, ("phx_reply".into(), json!({"status": "ok", "response": {}}), json!("9")));
    let wish = json!({"event": "INSERT", "schema": "public", "table": "items", "filter": "id=eq.1"});
    let config = json!({"postgres_changes": [wish], "presence": {"enabled": true}});
    let reply = socket.join(QUIET, config).await;
    assert_eq!(reply["status"], "ok");
    let told = &reply["response"]["postgres_changes"][0];
    assert!(told["id"].is_u64());
    for name in ["event", "schema", "table", "filter"] {
        assert_eq!(told[name], wish[name], "the client compares it");
    }
    assert_eq!(socket.next().await.0, "presence_state");
    let (event, payload, _) = socket.next().await;
    let subscribed = json!({"status": "ok", "message": "Subscribed to PostgreSQL", "extension": "postgres_changes", "channel": "room"});
    assert_eq!((event.as_str(), payload), ("system", subscribed));
    socket.say("3", QUIET, "phx_leave", json!({})).await;
    assert_eq!(socket.next().await.2, json!("3"));
    assert_eq!(socket.next().await.0, "phx_close");
    socket.say("4", QUIET, "broadcast", json!({})).await;
    assert_eq!(socket.next().await.1["status"], "error", "it is no longer joined");
}

#[tokio::test]
async fn written_rows_are_told_to_who_asked_for_them() {
    let project = Project::new().await;
    let (mut all, mut some) = (Socket::open(&project, "1.0.0").await, Socket::open(&project, "2.0.0").await);
    let config = |filter: &str| {
        let wish = json!({"event": "*", "schema": "public", "table": "items", "filter": filter});
        json!({"presence": {"enabled": false}, "postgres_changes": [wish]})
    };
    let id = all.join(QUIET, config("")).await["response"]["postgres_changes"][0]["id"].clone();
    some.join("realtime:other", config("name=eq.elm")).await;
    assert_eq!((all.next().await.0, some.next().await.0), ("system".to_owned(), "system".to_owned()));
    let write = async |method: Method, query: &str, body: Value| {
        let path = format!("/rest/v1/items{query}");
        let reply = project.send(project.request(method, &path, project.key("SUPABASE_SERVICE_KEY")).json(&body)).await;
        assert!(reply.status < 300, "{}", reply.text);
    };
    write(Method::POST, "", json!({"id": 1, "name": "oak"})).await;
    write(Method::PATCH, "?id=eq.1", json!({"name": "elm"})).await;
    write(Method::DELETE, "?id=eq.1", json!({})).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        let (event, payload, _) = all.next().await;
        assert_eq!((event.as_str(), &payload["ids"]), ("postgres_changes", &json!([id])));
        assert_eq!((&payload["data"]["schema"], &payload["data"]["table"]), (&json!("public"), &json!("items")));
        told.push(payload["data"].clone());
    }
    let kinds: Vec<_> = told.iter().map(|data| data["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["INSERT", "UPDATE", "DELETE"]);
    assert_eq!((&told[0]["record"]["name"], &told[1]["record"]["name"]), (&json!("oak"), &json!("elm")));
    assert_eq!((&told[1]["old_record"], &told[2]["old_record"]), (&json!({"id": 1}), &json!({"id": 1})));
    assert!(told[0]["columns"].as_array().unwrap().iter().any(|column| column["name"] == "name"));
    assert_eq!(some.next().await.1["data"]["type"], "UPDATE", "the one row that the filter admits");
}

#[tokio::test]
async fn broadcasts_reach_the_others_in_their_own_serialisation() {
    let project = Project::new().await;
    let quiet = json!({"presence": {"enabled": false}});
    let (mut old, mut new) = (Socket::open(&project, "1.0.0").await, Socket::open(&project, "2.0.0").await);
    let talkative = json!({"presence": {"enabled": false}, "broadcast": {"self": true, "ack": true}});
    old.join(QUIET, quiet).await;
    new.join(QUIET, talkative).await;
    let cast = json!({"type": "broadcast", "event": "move", "payload": {"x": 1}});
    // As supabase-js pushes it: kind, sizes, how the payload is written, names, payload.
    let mut bytes = vec![3, 1, 1, 13, 4, 0, 1];
    bytes.extend_from_slice(b"12realtime:roommove{\"x\":1}");
    new.stream.send(Message::Binary(bytes.into())).await.unwrap();
    assert_eq!(old.next().await, ("broadcast".into(), cast.clone(), Value::Null));
    assert_eq!(new.next().await.1["status"], "ok", "acknowledged");
    let Message::Binary(back) = new.message().await else { panic!("not binary") };
    assert_eq!(&back[..], b"\x04\x0d\x04\x00\x01realtime:roommove{\"x\":1}");
    old.say("2", QUIET, "broadcast", cast.clone()).await;
    assert_eq!(new.next().await.1, cast);
    let body = json!({"messages": [{"topic": "room", "event": "move", "payload": {"x": 1}}]});
    let post = project.request(Method::POST, "/realtime/v1/api/broadcast", project.key("SUPABASE_ANON_KEY"));
    assert_eq!(project.send(post.json(&body)).await.status, 202);
    assert_eq!((old.next().await.1, new.next().await.1), (cast.clone(), cast.clone()));
    let path = "/realtime/v1/api/broadcast/room/events/move";
    let post = project.request(Method::POST, path, project.key("SUPABASE_ANON_KEY"));
    assert_eq!(project.send(post.json(&json!({"x": 1}))).await.status, 202);
    assert_eq!(old.next().await.1, cast);
}

#[tokio::test]
async fn who_is_present_is_known_until_it_leaves() {
    let project = Project::new().await;
    let config = |key: &str| json!({"presence": {"key": key, "enabled": true}});
    let mut ada = Socket::open(&project, "2.0.0").await;
    ada.join(QUIET, config("ada")).await;
    assert_eq!(ada.next().await.1, json!({}));
    let track = json!({"type": "presence", "event": "track", "payload": {"mood": "good"}});
    ada.say("2", QUIET, "presence", track).await;
    assert_eq!(ada.next().await.0, "phx_reply");
    let (event, diff, _) = ada.next().await;
    assert_eq!((event.as_str(), &diff["joins"]["ada"]["metas"][0]["mood"]), ("presence_diff", &json!("good")));
    let mut bob = Socket::open(&project, "2.0.0").await;
    bob.join(QUIET, config("bob")).await;
    let (event, state, _) = bob.next().await;
    assert_eq!((event.as_str(), &state["ada"]["metas"][0]["mood"]), ("presence_state", &json!("good")));
    assert!(state["ada"]["metas"][0]["phx_ref"].is_string());
    drop(ada);
    let (event, diff, _) = bob.next().await;
    assert_eq!((event.as_str(), &diff["leaves"]["ada"]["metas"][0]["mood"]), ("presence_diff", &json!("good")));
}

#[tokio::test]
async fn a_channel_ends_with_its_token() {
    let mut plan = SupabasePlan::default();
    plan.auth.jwt_expiry = firedrill::units::Span::from_secs(20);
    let project = Project::with(plan).await;
    let session = project.sign_up("ada@example.com").await;
    let mut socket = Socket::open(&project, "2.0.0").await;
    let join = json!({"config": {"presence": {"enabled": false}}, "access_token": session["access_token"]});
    socket.say("1", QUIET, "phx_join", join.clone()).await;
    assert_eq!(socket.next().await.1["status"], "ok");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(22)).await;
    tokio::time::resume();
    let (event, payload, _) = socket.next().await;
    assert_eq!((event.as_str(), &payload["status"]), ("system", &json!("error")));
    assert!(payload["message"].as_str().unwrap().starts_with("Token has expired"), "{payload}");
    assert_eq!(socket.next().await.0, "phx_close");
    let mut forged = session["access_token"].as_str().unwrap().to_owned();
    forged.truncate(forged.len() - 4);
    let join = json!({"config": {}, "access_token": forged});
    socket.say("2", QUIET, "phx_join", join).await;
    let reply = socket.next().await.1;
    assert_eq!(
        reply,
        json!({"status": "error", "response": {"reason": "JwtSignatureError: Failed to validate JWT signature"}})
    );
}

#[tokio::test]
async fn the_handshake_wants_a_key_and_a_websocket() {
    let project = Project::new().await;
    let path = format!("{}/realtime/v1/websocket", project.base);
    assert_eq!(project.send(project.client.get(&path)).await.status, 401);
    assert_eq!(project.send(project.client.get(format!("{path}?apikey=k"))).await.status, 400);
}

#[tokio::test]
async fn a_heartbeat_without_a_join_is_answered() {
    let project = Project::new().await;
    let mut socket = Socket::open(&project, "1.0.0").await;
    let beat = json!({"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "5"});
    socket.stream.send(Message::Text(beat.to_string().into())).await.unwrap();
    assert_eq!(socket.next().await.2, json!("5"));
}

#[tokio::test]
async fn a_close_is_answered_with_its_code() {
    let project = Project::new().await;
    for code in [CloseCode::Normal, CloseCode::Library(4_001)] {
        let mut socket = Socket::open(&project, "1.0.0").await;
        socket.stream.close(Some(CloseFrame { code, reason: "bye".into() })).await.unwrap();
        let Message::Close(Some(answer)) = socket.message().await else { panic!("no close came back") };
        assert_eq!((answer.code, answer.reason.as_str()), (code, "bye"));
    }
}

#[tokio::test]
async fn who_breaks_the_protocol_is_told_how() {
    let project = Project::new().await;
    let mut socket = Socket::open(&project, "1.0.0").await;
    // A text of more than the largest message.
    socket.stream.send(Message::Text(" ".repeat((1 << 20) + 1).into())).await.unwrap();
    let Message::Close(Some(close)) = socket.message().await else { panic!("no close") };
    assert_eq!(close.code, CloseCode::Size);
    let mut socket = Socket::open(&project, "1.0.0").await;
    // A frame with an opcode that does not exist, masked with zeros.
    socket.stream.get_mut().write_all(&[0x83, 0x80, 0, 0, 0, 0]).await.unwrap();
    let Message::Close(Some(close)) = socket.message().await else { panic!("no close") };
    assert_eq!(close.code, CloseCode::Protocol);
}
