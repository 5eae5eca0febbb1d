//! [`Limits`]: what may be used per minute and in all, so that headers, refusals and what was really admitted add up.
//!
//! Per key and model there are two buckets (`bucket`): one of requests and one of tokens, the latter taken up front:
//! those of the prompt and the most that may be answered. By default the limits are generous and nothing is refused:
//! a mock must not fail an app that nobody asked to fail. Configured limits refuse (`refusal`).

mod bucket;
mod refusal;

use super::models::{self, Model};
use crate::model::limits::{LimitHeaders, LimitsPlan, Quota, RateLimit};
use crate::model::prices::Prices;
use crate::upstream::answer::{Answer, Call};
use bucket::{Bucket, Left, Short};
use refusal::Unit;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Requests per minute where none are configured (what OpenAI grants gpt-4o at usage tier 5).
const REQUESTS_PER_MINUTE: u64 = 10_000;
/// Tokens per minute where none are configured (same tier).
const TOKENS_PER_MINUTE: u64 = 30_000_000;
/// How many keys and models are told apart. Whoever comes when all places are taken shares one account per model
/// with others of the kind: made-up keys must cost neither memory nor anyone else's limits.
const MOST_ACCOUNTS: usize = 10_000;
/// How often accounts that are full again are forgotten while places are scarce.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// The key of shared accounts.
const SHARED: u64 = 0;
/// Prices are for so many tokens.
const PER_TOKENS: f64 = 1e6;
/// A dollar in the unit in which spending is counted.
const NANO: f64 = 1e9;

/// The limits of one mock and what is used of them.
#[derive(Debug)]
pub struct Limits {
    every: RateLimit,
    models: HashMap<&'static str, RateLimit>,
    headers: LimitHeaders,
    count_refused: bool,
    quota: Option<Quota>,
    /// What tokens cost, where the quota is in dollars.
    prices: Option<Prices>,
    accounts: Mutex<Accounts>,
    spent: Spent,
}

#[derive(Debug, Default)]
struct Accounts {
    open: HashMap<u64, Account>,
    swept: Option<Instant>,
}

/// What one key has used of one model.
#[derive(Clone, Copy, Debug)]
struct Account {
    requests: Bucket,
    tokens: Bucket,
    at: Instant,
    model: &'static str,
}

/// What was used in all.
#[derive(Debug, Default)]
struct Spent {
    tokens: AtomicU64,
    /// In billionths of a dollar.
    nanos: AtomicU64,
    refused: [AtomicU64; 3],
}

/// A request that may be answered.
#[derive(Debug)]
pub struct Grant<'a> {
    limits: &'a Limits,
    model: &'static Model,
    left: [(u64, Left); 2],
}

impl Limits {
    /// Limits as planned, nothing used yet. Names that are no models are left out; the configuration reports them.
    pub fn new(plan: &LimitsPlan) -> Self {
        let named = |(name, limit): (&String, &RateLimit)| {
            let own = RateLimit {
                requests_per_minute: limit.requests_per_minute.or(plan.every.requests_per_minute),
                tokens_per_minute: limit.tokens_per_minute.or(plan.every.tokens_per_minute),
            };
            Some((models::find(name)?.model.id, own))
        };
        Self {
            every: plan.every,
            models: plan.models.iter().filter_map(named).collect(),
            headers: plan.headers,
            count_refused: plan.count_refused,
            quota: plan.quota,
            // The shipped table can be read: its own test says so.
            prices: matches!(plan.quota, Some(Quota::Dollars(_))).then(Prices::shipped).and_then(Result::ok),
            accounts: Mutex::default(),
            spent: Spent::default(),
        }
    }

