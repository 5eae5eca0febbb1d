//! [`App`]: the state that all of the app's requests share.

use super::alerts::Alerts;
use super::config::ReferenceConfig;
use super::coordination::Coordination;
use super::defect::{AgentName, Defect};
use super::error::ReferenceError;
use super::event_loop::EventLoop;
use super::figures::Figures;
use super::memory::Memory;
use super::openai::{ChatCall, Completion, OpenAi, OpenAiError};
use super::pace::Pace;
use super::reply::Reply;
use super::side_services::SideServices;
use super::supabase::{Supabase, SupabaseError};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

/// The app.
pub(super) struct App {
    pub(super) config: ReferenceConfig,
    pub(super) pace: Pace,
    pub(super) event_loop: EventLoop,
    pub(super) openai: OpenAi,
    pub(super) supabase: Supabase,
    pub(super) side: SideServices,
    pub(super) coordination: Arc<Coordination>,
    pub(super) memory: Memory,
    pub(super) figures: Figures,
    pub(super) alerts: Alerts,
    /// Hundredths of a cent spent today, as the resilient app tracks it.
    spent: AtomicU64,
    /// Requests served, and journal entries written: for defects that strike each so many.
    served: AtomicU64,
    journals: AtomicU64,
    /// The journal that was written last, for the defect that mixes users up.
    pub(super) last_journal: Mutex<Option<serde_json::Value>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Supabase failed where the resilient app says so; the faithful one swallows it and goes on.
#[derive(Debug)]
pub(super) struct Unavailable(pub(super) SupabaseError);

impl From<Unavailable> for Reply {
    fn from(Unavailable(error): Unavailable) -> Self {
        Self::detail(503, format!("storage is unavailable: {error}")).retry_after(5)
    }
}

impl App {
    /// Sets the app up; `stop` ends its tasks.
    pub(super) fn new(config: ReferenceConfig, stop: CancellationToken) -> Result<Arc<Self>, ReferenceError> {
        let openai_url = base_url("OpenAI", &config.openai_url)?.as_str().trim_end_matches('/').to_owned();
        let supabase_url = base_url("Supabase", &config.supabase_url)?;
        let side_url = match &config.side_url {
            Some(url) => Some(base_url("the side services", url)?.as_str().trim_end_matches('/').to_owned()),
            None => None,
        };
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(ReferenceError::Client)?;
        let gone = config.defects.iter().find_map(|defect| match defect {
            Defect::DatabaseGone(after) => Some(tokio::time::Instant::now() + after.get()),
            _ => None,
        });
        let pace = Pace::new(config.speed);
        let timeouts = !config.defects.contains(&Defect::NoUpstreamTimeout);
        let (openai_key, supabase_key) = (config.openai_key.clone(), config.supabase_key.clone());
        let (event_loop, openai, supabase) = if config.resilient {
            (
                EventLoop::concurrent(pace),
                OpenAi::resilient(http.clone(), openai_url, openai_key, pace, timeouts),
                Supabase::resilient(http.clone(), supabase_url, supabase_key, timeouts),
            )
        } else {
            (
                EventLoop::serial(pace),
                OpenAi::faithful(http.clone(), openai_url, openai_key, pace),
                Supabase::faithful(http.clone(), supabase_url, supabase_key),
            )
        };
        Ok(Arc::new(Self {
            pace,
            event_loop,
            openai,
            supabase: supabase.gone_from(gone),
            side: SideServices::new(http, side_url, pace),
            coordination: Arc::default(),
            memory: Memory::new(!config.resilient),
            figures: Figures::new(),
            alerts: Alerts::default(),
            spent: AtomicU64::new(0),
            served: AtomicU64::new(0),
            journals: AtomicU64::new(0),
            last_journal: Mutex::default(),
            tasks: TaskTracker::new(),
            stop,
            config,
        }))
    }

    /// Whether this is the well-behaved app.
    pub(super) fn resilient(&self) -> bool {
        self.config.resilient
    }

    /// Whether an agent is broken by a defect.
    pub(super) fn broken(&self, agent: AgentName) -> bool {
        self.config.defects.contains(&Defect::BrokenAgent(agent))
    }

    /// How much later an endpoint answers by a defect.
    pub(super) fn delay_of(&self, endpoint: &str) -> Option<Duration> {
        self.config.defects.iter().find_map(|defect| match defect {
            Defect::SlowEndpoint { endpoint: slow, by } if slow == endpoint => Some(by.get()),
            _ => None,
        })
    }

