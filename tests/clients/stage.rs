//! The mocks that the clients talk to, in this process, and what they saw.

use firedrill::fault::Engine;
use firedrill::model::event::{EventSink, RunEvent};
use firedrill::model::fault::{FaultMatch, FaultRule, FaultWindow, Injection};
use firedrill::model::upstream::{UpstreamKind, UpstreamPlan};
use firedrill::units::{Offset, RunClock, Seed, Share};
use firedrill::upstream::{Upstreams, trust};
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// What one upstream saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Requests, tries included.
    pub calls: u64,
    /// Of those, retries by the client's own mark.
    pub marked: u64,
    /// When its first fault hit, each time, in seconds.
    pub hits: Vec<f64>,
}

/// Upstreams to be started.
#[derive(Debug, Default)]
pub struct Cast {
    plans: Vec<UpstreamPlan>,
    rules: Vec<FaultRule>,
}

impl Cast {
    /// Adds an upstream, whose every request is hit by the faults.
    pub fn add(&mut self, name: &str, kind: UpstreamKind, faults: &[Injection]) {
        for (number, inject) in faults.iter().enumerate() {
            self.rules.push(FaultRule {
                name: format!("{name} {number}"),
                upstream: name.to_owned(),
                when: FaultMatch::default(),
                share: Share::ALL,
                window: FaultWindow { from: Offset::ZERO, until: None },
                inject: inject.clone(),
            });
        }
        self.plans.push(UpstreamPlan::new(name, kind));
    }

    /// Adds an upstream over TLS.
    pub fn add_encrypted(&mut self, name: &str, kind: UpstreamKind) {
        self.plans.push(UpstreamPlan { tls: true, ..UpstreamPlan::new(name, kind) });
    }

    /// Starts everything.
    pub async fn start(self) -> Stage {
        let (sink, mut events) = EventSink::channel();
        let names: Vec<String> = self.plans.iter().map(|plan| plan.name.clone()).collect();
        let engine = Arc::new(Engine::new(self.rules, Seed(1)));
        let upstreams = Upstreams::start(&self.plans, engine, Seed(1), sink).await.unwrap();
        upstreams.begin(RunClock::start());
        let folder = tempfile::tempdir().unwrap();
        let certificate = folder.path().join("ca.pem");
        std::fs::write(&certificate, upstreams.ca().unwrap_or_default()).unwrap();
        let trust = trust(&certificate);
        let watching = tokio::spawn(async move {
            let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
            let mut warnings = Vec::new();
            while let Some(event) = events.recv().await {
                match event {
                    RunEvent::Upstream(second) => {
                        let seen = seen.entry(names[usize::from(second.upstream)].clone()).or_default();
                        seen.calls += second.calls;
                        seen.marked += second.retries;
                    }
                    RunEvent::FaultFired { at, upstream, .. } => {
                        seen.entry(upstream).or_default().hits.push(at.as_secs_f64());
                    }
                    RunEvent::Warning { message, .. } => warnings.push(message),
                    _ => {}
                }
            }
            (seen, warnings)
        });
        Stage { upstreams, watching, trust, _folder: folder }
    }
}

/// Upstreams at work.
#[derive(Debug)]
pub struct Stage {
    upstreams: Upstreams,
    watching: JoinHandle<(BTreeMap<String, Seen>, Vec<String>)>,
    trust: BTreeMap<String, String>,
    /// Holds the certificate of the CA.
    _folder: TempDir,
}

impl Stage {
    /// The base URL of an upstream.
    pub fn url(&self, name: &str) -> String {
        self.upstreams.url(name).unwrap_or_else(|| panic!("no upstream `{name}`"))
    }

    /// The environment in which a client trusts the upstreams over TLS.
    pub fn trust(&self) -> &BTreeMap<String, String> {
        &self.trust
    }

    /// The environment that points an app at the upstreams; of several of one kind, the last one's.
    pub fn environment(&self) -> BTreeMap<String, String> {
        self.upstreams.environment()
    }

    /// Ends everything; what each upstream saw, and what the mocks warned of.
    pub async fn end(self) -> (BTreeMap<String, Seen>, Vec<String>) {
        self.upstreams.shutdown().await;
        self.watching.await.unwrap()
    }
}
