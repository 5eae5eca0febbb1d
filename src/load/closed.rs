//! [`run`]: the closed model. goose owns the virtual users; each walks its journeys through our executor.
//!
//! How goose (0.19) is used, and why so:
//! - One scenario with one transaction, whose body walks one whole journey. goose's client, metrics, throttle
//!   and reports stay unused.
//! - All users are launched at once and begin at their own time (`draw::start_of`). goose's ramp knows whole
//!   seconds only and needs two users, and an attack that is still launching can be ended by nothing but its
//!   process-wide kill switch, which would also hit every other attack of the process.
//! - A user that is over reports so on goose's own channel for users that are done (the one it uses for its
//!   `iterations`). Once all have, goose ends the attack by itself, within its tick of half a second: no kill
//!   switch, no run time, several runs at once or in sequence.
//! - goose installs a Ctrl-C handler unless there is one: whoever handles signals must do so before.
//! - Metrics are off but their reset after the launch is not: with it off, goose prints to stdout.

use super::canary::Canaries;
use super::client::Dialer;
use super::error::LoadError;
use super::program::Program;
use super::user::{Tally, Turn, VirtualUser, Walk};
use crate::model::plan::{LoadPlan, Plan};
use crate::record::Recorder;
use crate::units::RunClock;
use futures_util::FutureExt as _;
use goose::client::GooseClientBuilder;
use goose::config::GooseConfiguration;
use goose::goose::{GooseUser, Scenario, Transaction, TransactionFunction};
use goose::{GooseAttack, GooseError};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

/// How often a user that is over looks whether goose wants it to go, while others still walk.
const LONG_NAP: Duration = Duration::from_millis(500);
/// The same, once all are over and goose is about to end; more with many users, whose waking would delay goose.
const SHORT_NAP: Duration = Duration::from_millis(20);
/// The longest of these.
const LONGEST_SHORT_NAP: Duration = Duration::from_millis(100);
/// What each user adds to it.
const NAP_PER_USER: Duration = Duration::from_micros(20);
/// Panics after which a user is given up. One is a bug of ours; more would be a loop of it.
const PANICS_PER_USER: u32 = 3;

/// What a load needs.
#[derive(Clone, Debug)]
pub struct LoadContext {
    /// What to do.
    pub plan: Arc<Plan>,
    /// Where the target is; a path in it goes before every step's path.
    pub base_url: String,
    /// The run's id, for `{run}` in feeders.
    pub run_id: String,
    /// The run's clock; the load begins at its zero and ends at [`Plan::load_end`].
    pub clock: RunClock,
    /// Where samples go.
    pub recorder: Recorder,
    /// Cancelled to end now.
    pub stop: CancellationToken,
    /// What no answer may hold.
    pub canaries: Option<Arc<Canaries>>,
}

/// What a load did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadSummary {
    /// Virtual users that started.
    pub users_started: u64,
    /// Journeys begun.
    pub journeys: u64,
    /// Steps sent.
    pub steps: u64,
    /// Steps that were under way, and within their deadline, when the run ended.
    pub unfinished: u64,
    /// Times that a virtual user met a bug of ours; its journey is missing from the results.
    pub panics: u64,
}

/// Drives the plan's load and returns once every virtual user is gone: when all that was under way at the end
/// has ended, at the latest at load end + graceful stop, or within a second of `stop`.
///
/// Dropping the future stops the users too, within goose's half second but unawaited.
///
/// # Errors
/// If the plan cannot be sent at all, or goose refuses or ends early.
pub async fn run(context: LoadContext) -> Result<LoadSummary, LoadError> {
    let LoadContext { plan, base_url, run_id, clock, recorder, stop, canaries } = context;
    let base =
        Url::parse(&base_url).map_err(|error| LoadError::Url { url: base_url.clone(), why: error.to_string() })?;
    let LoadPlan::Closed { users, ramp_up, graceful_stop, iterations, .. } = plan.load;
    if users == 0 {
        return Err(LoadError::Nothing("virtual users"));
    }
    let load_end = plan.load_end();
    // First, because it refuses URLs that no later message should show.
    let dialer = Arc::new(Dialer::new(&base)?);
    let walk = Arc::new(Walk {
        program: Program::compile(&plan, &base, &run_id)?,
        dialer,
        clock,
        recorder,
        users,
        ramp: ramp_up.get(),
        load_end,
        grace_end: load_end.plus(graceful_stop.get()),
        iterations,
        rows: AtomicU64::new(0),
        tally: Tally::default(),
        canaries,
        places: plan.endpoints.iter().map(|endpoint| format!("{} {}", endpoint.method, endpoint.path)).collect(),
    });
    let stop = stop.child_token();
    let fleet = Arc::new(Fleet::new(&walk, &stop));
    let attack = attack(&base, users, Arc::clone(&fleet))?;

    // In a task of its own: a dropped attack would leave its users running (goose), so it must be seen through
    // even if this future is dropped, which the guard turns into a stop.
    let guard = stop.drop_guard();
    let ended = tokio::spawn(attack.execute()).await;
    drop(guard);
    match ended {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(refused(error)),
        Err(error) => return Err(LoadError::Goose(Box::new(error))),
    }
    if !fleet.all_over.is_cancelled() {
        return Err(LoadError::EndedEarly);
    }
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let tally = &walk.tally;
    let panics = count(&fleet.panics);
    if panics > 0 {
        walk.recorder.warn(format!(
            "firedrill itself failed in {panics} journeys, which are missing from the results; please report this"
        ));
    }
    Ok(LoadSummary {
        users_started: count(&tally.users_started),
        journeys: count(&tally.journeys),
        steps: count(&tally.steps),
        unfinished: count(&tally.unfinished),
        panics,
    })
}

