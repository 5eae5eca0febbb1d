//! Agents: all down, a key one completely broken, one failing and taking journeys with it.
//!
//! An agent succeeds only with an answer that is ok by content; a fallback counts against it.

use super::context::{Agent, Context};
use super::exemplars;
use super::gathered::{Found, Gathered, Story, Suspicion};
use super::rates::{self, Subject, judge_subject};
use super::scan::{Answer, Question, Rule, Sight, looks, seconds, windows};
use super::segments::{Group, Stretch};
use super::series::{Series, Tally};
use super::words;
use crate::model::timeline::Exemplar;
use crate::model::verdict::Finding;
use crate::stats::{family_z, wilson};
use crate::units::{Share, Span};

/// Fewer agents than this are no agent system.
const SYSTEM: usize = 2;

/// So many tries without a success are no accident: not enough to call an agent down, too many to call it well.
const SOME: u64 = 3;

/// Judges whether one of the key agents is completely broken.
pub(super) fn key(ctx: &Context<'_>, names: &[String], under: Share, window: Span, min: u32) -> Gathered {
    let agents: Vec<&Agent> = ctx.agents.iter().filter(|agent| names.contains(&agent.name)).collect();
    if agents.is_empty() {
        return Gathered::not_measured(format!("no step of this scenario exercises {}", words::list(names)));
    }
    if agents.iter().all(|agent| agent.series.total().n == 0) {
        return Gathered::not_measured(format!("no step that exercises {} had an outcome", words::list(names)));
    }
    let groups = ctx.segments.groups(1);
    let length = seconds(window);
    let question = Question {
        rule: Rule::Broken(under.fraction()),
        hits: |tally| tally.ok,
        bad: Tally::not_ok,
        length,
        min: u64::from(min),
        z: family_z(looks(&groups, length, true).times(agents.len())),
    };
    let mut gathered = Gathered::default();
    for agent in &agents {
        let seen = judge_subject(
            ctx,
            &groups,
            &question,
            &Subject {
                name: Some(agent.name.clone()),
                what: format!("success of {}", agent.name),
                series: &agent.series,
                phrase: &|sight| told(&agent.name, &sight.tally),
                story: &|sight| broken(&agent.name, &sight.tally),
                evidence: &|exemplar| of_agent(agent, exemplar),
                qualifies: &|_| true,
            },
            &mut gathered,
        );
        if seen.windows == 0 {
            gathered.gaps.push(format!("{}: at most {} of {min} tries in {length} s", agent.name, seen.most));
        }
    }
    for name in names.iter().filter(|name| agents.iter().all(|agent| agent.name != **name)) {
        gathered.gaps.push(format!("no step of this scenario exercises {name}"));
    }
    gathered
}

/// Judges whether a single agent fails and journeys fail through it.
pub(super) fn failing(ctx: &Context<'_>, over: Share, window: Span, min: u32) -> Gathered {
    if let Some(why) = unexercised(ctx) {
        return Gathered::not_measured(why);
    }
    let groups = ctx.segments.groups(1);
    let length = seconds(window);
    let question = Question {
        rule: Rule::Above(over.fraction()),
        hits: Tally::not_ok,
        bad: Tally::not_ok,
        length,
        min: u64::from(min),
        z: family_z(looks(&groups, length, true).times(ctx.agents.len())),
    };
    let mut gathered = Gathered::default();
    for agent in &ctx.agents {
        let journeys = Journeys::of(ctx, agent);
        let phrase = |sight: &Sight| {
            format!("{}{}", told(&agent.name, &sight.tally), journeys.told(sight.window, ctx.segments.end()))
        };
        let seen = judge_subject(
            ctx,
            &groups,
            &question,
            &Subject {
                name: Some(agent.name.clone()),
                what: format!("failures of {}", agent.name),
                series: &agent.series,
                phrase: &phrase,
                story: &|sight| broken(&agent.name, &sight.tally),
                evidence: &|exemplar| of_agent(agent, exemplar),
                qualifies: &|window| journeys.hit(window),
            },
            &mut gathered,
        );
        if let Some(sight) = seen.refused {
            gathered.suspicions.push(Suspicion {
                origin: ctx.segments.origin(sight.window),
                text: format!(
                    "{} {}, but no journey through it has ended since",
                    told(&agent.name, &sight.tally),
                    ctx.segments.place(sight.window)
                ),
            });
        }
        if seen.windows == 0 {
            gathered.gaps.push(format!("{}: at most {} of {min} tries in {length} s", agent.name, seen.most));
        }
    }
    gathered
}

/// How journeys through an agent ended: (second, ended badly, ended).
struct Journeys {
    known: bool,
    endings: Vec<(u64, u64, u64)>,
    /// The last second in which one ended badly.
    last_bad: Option<u64>,
}

