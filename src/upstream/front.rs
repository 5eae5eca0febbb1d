//! [`Front`]: the TCP proxy in front of an upstream, which carries out the plan's faults on its connections.
//!
//! An upstream has one only if something wants it: a fault on its connections, or the control API. Without, its clients
//! reach it directly.

use super::notes::Notes;
use super::tcp::{Drawn, Hit, PlannedToxic, TcpProxy, TcpProxyError, TcpProxyPlan, Watcher};
use crate::fault::{ConnectionRules, Draw, edges, share_at};
use crate::model::fault::{ConnectionFault, FaultAction, FaultDecision, FaultRule, Ramped, Streams};
use crate::model::toxic::{Direction, Toxic, ToxicKind};
use crate::units::{Offset, RunClock, Seed, Share};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How often a fault follows its ramp.
const RAMP_STEP: Duration = Duration::from_millis(250);
/// How often an address that refuses everybody is noted as doing so. Nobody sees who was refused.
const REFUSING_EVERY: Duration = Duration::from_secs(1);
/// How long after its time a change is made: the opening of a fault must be on the timeline before its first hit.
const SETTLING: Duration = Duration::from_millis(5);

/// A proxy in front of an upstream.
pub struct Front {
    to: String,
    proxy: Arc<TcpProxy>,
    rules: Arc<ConnectionRules>,
    notes: Arc<Notes>,
    by_hand: Arc<ByHand>,
}

/// What a front is made of.
pub struct FrontPlan {
    /// The upstream's name.
    pub name: String,
    /// Where its clients reach it.
    pub listen: SocketAddr,
    /// Where it is, as `host:port`.
    pub to: String,
    /// Whether a connection is what is counted as a call of the upstream; otherwise that is a request.
    pub counts: bool,
}

/// Whether the proxy is what carries this fault out.
pub const fn is_carried_out_here(fault: &ConnectionFault) -> bool {
    matches!(fault, ConnectionFault::Toxic { .. } | ConnectionFault::Latency { .. } | ConnectionFault::Refuse { .. })
}

impl Front {
    /// Listens. Until [`Front::keep`] nothing is hit.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start(
        plan: FrontPlan,
        rules: &[FaultRule],
        seed: Seed,
        notes: Arc<Notes>,
        besides: Option<Arc<dyn Watcher>>,
    ) -> Result<Self, TcpProxyError> {
        let by_hand = Arc::new(ByHand::new(rules, &plan.name, Arc::clone(&notes)));
        let rules = Arc::new(ConnectionRules::of(rules, &plan.name, seed, is_carried_out_here));
        let watcher = Told {
            rules: Arc::clone(&rules),
            notes: Arc::clone(&notes),
            counts: plan.counts,
            by_hand: Arc::clone(&by_hand),
            besides,
        };
        let proxy = TcpProxyPlan { name: plan.name, listen: plan.listen, to: plan.to.clone() };
        let proxy = Arc::new(TcpProxy::start_watched(proxy, Vec::new(), seed, Arc::new(watcher)).await?);
        Ok(Self { to: plan.to, proxy, rules, notes, by_hand })
    }

    /// Where the upstream's clients reach it.
    pub fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// The proxy.
    pub fn proxy(&self) -> &Arc<TcpProxy> {
        &self.proxy
    }

    /// Where the upstream itself is, as `host:port`.
    pub fn to(&self) -> &str {
        &self.to
    }

    /// Changes all toxics that are put on by hand.
    pub fn put_on(&self, toxics: Vec<Arc<Toxic>>) {
        // On the timeline before its first hit.
        if !toxics.is_empty() {
            self.by_hand.turn(true);
        }
        self.proxy.set_toxics(toxics);
        self.settle();
    }

    /// Switches the proxy on or off by hand.
    pub fn set_enabled(&self, enabled: bool) {
        if !enabled {
            self.by_hand.turn(true);
        }
        self.proxy.set_enabled(enabled);
        self.settle();
    }

    fn settle(&self) {
        if self.proxy.is_enabled() && self.proxy.toxics().is_empty() {
            self.by_hand.turn(false);
        }
        self.by_hand.changed.notify_one();
    }

    /// What is to be done once the run has begun: the faults, on and off as planned.
    pub fn keep(&self, clock: RunClock) -> impl Future<Output = ()> + Send + 'static {
        let (proxy, rules, notes) = (Arc::clone(&self.proxy), Arc::clone(&self.rules), Arc::clone(&self.notes));
        let by_hand = Arc::clone(&self.by_hand);
        by_hand.begin(clock);
        async move {
            tokio::join!(
                carry_out(&proxy, &rules, clock),
                note_refusals(&rules, &notes, clock),
                by_hand.note_disabled(&proxy, clock)
            );
        }
    }
}

