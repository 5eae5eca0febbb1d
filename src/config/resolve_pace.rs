//! `upstreams.openai.pace` as typed → [`PacePlan`].

use super::collector::Collector;
use super::document;
use super::openai_file::{PaceFile, PaceParts, PresetOr, PresetTable};
use super::resolve_delay::{delay, span};
use super::source::Source;
use crate::model::fault::Delay;
use crate::model::pace::{ModelPace, PacePlan};
use crate::units::{Share, Span};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;

/// The presets that ship inside the program.
const PRESETS: &str = include_str!("../../data/pace-presets.toml");
/// The preset that is many: for each model its own.
const BY_MODEL: &str = "by-model";
/// What other models have under [`BY_MODEL`].
const FALLBACK: &str = "gpt-4o-2024";
/// No preset, but what embeddings have under all of them.
const EMBEDDINGS: &str = "embeddings";
/// Fewer tokens a second than one a minute, or more than a million, are a slip.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.016..=1e6;

/// All presets, resolved.
struct Presets {
    paces: BTreeMap<String, ModelPace>,
    by_model: BTreeMap<String, ModelPace>,
    embeddings: Delay,
}

/// The pace of a mock.
pub(super) fn pace(out: &mut Collector, written: &Spanned<PaceFile>) -> PacePlan {
    let presets = presets();
    let table = match written.get_ref() {
        PresetOr::Preset(name) => return preset(out, &presets, name, written.span()).unwrap_or_default(),
        PresetOr::Table(table) => table,
    };
    let named = table.preset.as_ref();
    let mut plan = named.and_then(|name| preset(out, &presets, name.get_ref(), name.span())).unwrap_or_default();
    plan.every = model_pace(out, &table.parts(), plan.every);
    // What is written counts for models with a preset of their own, too; mistakes in it were told once.
    let mut told = Collector::new(Arc::new(out.source().clone()));
    for pace in plan.models.values_mut() {
        *pace = model_pace(&mut told, &table.parts(), std::mem::take(pace));
    }
    plan.capacity = table.capacity.as_ref().map(|capacity| out.number(capacity, "`capacity`", 1, 1_000_000));
    if let Some(written) = &table.embeddings {
        plan.embeddings = delay(out, written.get_ref(), written.span());
    }
    for (name, written) in &table.model {
        let base = plan.models.get(name.get_ref()).unwrap_or(&plan.every).clone();
        let own = match written.get_ref() {
            PresetOr::Preset(preset) => model_preset(out, &presets, preset, written.span()).unwrap_or(base),
            PresetOr::Table(table) => {
                let named = table.preset.as_ref();
                let preset = named.and_then(|name| model_preset(out, &presets, name.get_ref(), name.span()));
                model_pace(out, &table.parts(), preset.unwrap_or(base))
            }
        };
        plan.models.insert(name.get_ref().clone(), own);
    }
    plan
}

/// The plan that a preset's name stands for.
fn preset(out: &mut Collector, presets: &Presets, name: &str, span: Range<usize>) -> Option<PacePlan> {
    if name == BY_MODEL {
        let every = presets.paces.get(FALLBACK).cloned().unwrap_or_default();
        let (models, embeddings) = (presets.by_model.clone(), presets.embeddings.clone());
        return Some(PacePlan { every, models, capacity: None, embeddings });
    }
    let known = presets.paces.keys().map(String::as_str).chain([BY_MODEL]);
    match presets.paces.get(name) {
        Some(pace) => {
            let (every, embeddings) = (pace.clone(), presets.embeddings.clone());
            Some(PacePlan { every, models: BTreeMap::new(), capacity: None, embeddings })
        }
        None => {
            out.unknown(span, "pace", name, known);
            None
        }
    }
}

/// The pace that a preset's name stands for, for one model.
fn model_preset(out: &mut Collector, presets: &Presets, name: &str, span: Range<usize>) -> Option<ModelPace> {
    let found = presets.paces.get(name).cloned();
    if found.is_none() {
        out.unknown(span, "pace", name, presets.paces.keys().map(String::as_str));
    }
    found
}

/// What is written, on top of what it begins with.
fn model_pace(out: &mut Collector, parts: &PaceParts<'_>, mut pace: ModelPace) -> ModelPace {
    if let Some(written) = parts.first_token {
        pace.first_token = delay(out, written.get_ref(), written.span());
    }
    if let Some(written) = parts.token_gap {
        pace.token_gap = delay(out, written.get_ref(), written.span());
    }
    if let Some(written) = parts.tokens_per_second {
        let speed = *written.get_ref();
        if parts.token_gap.is_some() {
            out.error(written.span(), "`tokens-per-second` and `token-gap` both say how fast tokens come")
                .help("leave one of them away");
        } else if SPEEDS.contains(&speed) {
            pace.token_gap = Delay::constant(span(1.0 / speed).get());
        } else {
            out.error(written.span(), format!("`tokens-per-second` cannot be {speed}"))
                .help("write a number such as 80.0");
        }
    }
    if let Some(written) = parts.token_jitter {
        pace.token_jitter = out.quantity(written, Share::default());
    }
    if let Some(written) = parts.per_1k_prompt_tokens {
        pace.per_1k_prompt_tokens = out.quantity(written, Span::default());
    }
    if let Some(written) = parts.per_concurrent {
        pace.per_concurrent = out.quantity(written, Span::default());
    }
    pace
}

/// The presets; a test holds that the file has no mistakes.
fn presets() -> Presets {
    read_presets().0
}

fn read_presets() -> (Presets, Vec<String>) {
    let source = Arc::new(Source::file("data/pace-presets.toml".to_owned(), PRESETS.to_owned()));
    let mut presets = Presets { paces: BTreeMap::new(), by_model: BTreeMap::new(), embeddings: Delay::NONE };
    let tables: BTreeMap<String, PresetTable> = match document::read(&source) {
        Ok(tables) => tables,
        Err(diagnostic) => return (presets, vec![format!("{diagnostic:?}")]),
    };
    let mut out = Collector::new(source);
    let mut mistakes = Vec::new();
    for (name, table) in tables {
        if table.date.trim().is_empty() || table.source.trim().is_empty() {
            mistakes.push(format!("{name} has no date or no source"));
        }
        let pace = model_pace(&mut out, &table.parts(), ModelPace::default());
        if name == EMBEDDINGS {
            presets.embeddings = pace.first_token;
            continue;
        }
        if let Some(model) = table.model {
            presets.by_model.insert(model, pace.clone());
        }
        presets.paces.insert(name, pace);
    }
    mistakes.extend(out.finish().0.iter().map(|diagnostic| format!("{diagnostic:?}")));
    (presets, mistakes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_presets_have_no_mistakes_and_take_time() {
        let (presets, mistakes) = read_presets();
        assert!(mistakes.is_empty(), "{mistakes:#?}");
        assert!(presets.paces.contains_key(FALLBACK) && presets.by_model.len() >= 8);
        assert!(!presets.embeddings.mean.get().is_zero());
        for (name, pace) in &presets.paces {
            assert!(pace.first_token.mean.get() > Duration::from_millis(200), "{name}");
            assert!(pace.token_gap.mean.get() > Duration::from_millis(1), "{name}");
        }
    }
}