    /// How much memory every request leaves behind by a defect.
    pub(super) fn leak_per_request(&self) -> usize {
        let leaks = self.config.defects.iter().map(|defect| match defect {
            Defect::Leak(size) => usize::try_from(size.get()).unwrap_or(usize::MAX),
            _ => 0,
        });
        leaks.fold(0, usize::saturating_add)
    }

    /// What a defect says, if it is there.
    fn defect<T>(&self, pick: impl FnMut(&Defect) -> Option<T>) -> Option<T> {
        self.config.defects.iter().find_map(pick)
    }

    /// Whether a defect without a value is there.
    pub(super) fn has(&self, defect: &Defect) -> bool {
        self.config.defects.contains(defect)
    }

    /// Whether this journal entry is to be lost by a defect.
    pub(super) fn loses_journal(&self) -> bool {
        let each = self.defect(|defect| match defect {
            Defect::LostWrites(each) => Some(u64::from(*each)),
            _ => None,
        });
        each.is_some_and(|each| (self.journals.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(each))
    }

    /// The key that answers of this endpoint show by a defect.
    pub(super) fn shown_key(&self, endpoint: &str) -> Option<&str> {
        self.has(&Defect::ShowsKey(endpoint.to_owned())).then_some(self.config.openai_key.as_str())
    }

    /// Logs what a defect wants logged for a request.
    pub(super) fn log_request(&self, endpoint: &str) {
        let each = self.defect(|defect| match defect {
            Defect::LogErrors(each) => Some(u64::from(*each)),
            _ => None,
        });
        if each.is_some_and(|each| (self.served.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(each)) {
            (self.config.log)(&format!(
                "{} - holisticos.{endpoint} - ERROR - could not write the audit record\nTraceback (most recent call last):\n  \
                 File \"audit.py\", line 41, in write\nKeyError: 'audit'",
                super::timestamps::now_naive()
            ));
        }
    }

    /// How much memory every request leaves behind until a clean-up, by a defect.
    pub(super) fn hoard_per_request(&self) -> usize {
        let size = self.defect(|defect| match defect {
            Defect::Hoard(size) => usize::try_from(size.get()).ok(),
            _ => None,
        });
        size.unwrap_or(0)
    }

    /// Asks OpenAI on behalf of an agent (`None`: the memory service, which no defect breaks), and comes back to
    /// the event loop with the answer.
    pub(super) async fn ask(&self, agent: Option<AgentName>, call: &ChatCall) -> Result<Completion, OpenAiError> {
        if let Some(agent) = agent.filter(|agent| self.broken(*agent)) {
            return Err(OpenAiError::BrokenAgent(agent.as_str()));
        }
        let times = self.defect(|defect| match defect {
            Defect::RepeatedCalls(times) => Some(*times),
            _ => None,
        });
        for _ in 1..times.unwrap_or(1) {
            let _thrown_away = self.openai.complete(call).await;
        }
        let answer = self.openai.complete(call).await;
        self.event_loop.pass().await;
        self.spent.fetch_add(if call.model == "gpt-4o" { 200 } else { 50 }, Ordering::Relaxed);
        answer
    }

    /// What the flat prices per call add up to, in USD.
    pub(super) fn spent_usd(&self) -> f64 {
        self.spent.load(Ordering::Relaxed) as f64 / 10_000.0
    }

    /// What HolisticOS makes of a Supabase failure: nothing. The resilient app stops instead.
    pub(super) fn tolerate<T>(&self, outcome: Result<T, SupabaseError>) -> Result<Option<T>, Unavailable> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_no_row() || !self.resilient() => Ok(None),
            Err(error) => Err(Unavailable(error)),
        }
    }

    /// How a failed call of Supabase is answered where it cannot be swallowed: 500 with the exception's text; 503
    /// with `Retry-After` by the resilient app.
    pub(super) fn failed(&self, what: &str, error: SupabaseError) -> Reply {
        if self.resilient() && !error.is_no_row() {
            return Unavailable(error).into();
        }
        Reply::detail(500, format!("Failed to {what}: {error}"))
    }

    /// Runs work that outlives its request; it ends with the app.
    pub(super) fn spawn<F>(&self, work: F) -> tokio::task::JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(work))
    }

    /// Waits until all spawned work has ended; to be called once `stop` is cancelled.
    pub(super) async fn wind_up(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn base_url(upstream: &'static str, text: &str) -> Result<Url, ReferenceError> {
    let fail = |source| ReferenceError::Url { upstream, url: text.to_owned(), source };
    let url = Url::parse(text).map_err(|error| fail(Some(error)))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() { Ok(url) } else { Err(fail(None)) }
}