/// Sets the faults that are on, whenever that changes.
async fn carry_out(proxy: &TcpProxy, rules: &ConnectionRules, clock: RunClock) {
    let plain: Vec<FaultRule> = rules.iter().map(|(_, rule, _)| rule.clone()).collect();
    let mut edges = edges(&plain).peekable();
    loop {
        let now = clock.now();
        while edges.next_if(|edge| edge.at <= now).is_some() {}
        proxy.set_faults(planned(rules, now));
        let ramps = plain.iter().any(|rule| rule.is_on(now) && is_ramping(rule, now));
        let step = ramps.then(|| now.plus(RAMP_STEP));
        let Some(next) = edges.peek().map(|edge| edge.at).into_iter().chain(step).min() else { return };
        tokio::time::sleep_until(clock.instant(next) + SETTLING).await;
    }
}

fn is_ramping(rule: &FaultRule, at: Offset) -> bool {
    let course = rule.when.course;
    let down_from = rule.window.until.map(|until| until.since(Offset::ZERO).saturating_sub(course.ramp_down.get()));
    at.since(rule.window.from) <= course.ramp_up.get() + RAMP_STEP
        || (!course.ramp_down.get().is_zero() && down_from.is_some_and(|from| at.since(Offset::ZERO) >= from))
}

/// The toxics that carry out what is on at a moment.
fn planned(rules: &ConnectionRules, at: Offset) -> Vec<PlannedToxic> {
    let mut all = Vec::new();
    for (index, rule, fault) in rules.iter().filter(|(_, rule, _)| rule.is_on(at)) {
        let wave = since(rule, at).as_micros();
        let mut add = |kind: ToxicKind, stream: Direction, delay: Option<Drawn>| {
            let toxicity = Share::from_fraction(share_at(rule, at)).unwrap_or_default();
            let name = format!("{} {}", rule.name, stream.name());
            let toxic = Arc::new(Toxic { name, kind, stream, toxicity });
            all.push(PlannedToxic { rule: index, toxic, seed: rules.seed(rule), nth: rule.when.nth, wave, delay });
        };
        match fault {
            ConnectionFault::Toxic { kind, .. } if kind.is_gate() => add(*kind, Direction::Downstream, None),
            ConnectionFault::Toxic { kind, stream } => {
                stream.directions().iter().for_each(|direction| add(*kind, *direction, None));
            }
            ConnectionFault::Latency { delay, stream } => {
                let millis = |span: crate::units::Span| u64::try_from(span.get().as_millis()).unwrap_or(u64::MAX);
                let kind = ToxicKind::Latency { latency: millis(delay.mean), jitter: millis(delay.jitter) };
                let strength = if rule.when.course.ramps == Ramped::Delay { rule.strength(at) } else { 1.0 };
                let drawn = Drawn { draw: Arc::new(Draw::new(delay)), strength };
                stream.directions().iter().for_each(|direction| add(kind, *direction, Some(drawn.clone())));
            }
            ConnectionFault::Refuse { keep_open } => {
                add(ToxicKind::Refuse {}, Direction::Downstream, None);
                if !keep_open {
                    add(ToxicKind::ResetPeer { timeout: 0 }, Direction::Downstream, None);
                }
            }
            ConnectionFault::ByHand {}
            | ConnectionFault::TlsHandshakeFailure {}
            | ConnectionFault::Certificate(_)
            | ConnectionFault::Postgres(_) => {}
        }
    }
    all
}

/// When a rule that is on at a moment went on.
fn since(rule: &FaultRule, at: Offset) -> Offset {
    let from = rule.window.from;
    let period = rule.when.course.cycle.map_or(Duration::ZERO, |cycle| cycle.on.get() + cycle.off.get());
    let cycles = at.since(from).as_micros().checked_div(period.as_micros()).unwrap_or(0);
    from.plus(period.saturating_mul(u32::try_from(cycles).unwrap_or(u32::MAX)))
}

