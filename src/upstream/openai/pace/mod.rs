//! [`Pace`]: how long a model takes to its first token, and from one token to the next.
//!
//! Every time is drawn from the seed by the call's number (and the token's), so a call of a run takes the same time
//! whatever else goes on; only `per-concurrent` and the `queue` look at what else there is.

mod queue;

use super::models::{Model, Purpose, find};
use crate::fault::Draw;
use crate::model::pace::{ModelPace, PacePlan};
use crate::model::upstream::OpenaiPlan;
use crate::stats::normal_quantile;
use crate::units::Seed;
use queue::Queue;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Nothing takes longer: by then every client is gone, and sums of times must not overflow.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The pace of every answer of a mock.
#[derive(Debug)]
pub struct Pace {
    seed: Seed,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// One delay per answer, before anything of it.
    Latency(Draw),
    /// By tokens.
    Tokens(Box<ByTokens>),
}

#[derive(Debug)]
struct ByTokens {
    every: Drawn,
    models: HashMap<&'static str, Drawn>,
    embeddings: Draw,
    queue: Option<Queue>,
}

/// A model's pace, ready to be drawn from.
#[derive(Debug)]
struct Drawn {
    first: Draw,
    gap: Draw,
    /// The standard deviation of the logarithm of a gap's factor.
    spread: f64,
    per_prompt_token: Duration,
    per_concurrent: Duration,
}

/// What the pace of one answer depends on.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// The model.
    pub model: &'static Model,
    /// The call's number: the key of the draws.
    pub number: u64,
    /// Tokens that the model must read.
    pub prompt_tokens: u64,
    /// How many requests the mock is busy with, this one included.
    pub in_flight: u64,
}

/// The pace of one answer, drawn.
#[derive(Clone, Debug)]
pub struct Timing {
    /// Before anything of the answer: a plain latency, or waiting for a place.
    head: Duration,
    /// From there to the first token.
    first: Duration,
    /// The answer's mean gap, in seconds.
    gap: f64,
    spread: f64,
    seed: Seed,
    number: u64,
    token: u64,
}

impl Pace {
    /// The pace that is planned.
    pub fn new(plan: &OpenaiPlan, seed: Seed) -> Self {
        let kind = match &plan.pace {
            None => Kind::Latency(Draw::new(&plan.latency)),
            Some(pace) => Kind::Tokens(Box::new(ByTokens::new(pace))),
        };
        Self { seed: seed.derive("latency"), kind }
    }

    /// Draws the pace of an answer.
    pub fn timing(&self, work: Work) -> Timing {
        let (seed, number) = (self.seed, work.number);
        let still =
            Timing { head: Duration::ZERO, first: Duration::ZERO, gap: 0.0, spread: 0.0, seed, number, token: 0 };
        match &self.kind {
            Kind::Latency(latency) => Timing { head: latency.draw(seed, &[number]), ..still },
            Kind::Tokens(paces) => match work.model.purpose {
                Purpose::Embedding { .. } | Purpose::Moderation => {
                    Timing { head: paces.embeddings.draw(seed, &[number]), ..still }
                }
                Purpose::Chat | Purpose::Responses | Purpose::Completion => {
                    let pace = paces.models.get(work.model.id).unwrap_or(&paces.every);
                    let reading = times(pace.per_prompt_token, work.prompt_tokens);
                    let crowd = times(pace.per_concurrent, work.in_flight.saturating_sub(1));
                    // Labels of their own: a long wait for the first token says nothing about the gaps.
                    let gap = pace.gap.draw(seed.derive("gap"), &[number]).as_secs_f64();
                    let first = pace.first.draw(seed.derive("first"), &[number]);
                    Timing {
                        first: first.saturating_add(reading).saturating_add(crowd).min(LONGEST),
                        gap,
                        spread: pace.spread,
                        ..still
                    }
                }
            },
        }
    }

    /// The same timing, later by the time until there is a place for it, if places are limited. `tokens` is what
    /// the longest of its answers has, without reasoning.
    pub fn queued(&self, timing: Timing, tokens: u64) -> Timing {
        let Kind::Tokens(paces) = &self.kind else { return timing };
        let Some(queue) = &paces.queue else { return timing };
        let wait = queue.enter(Instant::now(), timing.clone().whole(tokens));
        Timing { head: timing.head + wait, ..timing }
    }
}

fn times(span: Duration, count: u64) -> Duration {
    span.saturating_mul(small(count))
}