impl Journeys {
    fn of(ctx: &Context<'_>, agent: &Agent) -> Self {
        let through = |journey: u16| {
            ctx.plan
                .journeys
                .get(usize::from(journey))
                .is_some_and(|j| j.steps.iter().any(|step| step.agent.as_deref() == Some(agent.name.as_str())))
        };
        let endings: Vec<(u64, u64, u64)> = ctx
            .timeline
            .journeys
            .iter()
            .filter(|ending| through(ending.journey))
            .map(|e| {
                let bad = e.failed.saturating_add(e.degraded);
                (e.second, bad, bad.saturating_add(e.completed))
            })
            .collect();
        let last_bad = endings.iter().filter(|(_, bad, _)| *bad > 0).map(|(second, _, _)| *second).max();
        Self { known: !ctx.timeline.journeys.is_empty(), endings, last_bad }
    }

    fn sum(&self, from: u64, to: u64) -> (u64, u64) {
        self.endings
            .iter()
            .filter(|(second, _, _)| *second >= from && *second < to)
            .fold((0_u64, 0_u64), |sum, (_, bad, all)| (sum.0.saturating_add(*bad), sum.1.saturating_add(*all)))
    }

    /// Whether a journey ended badly in the window, or later: a journey can end long after its failing step.
    /// Without any record of journeys, a step that fails is a journey that fails.
    fn hit(&self, window: Stretch) -> bool {
        !self.known || self.last_bad.is_some_and(|second| second >= window.from)
    }

    fn told(&self, window: Stretch, end: u64) -> String {
        let mut sum = self.sum(window.from, window.to);
        if sum.0 == 0 {
            sum = self.sum(window.from, end);
        }
        let (bad, all) = sum;
        if bad == 0 {
            return String::new();
        }
        format!(", and {} of {} through it failed or were degraded", words::count(bad), words::counted(all, "journey"))
    }
}

/// What one agent looks like in one window.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Alive,
    Down,
    PerhapsDown,
    Unknown,
}

/// Judges whether every agent is down at once.
pub(super) fn all_down(ctx: &Context<'_>, under: Share, window: Span, min: u32) -> Gathered {
    if let Some(why) = unexercised(ctx) {
        return Gathered::not_measured(why);
    }
    let groups = ctx.segments.groups(1);
    let length = seconds(window);
    let rule = Rule::Broken(under.fraction());
    let z = family_z(looks(&groups, length, true));
    let together = Series::new(
        ctx.agents
            .iter()
            .flat_map(|a| a.series.seconds().iter().map(|s| (*s, a.series.sum(*s, s.saturating_add(1)))))
            .collect(),
    );
    let mut gathered = Gathered { samples: together.total().n, ..Gathered::default() };
    let health = |tally: &Tally| match wilson(tally.ok, tally.n, z) {
        None => Health::Unknown,
        Some(bounds) => match rule.ask(tally.ok as f64 / tally.n as f64, bounds) {
            Answer::Fine => Health::Alive,
            _ if tally.n < u64::from(min) => Health::Unknown,
            Answer::Holds => Health::Down,
            Answer::Straddles => Health::PerhapsDown,
        },
    };
    for group in &groups {
        let mut worst: Option<Sight> = None;
        let mut suspect: Option<Sight> = None;
        let mut span: Option<Stretch> = None;
        let mut shortest = u64::MAX;
        for place in places(group, length, together.seconds()) {
            let each: Vec<Tally> = ctx.agents.iter().map(|a| a.series.sum(place.from, place.to)).collect();
            let healths: Vec<Health> = each.iter().map(health).collect();
            let measured = each.iter().any(|t| t.n >= u64::from(min).max(1));
            let tally = each.iter().fold(Tally::default(), |sum, t| sum.plus(t));
            let Some(bounds) = wilson(tally.ok, tally.n, z) else { continue };
            let sight =
                Sight { window: place, tally, hits: tally.ok, observed: tally.ok as f64 / tally.n as f64, bounds };
            let alive = healths.contains(&Health::Alive);
            let whole = group.stretches.contains(&place);
            let own = group.telling(place, length);
            if !measured {
                // Too few tries of everything; still no "clear" if the whole stretch, or a fault's time, looks dead.
                if !alive && (whole && tally.n > 1 || own && tally.n >= u64::from(min)) {
                    keep(&mut suspect, sight);
                }
                continue;
            }
            gathered.windows += 1;
            if alive {
                // What keeps the system from being down is its best agent, so that is how close it came.
                let best = each.iter().filter(|t| t.n > 0).max_by(|a, b| a.success().total_cmp(&b.success()));
                if let Some((best, bounds)) = best.and_then(|t| Some((*t, wilson(t.ok, t.n, z)?))) {
                    let sight = Sight { window: place, tally: best, hits: best.ok, observed: best.success(), bounds };
                    let figure = rates::figure("success of the best agent", &sight, rule);
                    gathered.consider(rule.risk(sight.observed), figure);
                }
                continue;
            }
            let figure = rates::figure("success of all agents", &sight, rule);
            if ctx.agents.len() >= SYSTEM && healths.iter().all(|h| *h == Health::Down) {
                keep(&mut worst, sight);
                // As in `scan`: the shortest windows say best when it began and ended.
                if place.length() < shortest {
                    shortest = place.length();
                    span = Some(place);
                } else if place.length() == shortest {
                    span = span.map(|s| Stretch { from: s.from.min(place.from), to: s.to.max(place.to) });
                }
            } else if !healths.contains(&Health::Unknown) || whole || own || each.iter().all(|t| t.n >= SOME) {
                // An agent that happens to have next to no tries in one window is judged by the others.
                gathered.consider(rule.risk(sight.observed), figure);
                keep(&mut suspect, sight);
            }
        }
        if let Some(sight) = worst {
            let span = span.unwrap_or(sight.window);
            let span = together
                .ends_of(span.from, span.to, Tally::not_ok)
                .map_or(span, |(first, last)| Stretch { from: first, to: last.saturating_add(1) });
            let everyone = everyone(ctx);
            gathered.found.push(Found {
                finding: Finding {
                    sentence: format!(
                        "{} ({}) {}; under {} of each is down",
                        told(&everyone, &sight.tally),
                        rates::interval(&sight),
                        ctx.segments.place(sight.window),
                        words::share(rule.limit())
                    ),
                    subject: None,
                    origin: ctx.segments.origin(sight.window),
                    gated: false,
                    first: words::moment(span.from),
                    last: words::moment(span.to),
                    figure: Some(rates::figure("success of all agents", &sight, rule)),
                    samples: sight.tally.n,
                    exemplars: exemplars::within(ctx.timeline, span, |exemplar| {
                        ctx.agents.iter().any(|agent| of_agent(agent, exemplar))
                    }),
                },
                story: broken(&everyone, &sight.tally),
                when: ctx.segments.during(sight.window),
            });
        } else if let Some(sight) = suspect {
            let missing = if ctx.agents.len() < SYSTEM {
                format!("{} is the only agent that the scenario exercises", ctx.agents[0].name)
            } else {
                format!("{min} tries and more of each agent are needed to tell")
            };
            gathered.suspicions.push(Suspicion {
                origin: ctx.segments.origin(sight.window),
                text: format!("{} {}; {missing}", told(&everyone(ctx), &sight.tally), ctx.segments.place(sight.window)),
            });
        }
    }
    if gathered.windows == 0 {
        gathered.gaps.push(format!("no agent had {min} tries in {length} s"));
    }
    gathered
}

