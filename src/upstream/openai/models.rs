//! The models that the mock knows, and what is true of each.

/// Which vocabulary a model reads and writes in (WIRE-openai §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// gpt-4o, gpt-4.1, the o-series and everything newer.
    O200k,
    /// gpt-4, gpt-3.5 and embeddings.
    Cl100k,
}

/// Whether and when a model reasons before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reasoning {
    /// It does not, and knows no `reasoning_effort`.
    Never,
    /// Always, with medium effort unless asked otherwise.
    Always,
    /// When it is asked to (gpt-5.1 and later: no effort unless asked).
    Asked,
}

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Chat completions and responses.
    Chat,
    /// Responses only.
    Responses,
    /// Completions of plain text.
    Completion,
    /// Embeddings of this size; whether `dimensions` may shorten them.
    Embedding {
        /// The size of a vector.
        size: usize,
        /// Whether a request may ask for fewer.
        shortens: bool,
    },
    /// Moderations.
    Moderation,
}

/// A model.
#[derive(Debug)]
pub struct Model {
    /// Its name.
    pub id: &'static str,
    /// The dated snapshot that answers when its name is asked for.
    pub snapshot: &'static str,
    /// When it was made, Unix seconds.
    pub created: u64,
    /// How many tokens it can take in and put out together.
    pub context: u64,
    /// How many tokens it can put out, those of reasoning included.
    pub max_output: u64,
    /// What it is for.
    pub purpose: Purpose,
    /// Whether it reasons.
    pub reasoning: Reasoning,
    /// Its vocabulary.
    pub encoding: Encoding,
}

const BASE: Model = Model {
    id: "",
    snapshot: "",
    created: 0,
    context: 128_000,
    max_output: 16_384,
    purpose: Purpose::Chat,
    reasoning: Reasoning::Never,
    encoding: Encoding::O200k,
};

const fn chat(id: &'static str, snapshot: &'static str, created: u64) -> Model {
    Model { id, snapshot, created, ..BASE }
}

const fn large(id: &'static str, snapshot: &'static str, created: u64) -> Model {
    Model { id, snapshot, created, context: 1_047_576, max_output: 32_768, ..BASE }
}

const fn old(id: &'static str, snapshot: &'static str, created: u64, context: u64, max_output: u64) -> Model {
    Model { id, snapshot, created, context, max_output, encoding: Encoding::Cl100k, ..BASE }
}

const fn thinks(id: &'static str, snapshot: &'static str, created: u64, reasoning: Reasoning) -> Model {
    Model { id, snapshot, created, context: 400_000, max_output: 128_000, reasoning, ..BASE }
}

const fn o_series(id: &'static str, snapshot: &'static str, created: u64) -> Model {
    Model { context: 200_000, max_output: 100_000, ..thinks(id, snapshot, created, Reasoning::Always) }
}

const fn pro(model: Model) -> Model {
    Model { purpose: Purpose::Responses, ..model }
}

const fn embedding(id: &'static str, created: u64, size: usize, shortens: bool) -> Model {
    let purpose = Purpose::Embedding { size, shortens };
    // Documented as 8,191 tokens of input; the error says 8,192.
    Model { purpose, ..old(id, id, created, 8_192, 0) }
}

const fn moderation(id: &'static str, snapshot: &'static str, created: u64) -> Model {
    Model { id, snapshot, created, purpose: Purpose::Moderation, context: 32_768, max_output: 0, ..BASE }
}