    /// Reserves a request and its tokens: those of the prompt and the most that may be answered, as OpenAI does.
    ///
    /// # Errors
    /// The answer that refuses it: over a rate, or over the quota.
    pub fn admit(&self, call: &Call<'_>, model: &'static Model, tokens: u64) -> Result<Grant<'_>, Box<Answer>> {
        if self.is_spent() {
            self.spent.refused[2].fetch_add(1, Ordering::Relaxed);
            return Err(Box::new(refusal::over_quota()));
        }
        let rate = self.rate(model);
        let [requests_limit, tokens_limit] = in_force(rate);
        let now = Instant::now();
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.of(call, model, now, |model| in_force(self.rate_of(model)));
        let checks = [
            (Unit::Requests, rate.requests_per_minute, account.requests, 1),
            (Unit::Tokens, rate.tokens_per_minute, account.tokens, tokens),
        ];
        let over = checks.into_iter().find_map(|(unit, limit, bucket, amount)| {
            let limit = limit?;
            bucket.check(amount, limit).err().map(|short| (unit, limit, amount, short))
        });
        if over.is_none() || self.count_refused {
            account.requests.take(1, requests_limit);
        }
        if over.is_none() {
            account.tokens.take(tokens, tokens_limit);
        }
        let left = [
            (requests_limit, account.requests.left(requests_limit)),
            (tokens_limit, account.tokens.left(tokens_limit)),
        ];
        drop(accounts);
        let Some((unit, limit, amount, short)) = over else { return Ok(Grant { limits: self, model, left }) };
        self.spent.refused[usize::from(unit == Unit::Tokens)].fetch_add(1, Ordering::Relaxed);
        Err(Box::new(self.refused(unit, model, limit, amount, short, left)))
    }

    /// Counts a request that fails for another reason than a limit: it uses up the limit of requests like any other
    /// (OpenAI's help, article 5955604), and its answer says what is left.
    pub fn failed(&self, call: &Call<'_>, model: &'static Model, answer: Answer) -> Answer {
        let [requests_limit, tokens_limit] = in_force(self.rate(model));
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.of(call, model, Instant::now(), |model| in_force(self.rate_of(model)));
        account.requests.take(1, requests_limit);
        let left = [
            (requests_limit, account.requests.left(requests_limit)),
            (tokens_limit, account.tokens.left(tokens_limit)),
        ];
        drop(accounts);
        if self.headers == LimitHeaders::None { answer } else { refusal::with_left(answer, left) }
    }

    /// A refusal that a fault asks for: as if this limit were used up at this moment.
    pub fn as_if_over(&self, by_tokens: bool, model: &'static Model, tokens: u64) -> Answer {
        let limits = in_force(self.rate(model));
        let (unit, limit, amount) = if by_tokens {
            (Unit::Tokens, limits[1], tokens.clamp(1, limits[1]))
        } else {
            (Unit::Requests, limits[0], 1)
        };
        let mut buckets = [Bucket::default(); 2];
        buckets[usize::from(by_tokens)].take(limit, limit);
        let short = buckets[usize::from(by_tokens)].check(amount, limit).err();
        let short = short.unwrap_or(Short { used: limit, wait: Some(Duration::from_secs(1)) });
        let left = [(limits[0], buckets[0].left(limits[0])), (limits[1], buckets[1].left(limits[1]))];
        self.refused(unit, model, limit, amount, short, left)
    }

    /// What is used and what was refused, for people who look.
    pub fn state(&self) -> Value {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner).open.len();
        json!({
            "accounts": accounts,
            "spent": {"tokens": count(&self.spent.tokens), "dollars": count(&self.spent.nanos) as f64 / NANO},
            "refused": {
                "requests": count(&self.spent.refused[0]),
                "tokens": count(&self.spent.refused[1]),
                "quota": count(&self.spent.refused[2]),
            },
        })
    }

    fn refused(
        &self,
        unit: Unit,
        model: &Model,
        limit: u64,
        amount: u64,
        short: Short,
        left: [(u64, Left); 2],
    ) -> Answer {
        let headers = self.headers == LimitHeaders::All;
        let answer = refusal::over_rate(unit, model.id, limit, amount, short, headers);
        if headers { refusal::with_left(answer, left) } else { answer }
    }

    fn rate(&self, model: &Model) -> RateLimit {
        self.rate_of(model.id)
    }

    fn rate_of(&self, model: &str) -> RateLimit {
        self.models.get(model).copied().unwrap_or(self.every)
    }

    fn is_spent(&self) -> bool {
        match self.quota {
            None => false,
            Some(Quota::Tokens(most)) => self.spent.tokens.load(Ordering::Relaxed) >= most,
            Some(Quota::Dollars(most)) => self.spent.nanos.load(Ordering::Relaxed) as f64 >= most * NANO,
        }
    }
}

/// What stands in the headers: the configured limits, or the generous ones.
fn in_force(rate: RateLimit) -> [u64; 2] {
    [
        rate.requests_per_minute.unwrap_or(REQUESTS_PER_MINUTE).max(1),
        rate.tokens_per_minute.unwrap_or(TOKENS_PER_MINUTE).max(1),
    ]
}

impl Accounts {
    /// The account of the call's key with a model, refilled up to now.
    fn of(
        &mut self,
        call: &Call<'_>,
        model: &'static Model,
        now: Instant,
        limits: impl Fn(&str) -> [u64; 2],
    ) -> &mut Account {
        let salt = xxh3_64_with_seed(model.id.as_bytes(), 0);
        let mut key = xxh3_64_with_seed(call.bearer().unwrap_or_default().as_bytes(), salt);
        if self.open.len() >= MOST_ACCOUNTS && !self.open.contains_key(&key) {
            if self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP_EVERY) {
                self.swept = Some(now);
                self.open.retain(|_, account| {
                    account.refill(now, limits(account.model));
                    !(account.requests.is_full() && account.tokens.is_full())
                });
            }
            if self.open.len() >= MOST_ACCOUNTS {
                key = SHARED ^ salt;
            }
        }
        let account = self.open.entry(key).or_insert(Account {
            requests: Bucket::default(),
            tokens: Bucket::default(),
            at: now,
            model: model.id,
        });
        account.refill(now, limits(model.id));
        account
    }
}

impl Account {
    fn refill(&mut self, now: Instant, [requests, tokens]: [u64; 2]) {
        let elapsed = now.saturating_duration_since(self.at);
        self.requests.refill(elapsed, requests);
        self.tokens.refill(elapsed, tokens);
        self.at = self.at.max(now);
    }
}

impl Grant<'_> {
    /// Says in the answer's headers what is left, and charges what the answer costs.
    pub fn dress(self, answer: Answer) -> Answer {
        let limits = self.limits;
        limits.spent.tokens.fetch_add(answer.tokens_in + answer.tokens_out, Ordering::Relaxed);
        let answer = match limits.prices.as_ref().map(|prices| prices.of(self.model.id)) {
            None => answer,
            Some(Some(price)) => {
                let cached = answer.tokens_cached.min(answer.tokens_in);
                let dollars = (answer.tokens_in - cached) as f64 * price.input
                    + cached as f64 * price.cached.unwrap_or(price.input)
                    + answer.tokens_out as f64 * price.output;
                limits.spent.nanos.fetch_add((dollars / PER_TOKENS * NANO) as u64, Ordering::Relaxed);
                answer
            }
            Some(None) if answer.warning.is_none() => {
                let model = self.model.id;
                answer.warned(Some(format!("no price of `{model}` is known: it does not count against the quota")))
            }
            Some(None) => answer,
        };
        if limits.headers == LimitHeaders::None { answer } else { refusal::with_left(answer, self.left) }
    }
}