/// All windows of a group.
fn places(group: &Group, length: u64, events: &[u64]) -> Vec<Stretch> {
    let mut places: Vec<Stretch> =
        group.stretches.iter().flat_map(|stretch| windows(*stretch, length, events, true)).collect();
    places.extend(group.own.iter().filter(|own| !group.stretches.contains(own)));
    places
}

/// Keeps the surer of two sights of little success; of equals the one with more tries.
fn keep(kept: &mut Option<Sight>, sight: Sight) {
    if kept.as_ref().is_none_or(|k| sight.bounds.high < k.bounds.high) {
        *kept = Some(sight);
    }
}

fn unexercised(ctx: &Context<'_>) -> Option<String> {
    if ctx.agents.is_empty() {
        return Some("no step of this scenario exercises an agent".to_owned());
    }
    if ctx.agents.iter().all(|agent| agent.series.total().n == 0) {
        return Some("no step that exercises an agent had an outcome".to_owned());
    }
    None
}

/// `all 4 agents (routine, nutrition, behavior and circadian)`, or the only one's name.
fn everyone(ctx: &Context<'_>) -> String {
    let names: Vec<&str> = ctx.agents.iter().map(|agent| agent.name.as_str()).collect();
    match names.len() {
        1 => names[0].to_owned(),
        n if n <= 5 => format!("all {n} agents ({})", words::list(&names)),
        n => format!("all {n} agents"),
    }
}

/// `routine succeeded in 0 of 41 tries, though 41 answered 2xx`.
pub(super) fn told(subject: &str, tally: &Tally) -> String {
    let though = if tally.plain_ok > tally.ok {
        format!(", though {} answered 2xx", words::count(tally.plain_ok))
    } else {
        String::new()
    };
    let tries = if tally.n == 1 { "try".to_owned() } else { "tries".to_owned() };
    format!("{subject} succeeded in {} of {} {tries}{though}", words::count(tally.ok), words::count(tally.n))
}

fn broken(subject: &str, tally: &Tally) -> Story {
    Story::Broken { subject: subject.to_owned(), ok: tally.ok, tries: tally.n, plain_ok: tally.plain_ok }
}

fn of_agent(agent: &Agent, exemplar: &Exemplar) -> bool {
    agent.endpoints.contains(&exemplar.endpoint) && exemplars::is_not_ok(exemplar)
}