/// goose's errors borrow too much to be sent on as they are.
fn refused(error: GooseError) -> LoadError {
    LoadError::Goose(error.to_string().into())
}

/// The attack as goose sees it.
fn attack(base: &Url, users: u32, fleet: Arc<Fleet>) -> Result<GooseAttack, LoadError> {
    // goose installs a logger that writes to stderr unless there is one. Ours says nothing; if somebody has
    // installed another one before, so much the better.
    let _ = log::set_logger(&SILENCE);
    let body: TransactionFunction = Arc::new(move |user: &mut GooseUser| {
        let fleet = Arc::clone(&fleet);
        Box::pin(async move {
            if fleet.turn(user.weighted_users_index).await == Turn::Over
                && let Some(done) = &user.shutdown_channel
            {
                // goose counts distinct numbers. If nobody listens any more, the attack is over anyway.
                let _ = done.send(user.weighted_users_index);
            }
            Ok(())
        })
    });
    // Its private fields rule out a struct expression.
    let mut configuration = GooseConfiguration::default();
    configuration.host = Some(base.to_string());
    configuration.users = Some(users as usize);
    // So many a second that all are launched in one go.
    configuration.increase_rate = Some("1000000".to_owned());
    configuration.quiet = 1;
    configuration.no_metrics = true;
    configuration.no_print_metrics = true;
    configuration.no_error_summary = true;
    configuration.no_telnet = true;
    // One client for all, which nobody uses; accepting any certificate spares it the reading of the system's
    // roots, 30 ms a run, and makes it work where there are none.
    let client = GooseClientBuilder::new().without_cookies().accept_invalid_certs(true);
    Ok(GooseAttack::initialize_with_config(configuration)
        .map_err(refused)?
        .set_client_builder_without_cookies(client)
        .map_err(refused)?
        .register_scenario(Scenario::new("journeys").register_transaction(Transaction::new(body))))
}

/// All virtual users of a run, by the number that goose gives them.
struct Fleet {
    users: Vec<Mutex<Berth>>,
    /// Users that are not over yet.
    walking: AtomicU32,
    all_over: CancellationToken,
    panics: AtomicU64,
}

/// A virtual user's place.
struct Berth {
    user: Option<VirtualUser>,
    panics: u32,
}

impl Fleet {
    fn new(walk: &Arc<Walk>, stop: &CancellationToken) -> Self {
        // A child each: waiting for one token together, users would queue at its lock at every step.
        let berth = |number| {
            let user = VirtualUser::new(number, Arc::clone(walk), stop.child_token());
            Mutex::new(Berth { user: Some(user), panics: 0 })
        };
        Self {
            users: (0..walk.users).map(berth).collect(),
            walking: AtomicU32::new(walk.users),
            all_over: CancellationToken::new(),
            panics: AtomicU64::new(0),
        }
    }

    /// One turn of a user: a journey, or a nap once it is over. Over is told exactly once.
    async fn turn(&self, number: usize) -> Turn {
        // A transaction that never suspends would keep goose from ever telling its users to go.
        tokio::task::yield_now().await;
        let Some(berth) = self.users.get(number) else {
            sleep(LONG_NAP).await;
            return Turn::Again;
        };
        let mut berth = berth.lock().await;
        let Some(user) = &mut berth.user else {
            // The nap ends early with the news that all are over.
            if timeout(LONG_NAP, self.all_over.cancelled()).await.is_ok() {
                let users = u32::try_from(self.users.len()).unwrap_or(u32::MAX);
                sleep((SHORT_NAP + NAP_PER_USER.saturating_mul(users)).min(LONGEST_SHORT_NAP)).await;
            }
            return Turn::Again;
        };
        let turn = match AssertUnwindSafe(user.turn()).catch_unwind().await {
            Ok(turn) => turn,
            Err(_) => self.panicked(&mut berth),
        };
        if turn == Turn::Over {
            berth.user = None;
            if self.walking.fetch_sub(1, Ordering::AcqRel) == 1 {
                self.all_over.cancel();
            }
        }
        turn
    }

    /// A bug of ours must neither end a user silently, as goose would have it, nor go unnoticed.
    fn panicked(&self, berth: &mut Berth) -> Turn {
        self.panics.fetch_add(1, Ordering::Relaxed);
        berth.panics += 1;
        if berth.panics >= PANICS_PER_USER { Turn::Over } else { Turn::Again }
    }
}

/// A logger that says nothing.
static SILENCE: Silence = Silence;

struct Silence;

impl log::Log for Silence {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        false
    }

    fn log(&self, _: &log::Record<'_>) {}

    fn flush(&self) {}
}
