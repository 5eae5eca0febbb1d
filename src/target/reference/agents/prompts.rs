//! What the agents ask of OpenAI: models, limits and roles as observed, texts of our own of about the same size.

use super::knowledge::{Context, HealthData};
use super::subject::Subject;
use crate::target::reference::openai::ChatCall;
use serde_json::Value;

/// Repeated until a prompt is as long as the real one: upstream cost and token counts depend on it.
const GUIDANCE: &str = "Ground every statement in the data given. Prefer small, repeatable steps over ambitious \
     ones. Name the evidence for each recommendation and how sure you are of it. Keep times in the user's own zone. \
     Do not give medical advice. ";

fn filled(head: &str, chars: usize) -> String {
    let mut text = String::with_capacity(chars.max(head.len()) + GUIDANCE.len());
    text.push_str(head);
    text.push('\n');
    while text.len() < chars {
        text.push_str(GUIDANCE);
    }
    text
}

fn facts(subject: &Subject, context: &Context, data: &HealthData) -> String {
    format!(
        "User archetype: {}\nContext so far: {}\nHealth data: {} scores, {} biomarkers, {} archetypes\n",
        subject.archetype,
        context.text.chars().take(2000).collect::<String>(),
        data.scores.len(),
        data.biomarkers.len(),
        data.archetypes.len()
    )
}

/// The memory service's summary of what is known of the user (free text).
pub(super) fn context(subject: &Subject, rows: &[Value]) -> ChatCall {
    let head = format!(
        "Summarise what this user's engagement data says, as context for later analyses. Archetype: {}. Rows: {}",
        subject.archetype,
        rows.len()
    );
    ChatCall {
        model: "gpt-4o-mini",
        max_tokens: 1000,
        temperature: 0.1,
        json: false,
        system: None,
        user: filled(&head, 1400),
    }
}

/// Behaviour analysis.
pub(super) fn behavior(subject: &Subject, context: &Context, data: &HealthData) -> ChatCall {
    let system = "You are the behavior analysis agent. Find the user's behavioral patterns. Answer with a JSON object \
        holding behavioral_signature, sophistication_assessment, habit_analysis, motivation_profile, \
        personalized_strategy, integration_recommendations and readiness_level.";
    analysis(system, 2500, &facts(subject, context, data), if data.is_empty() { 4600 } else { 10_000 })
}

/// Circadian analysis.
pub(super) fn circadian(subject: &Subject, context: &Context, data: &HealthData) -> ChatCall {
    let system = "You are the circadian rhythm and energy analysis agent. Answer with a JSON object holding \
        chronotype_assessment, energy_zone_analysis, schedule_recommendations, biomarker_insights and \
        integration_recommendations.";
    analysis(system, 2200, &facts(subject, context, data), 2500)
}

fn analysis(system: &str, system_chars: usize, user: &str, user_chars: usize) -> ChatCall {
    ChatCall {
        model: "gpt-4o",
        max_tokens: 8000,
        temperature: 0.7,
        json: true,
        system: Some(filled(system, system_chars)),
        user: filled(user, user_chars),
    }
}

/// A routine plan; `markdown` is a plan to read back instead of making one.
pub(super) fn routine(
    subject: &Subject,
    facts_of: Option<(&Context, &HealthData)>,
    markdown: Option<&str>,
) -> ChatCall {
    let system = "You are the routine planning agent. Write a comprehensive daily routine plan. Answer with a JSON \
        object {\"time_blocks\":[{block_name,start_time,end_time,zone_type,purpose,tasks:[{start_time,end_time,title,\
        description,task_type,priority}]}]} of five time blocks.";
    let mut user = match facts_of {
        Some((context, data)) => facts(subject, context, data),
        None => format!("User archetype: {}\n", subject.archetype),
    };
    if let Some(markdown) = markdown {
        user.push_str("Plan as edited by the user:\n");
        user.extend(markdown.chars().take(20_000));
    }
    ChatCall {
        model: "gpt-4o",
        max_tokens: 2000,
        temperature: if markdown.is_some() { 0.3 } else { 0.2 },
        json: true,
        system: Some(filled(system, 27_000)),
        user: filled(&user, 16_000),
    }
}

/// A nutrition plan (markdown text).
pub(super) fn nutrition(subject: &Subject, context: &Context, data: &HealthData) -> ChatCall {
    let system = "You are the nutrition planning agent. Write a comprehensive nutrition plan for one day as markdown: \
        meals with their times, macronutrients, hydration and reasons.";
    ChatCall {
        model: "gpt-4o",
        max_tokens: 2000,
        temperature: 0.4,
        json: false,
        system: Some(filled(system, 8000)),
        user: filled(&facts(subject, context, data), 4000),
    }
}

/// Insights, version 2.
pub(super) fn insights(subject: &Subject, rows: usize) -> ChatCall {
    let head = format!(
        "Generate health insights from the last days ({rows} rows, archetype {}). Answer with a JSON object \
         {{\"insights\":[{{category,priority,title,content,recommendation,confidence_score,actionability_score,\
         relevance_score,data_points_used}}]}}.",
        subject.archetype
    );
    ChatCall {
        model: "gpt-4o",
        max_tokens: 1500,
        temperature: 0.7,
        json: true,
        system: None,
        user: filled(&head, 3400),
    }
}

/// Energy zones from a user's scores.
pub(in crate::target::reference) fn energy_zones(user: &str, scores: usize) -> ChatCall {
    let system = "You compute the energy zones of a day from sleep and readiness scores.";
    ChatCall {
        model: "gpt-4o",
        max_tokens: 1500,
        temperature: 0.3,
        json: false,
        system: Some(system.to_owned()),
        user: filled(&format!("Energy zones for user {user} from {scores} scores."), 3000),
    }
}