impl ByTokens {
    fn new(plan: &PacePlan) -> Self {
        let named = |(name, pace): (&String, &ModelPace)| Some((find(name)?.model.id, Drawn::new(pace)));
        Self {
            every: Drawn::new(&plan.every),
            models: plan.models.iter().filter_map(named).collect(),
            embeddings: Draw::new(&plan.embeddings),
            queue: plan.capacity.map(Queue::new),
        }
    }
}

impl Drawn {
    fn new(pace: &ModelPace) -> Self {
        let relative = pace.token_jitter.fraction();
        Self {
            first: Draw::new(&pace.first_token),
            gap: Draw::new(&pace.token_gap),
            spread: (relative * relative).ln_1p().sqrt(),
            per_prompt_token: pace.per_1k_prompt_tokens.get() / 1_000,
            per_concurrent: pace.per_concurrent.get(),
        }
    }
}

impl Timing {
    /// From the request to the first token. A reasoning model's thinking is in it.
    pub fn first(&self) -> Duration {
        self.head + self.first
    }

    /// From the request to the headers of a stream that begins before the model has said anything.
    pub const fn head(&self) -> Duration {
        self.head
    }

    /// From those headers to the first token.
    pub const fn first_after_head(&self) -> Duration {
        self.first
    }

    /// From the token before to the next.
    pub fn gap(&mut self) -> Duration {
        if self.gap == 0.0 {
            return Duration::ZERO;
        }
        self.token += 1;
        if self.spread == 0.0 {
            return Duration::from_secs_f64(self.gap);
        }
        let unit = self.seed.unit(&[self.number, self.token]);
        // Log-normal with mean 1. The draw is below 1 and may be 0, whose factor is 0.
        let factor = (self.spread * normal_quantile(unit) - self.spread * self.spread / 2.0).exp();
        Duration::from_secs_f64((self.gap * factor).min(LONGEST.as_secs_f64()))
    }

    /// From the request to the end of an answer of so many tokens, as one that is not streamed takes. Those of
    /// reasoning are no part of them: their time is before the first token.
    pub fn whole(mut self, tokens: u64) -> Duration {
        let first = self.first();
        let whole = match (self.gap == 0.0, self.spread == 0.0) {
            (true, _) => first,
            (false, true) => first.saturating_add(times(Duration::from_secs_f64(self.gap), tokens.saturating_sub(1))),
            (false, false) => (1..tokens).fold(first, |sum, _| sum.saturating_add(self.gap())),
        };
        whole.min(LONGEST)
    }
}