/// Notes faults by which the address refuses everybody, as long as they are on. Those who are refused are seen by
/// nobody: that it refuses is what is known.
async fn note_refusals(rules: &ConnectionRules, notes: &Notes, clock: RunClock) {
    let refusals = rules.iter().filter(|(_, rule, fault)| {
        matches!(fault, ConnectionFault::Refuse { .. }) && rule.share == Share::ALL && rule.when.nth.is_none()
    });
    let refusals: Vec<_> = refusals.map(|(index, rule, fault)| (index, rule.clone(), fault.clone())).collect();
    let plain: Vec<FaultRule> = refusals.iter().map(|(_, rule, _)| rule.clone()).collect();
    let mut n = 0;
    for edge in edges(&plain).filter(|edge| edge.opens) {
        let Some((index, rule, fault)) = refusals.get(edge.rule) else { continue };
        let mut next = edge.at.plus(SETTLING);
        loop {
            tokio::time::sleep_until(clock.instant(next)).await;
            if !rule.is_on(clock.now()) {
                break;
            }
            // On a ramp it refuses only some, who are noted one by one.
            if share_at(rule, clock.now()) >= 1.0 {
                n += 1;
                let action = FaultAction::Connection(fault.clone());
                notes.fired(&clock, "every new connection", FaultDecision { rule: *index, n, action }, false);
            }
            next = next.plus(REFUSING_EVERY);
        }
    }
}

/// Notes what is done by hand.
struct ByHand {
    /// The rule that stands for it, and for which it is on or not; without, nobody keeps a timeline.
    rule: Option<usize>,
    notes: Arc<Notes>,
    on: Mutex<bool>,
    hits: AtomicU64,
    changed: Notify,
}

impl ByHand {
    fn new(rules: &[FaultRule], upstream: &str, notes: Arc<Notes>) -> Self {
        let rule = rules.iter().position(|rule| rule.upstream == upstream && rule.inject.is_by_hand());
        Self { rule, notes, on: Mutex::new(false), hits: AtomicU64::new(0), changed: Notify::new() }
    }

    fn turn(&self, on: bool) {
        let mut before = self.on.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *before, on) != on
            && let (Some(rule), Some(clock)) = (self.rule, self.notes.clock())
        {
            let at = clock.now();
            if on { self.notes.opened(at, rule) } else { self.notes.closed(at, rule) }
        }
    }

    /// Says what is on already as the run begins.
    fn begin(&self, clock: RunClock) {
        let on = self.on.lock().unwrap_or_else(PoisonError::into_inner);
        if let (true, Some(rule)) = (*on, self.rule) {
            self.notes.opened(clock.now(), rule);
        }
    }

    fn struck(&self, request: &str, fault: ConnectionFault, first: bool) {
        if let (Some(rule), Some(clock)) = (self.rule, self.notes.clock()) {
            let n = self.hits.fetch_add(1, Ordering::Relaxed) + 1;
            let decision = FaultDecision { rule, n, action: FaultAction::Connection(fault) };
            self.notes.fired(&clock, request, decision, first);
        }
    }

    /// Notes that the proxy refuses everybody, as long as it is switched off.
    async fn note_disabled(&self, proxy: &TcpProxy, clock: RunClock) {
        if self.rule.is_none() {
            return;
        }
        let mut next = clock.now();
        loop {
            let changed = self.changed.notified();
            if proxy.is_enabled() {
                changed.await;
                next = clock.now();
                continue;
            }
            if next <= clock.now() {
                self.struck("every connection", ConnectionFault::Refuse { keep_open: false }, false);
                next = clock.now().plus(REFUSING_EVERY);
            }
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(clock.instant(next)) => {}
            }
        }
    }
}

/// Notes what happens at a proxy.
struct Told {
    rules: Arc<ConnectionRules>,
    notes: Arc<Notes>,
    counts: bool,
    by_hand: Arc<ByHand>,
    /// Who else wants to know.
    besides: Option<Arc<dyn Watcher>>,
}

impl Watcher for Told {
    fn accepted(&self) {
        if self.counts
            && let Some(clock) = self.notes.clock()
        {
            self.notes.called(&clock, false);
        }
    }

    fn hit(&self, hit: Hit) {
        let n = hit.connection + 1;
        let (request, first) = (format!("connection {n}"), self.counts && hit.first);
        match hit.rule {
            None => {
                let stream = match hit.toxic.stream {
                    Direction::Upstream => Streams::Upstream,
                    Direction::Downstream => Streams::Downstream,
                };
                self.by_hand.struck(&request, ConnectionFault::Toxic { kind: hit.toxic.kind, stream }, first);
            }
            Some(rule) => {
                let found = self.rules.iter().find(|(index, ..)| *index == rule);
                if let (Some(clock), Some((_, _, fault))) = (self.notes.clock(), found) {
                    let decision = FaultDecision { rule, n, action: FaultAction::Connection(fault.clone()) };
                    self.notes.fired(&clock, &request, decision, first);
                }
            }
        }
        if let Some(besides) = &self.besides {
            besides.hit(hit);
        }
    }
}