/// Names from OpenAI's price list of 2026-11 (WIRE-openai §9), and older ones that apps still name. Snapshots are
/// given where they are known; a model without one answers under its own name. Dates after 2026-01 and the limits of
/// models from gpt-5.4 on are assumed to be like those before them.
const MODELS: [Model; 43] = [
    chat("gpt-4o", "gpt-4o-2024-08-06", 1_715_367_049),
    chat("gpt-4o-mini", "gpt-4o-mini-2024-07-18", 1_721_172_741),
    large("gpt-4.1", "gpt-4.1-2025-04-14", 1_744_316_542),
    large("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", 1_744_318_173),
    large("gpt-4.1-nano", "gpt-4.1-nano-2025-04-14", 1_744_321_707),
    old("gpt-4-turbo", "gpt-4-turbo-2024-04-09", 1_712_361_441, 128_000, 4_096),
    old("gpt-4", "gpt-4-0613", 1_687_882_411, 8_192, 8_192),
    old("gpt-3.5-turbo", "gpt-3.5-turbo-0125", 1_677_610_602, 16_385, 4_096),
    chat("chatgpt-4o-latest", "chatgpt-4o-latest", 1_723_515_131),
    o_series("o1", "o1-2024-12-17", 1_734_375_816),
    pro(o_series("o1-pro", "o1-pro-2025-03-19", 1_742_251_791)),
    o_series("o3", "o3-2025-04-16", 1_744_225_308),
    o_series("o3-mini", "o3-mini-2025-01-31", 1_737_146_383),
    pro(o_series("o3-pro", "o3-pro-2025-06-10", 1_748_475_349)),
    o_series("o4-mini", "o4-mini-2025-04-16", 1_744_225_351),
    thinks("gpt-5", "gpt-5-2025-08-07", 1_754_425_777, Reasoning::Always),
    thinks("gpt-5-mini", "gpt-5-mini-2025-08-07", 1_754_425_928, Reasoning::Always),
    thinks("gpt-5-nano", "gpt-5-nano-2025-08-07", 1_754_426_384, Reasoning::Always),
    pro(thinks("gpt-5-pro", "gpt-5-pro-2025-10-06", 1_759_469_822, Reasoning::Always)),
    thinks("gpt-5.1", "gpt-5.1-2025-11-13", 1_762_800_673, Reasoning::Asked),
    thinks("gpt-5.2", "gpt-5.2-2025-12-11", 1_765_313_051, Reasoning::Asked),
    thinks("gpt-5.4", "gpt-5.4", 1_772_600_000, Reasoning::Asked),
    thinks("gpt-5.4-mini", "gpt-5.4-mini", 1_772_600_000, Reasoning::Asked),
    thinks("gpt-5.4-nano", "gpt-5.4-nano", 1_772_600_000, Reasoning::Asked),
    thinks("gpt-5.5", "gpt-5.5", 1_777_000_000, Reasoning::Asked),
    thinks("gpt-5.6-sol", "gpt-5.6-sol", 1_783_000_000, Reasoning::Asked),
    thinks("gpt-5.6-terra", "gpt-5.6-terra", 1_783_000_000, Reasoning::Asked),
    thinks("gpt-5.6-luna", "gpt-5.6-luna", 1_783_000_000, Reasoning::Asked),
    thinks("gpt-6-sol", "gpt-6-sol", 1_788_000_000, Reasoning::Asked),
    thinks("gpt-6-luna", "gpt-6-luna", 1_788_000_000, Reasoning::Asked),
    thinks("gpt-6.1-sol", "gpt-6.1-sol", 1_793_000_000, Reasoning::Asked),
    thinks("gpt-6.1-terra", "gpt-6.1-terra", 1_793_000_000, Reasoning::Asked),
    Model {
        purpose: Purpose::Completion,
        ..old("gpt-3.5-turbo-instruct", "gpt-3.5-turbo-instruct", 1_692_901_427, 4_097, 4_096)
    },
    Model { purpose: Purpose::Completion, ..old("davinci-002", "davinci-002", 1_692_634_301, 16_384, 16_384) },
    Model { purpose: Purpose::Completion, ..old("babbage-002", "babbage-002", 1_692_634_615, 16_384, 16_384) },
    embedding("text-embedding-3-small", 1_705_948_997, 1536, true),
    embedding("text-embedding-3-large", 1_705_953_180, 3072, true),
    embedding("text-embedding-ada-002", 1_671_217_299, 1536, false),
    moderation("omni-moderation-latest", "omni-moderation-latest", 1_731_689_265),
    moderation("omni-moderation-2024-09-26", "omni-moderation-2024-09-26", 1_732_734_466),
    moderation("text-moderation-latest", "text-moderation-007", 1_680_000_000),
    Model { max_output: 4_096, ..chat("gpt-4o-2024-05-13", "gpt-4o-2024-05-13", 1_715_368_132) },
    chat("gpt-4o-2024-11-20", "gpt-4o-2024-11-20", 1_739_331_543),
];

/// A model as a request named it.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// What is known of it.
    pub model: &'static Model,
    /// What answers say it is: the snapshot behind a plain name, else what was asked for.
    pub answers_as: &'a str,
}

/// Looks a name up: a known name, or a known name with a date (`gpt-4o-2024-08-06`).
pub fn find(name: &str) -> Option<Named<'_>> {
    if let Some(model) = MODELS.iter().find(|model| model.id == name) {
        return Some(Named { model, answers_as: model.snapshot });
    }
    let base = MODELS.iter().find(|model| model.snapshot == name).or_else(|| {
        // An unlisted snapshot: name and date, told apart from the right because names have dashes too.
        let base = name.get(..name.len().checked_sub("-2024-08-06".len())?)?;
        let date = name.get(base.len()..)?;
        let dated = date.bytes().enumerate().all(|(at, byte)| match at {
            0 | 5 | 8 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        MODELS.iter().find(|model| dated && model.id == base)
    })?;
    Some(Named { model: base, answers_as: name })
}

/// All models, in the order of the list.
pub fn all() -> &'static [Model] {
    &MODELS
}