fn small(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fault::{Delay, DelayShape};
    use crate::units::{Share, Span};
    use proptest::prelude::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn pace(every: ModelPace) -> Pace {
        let plan = PacePlan { every, embeddings: Delay::constant(ms(30)), ..PacePlan::default() };
        Pace::new(&OpenaiPlan { pace: Some(Box::new(plan)), ..OpenaiPlan::default() }, Seed(4))
    }

    fn work(model: &'static str, number: u64, prompt_tokens: u64, in_flight: u64) -> Work {
        Work { model: find(model).unwrap().model, number, prompt_tokens, in_flight }
    }

    fn typical() -> ModelPace {
        ModelPace {
            first_token: Delay {
                mean: Span(ms(600)),
                jitter: Span(ms(200)),
                shape: DelayShape::Lognormal,
                correlation: Share::NONE,
            },
            token_gap: Delay {
                mean: Span(ms(20)),
                jitter: Span(ms(5)),
                shape: DelayShape::Lognormal,
                correlation: Share::NONE,
            },
            token_jitter: Share::from_fraction(0.4).unwrap(),
            per_1k_prompt_tokens: Span(ms(40)),
            per_concurrent: Span(ms(7)),
        }
    }

    #[test]
    fn the_first_token_waits_for_the_prompt_and_the_crowd() {
        let every = ModelPace { first_token: Delay::constant(ms(500)), ..typical() };
        let pace = pace(every);
        assert_eq!(pace.timing(work("gpt-4o", 1, 0, 1)).first(), ms(500));
        assert_eq!(pace.timing(work("gpt-4o", 1, 10_000, 1)).first(), ms(900));
        assert_eq!(pace.timing(work("gpt-4o", 1, 10_000, 11)).first(), ms(970));
        assert_eq!(pace.timing(work("text-embedding-3-small", 1, 10_000, 11)).whole(0), ms(30));
    }

    #[test]
    fn a_whole_answer_takes_what_its_stream_takes() {
        let pace = pace(typical());
        for number in 0..50 {
            let timing = pace.timing(work("gpt-4o", number, 300, 3));
            let mut stream = timing.clone();
            let streamed = (1..200).fold(stream.first(), |sum, _| sum + stream.gap());
            assert_eq!(timing.whole(200), streamed, "call {number}");
        }
    }

    #[test]
    fn the_same_call_takes_the_same_time_and_others_another() {
        let (one, two) = (pace(typical()), pace(typical()));
        let of = |pace: &Pace, number| pace.timing(work("gpt-4o", number, 300, 3)).whole(40);
        assert_eq!(of(&one, 7), of(&two, 7));
        assert_ne!(of(&one, 7), of(&one, 8));
    }

    #[test]
    fn gaps_are_lognormal_around_the_answers_own_mean() {
        let every = ModelPace { token_gap: Delay::constant(ms(20)), ..typical() };
        let mut timing = pace(every).timing(work("gpt-4o", 3, 0, 1));
        let mut gaps: Vec<f64> = (0..20_000).map(|_| timing.gap().as_secs_f64() / 0.020).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
        assert!((mean - 1.0).abs() < 0.01 && (deviation - 0.4).abs() < 0.02, "mean {mean}, deviation {deviation}");
        gaps.sort_by(f64::total_cmp);
        let variance = 0.16_f64.ln_1p();
        let distance = gaps.iter().enumerate().fold(0.0_f64, |most, (index, gap)| {
            let expected = 1.0 - crate::stats::upper_tail((gap.ln() + variance / 2.0) / variance.sqrt());
            most.max((expected - index as f64 / 20_000.0).abs())
        });
        assert!(distance < 1.95 / 20_000_f64.sqrt(), "Kolmogorov's distance {distance}");
    }

    #[test]
    fn speed_differs_between_answers() {
        let pace = pace(typical());
        let totals: Vec<f64> =
            (0..2_000).map(|number| pace.timing(work("gpt-4o", number, 0, 1)).whole(300).as_secs_f64()).collect();
        let mean = totals.iter().sum::<f64>() / totals.len() as f64;
        let deviation = (totals.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / totals.len() as f64).sqrt();
        assert!((mean - 6.58).abs() < 0.15, "mean {mean}");
        // Nearly all of it comes from the answer's own speed (299 gaps of 5 ms spread): single tokens average out.
        assert!((deviation - 1.51).abs() < 0.15, "deviation {deviation}");
    }

    #[test]
    fn a_plain_latency_is_before_everything_and_paces_nothing() {
        let plan = OpenaiPlan { latency: Delay::constant(ms(120)), ..OpenaiPlan::default() };
        let mut timing = Pace::new(&plan, Seed(1)).timing(work("gpt-4o", 0, 5_000, 9));
        assert_eq!((timing.head(), timing.first_after_head(), timing.gap()), (ms(120), ms(0), ms(0)));
        assert_eq!(timing.whole(500), ms(120));
    }

    #[tokio::test(start_paused = true)]
    async fn with_one_place_the_second_waits_for_the_first_to_be_through() {
        let every = ModelPace {
            first_token: Delay::constant(ms(500)),
            token_gap: Delay::constant(ms(10)),
            ..ModelPace::default()
        };
        let plan = PacePlan { every, capacity: Some(1), ..PacePlan::default() };
        let pace = Pace::new(&OpenaiPlan { pace: Some(Box::new(plan)), ..OpenaiPlan::default() }, Seed(4));
        let ask = |number| pace.queued(pace.timing(work("gpt-4o", number, 0, 1)), 51).first();
        assert_eq!((ask(0), ask(1), ask(2)), (ms(500), ms(1_500), ms(2_500)));
        tokio::time::advance(ms(2_500)).await;
        assert_eq!(ask(3), ms(1_000));
    }

    proptest! {
        #[test]
        fn no_plan_and_no_work_overflow(
            mean: u32, jitter: u32, share in 0.0..=1.0_f64, per: u32, tokens in 0_u64..500,
            number: u64, prompt_tokens: u64, in_flight: u64,
        ) {
            let span = |secs: u32| Span(Duration::from_secs(u64::from(secs)));
            let wild = Delay { mean: span(mean), jitter: span(jitter), shape: DelayShape::Pareto, correlation: Share::NONE };
            let every = ModelPace {
                first_token: wild.clone(), token_gap: wild, token_jitter: Share::from_fraction(share).unwrap(),
                per_1k_prompt_tokens: span(per), per_concurrent: span(per),
            };
            let pace = pace(every);
            let timing = pace.timing(work("gpt-4o", number, prompt_tokens, in_flight));
            prop_assert!(timing.clone().whole(tokens) >= timing.first());
            prop_assert!(timing.first() <= LONGEST);
        }
    }
}
