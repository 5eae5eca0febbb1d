//! What a scenario says of Supabase's keys and services arrives in the plan, and its secrets nowhere else.

use super::*;
use firedrill::model::supabase::{BucketAccess, KeyPolicy, Signing};

fn plan(text: &str, env: Env) -> Result<(SupabasePlan, Plan), String> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = write(folder.path(), "s.toml", &format!("[upstreams.supabase]\n{text}\n{SMALL}"));
    let plan = load_with(ScenarioRef::File(path), Overrides::default(), env)?.plan;
    let supabase = plan.upstreams.iter().find_map(|upstream| match &upstream.kind {
        UpstreamKind::Supabase(supabase) => Some(supabase.clone()),
        _ => None,
    });
    Ok((supabase.expect("the scenario has a Supabase mock"), plan))
}

#[test]
fn keys_and_services_arrive() {
    let env: Env = |name| (name == "SECRET").then(|| "of-the-project".to_owned());
    let text = r#"
        keys = { anon = "a-key", service = "${env.SECRET}" }
        jwt-secret = "${env.SECRET}"
        [upstreams.supabase.auth]
        jwt-exp = "90s"
        confirm-email = true
        jwt-algorithm = "ES256"
        id-token-providers = ["google"]
        [upstreams.supabase.buckets.avatars]
        public = true
        access = "users"
        file-size-limit = "1MiB"
        [upstreams.supabase.edge-functions.hello]
        status = 201
        json = { ok = true }
        verify-jwt = false
    "#;
    let (supabase, whole) = plan(text, env).unwrap();
    assert_eq!(supabase.keys.accept, KeyPolicy::Own);
    assert_eq!(supabase.keys.service.as_ref().unwrap().expose(), "of-the-project");
    assert_eq!(supabase.keys.jwt_secret.as_ref().unwrap().expose(), "of-the-project");
    assert_eq!(supabase.keys.signing, Signing::Es256 { key: None });
    assert_eq!(supabase.auth.jwt_expiry, Span::from_secs(90));
    assert!(supabase.auth.confirm_email && supabase.auth.anonymous_sign_ins);
    let bucket = &supabase.buckets["avatars"];
    assert_eq!(
        (bucket.public, bucket.access, bucket.file_size_limit),
        (true, BucketAccess::Users, Some(ByteSize(1 << 20)))
    );
    let function = &supabase.edge_functions["hello"];
    assert_eq!((function.status, &function.body, function.verify_jwt), (201, &json!({"ok": true}), false));
    let shown = format!("{whole:?}{}", serde_json::to_string(&whole).unwrap());
    assert!(!shown.contains("of-the-project") && !shown.contains("a-key"), "a secret was shown");
}

#[test]
fn without_a_word_every_key_is_taken() {
    let (supabase, _) = plan("", no_env).unwrap();
    assert_eq!(supabase.keys.accept, KeyPolicy::Any);
    assert_eq!(plan("keys = \"own\"", no_env).unwrap().0.keys.accept, KeyPolicy::Own);
}

#[test]
fn private_keys_are_read_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    let path = write(folder.path(), "key.pem", &pem);
    let text = format!("auth = {{ jwt-algorithm = \"ES256\", jwt-key = {:?} }}", path.display().to_string());
    let (supabase, _) = plan(&text, no_env).unwrap();
    let Signing::Es256 { key: Some(key) } = supabase.keys.signing else { panic!("no key") };
    assert_eq!(key.expose(), pem);
}

#[test]
fn functions_and_limits_arrive() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "rpc.toml",
        r#"
        [[function]]
        name = "books_by"
        args = ["author int", "most int = 10", "word text = none"]
        returns = { rows = "books" }
        volatility = "stable"
        from = "books"
        rows = "author_id=eq.{author}&limit={most}"

        [[function]]
        name = "fails"
        returns = "void"
        raise = { message = "no", hint = "yes" }

        [[function]]
        name = "pairs"
        schema = "api"
        returns = { table = ["a int", "b timestamp with time zone"] }
        json = [{ a = 1 }]
        "#,
    );
    let text = format!("[upstreams.supabase]\nfunctions = \"rpc.toml\"\nmax-rows = 50\naggregates = true\n{SMALL}");
    let path = write(folder.path(), "s.toml", &text);
    let plan = load_with(ScenarioRef::File(path), Overrides::default(), no_env).unwrap().plan;
    let UpstreamKind::Supabase(supabase) = &plan.upstreams[0].kind else { panic!("not Supabase") };
    assert_eq!((supabase.max_rows, supabase.aggregates), (Some(50), true));
    let [books, fails, pairs] = supabase.functions.as_slice() else { panic!("not three functions") };
    assert!(!books.volatile && fails.volatile);
    let defaults: Vec<_> = books.arguments.iter().map(|argument| argument.default.clone()).collect();
    assert_eq!(defaults, [None, Some(json!(10)), Some(json!("none"))]);
    assert_eq!(serde_json::to_value(&books.returns).unwrap(), json!({"rows": "books"}));
    let columns = json!({"table": [["a", "int"], ["b", "timestamp with time zone"]]});
    assert_eq!((pairs.schema.as_str(), serde_json::to_value(&pairs.returns).unwrap()), ("api", columns));
}
