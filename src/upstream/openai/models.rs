//! The models that the mock knows, and what is true of each.

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Chat completions.
    Chat,
    /// Embeddings of this size; whether `dimensions` may shorten them.
    Embedding {
        /// The size of a vector.
        size: usize,
        /// Whether a request may ask for fewer.
        shortens: bool,
    },
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
    /// How many tokens it can take in.
    pub context: u64,
    /// What it is for.
    pub purpose: Purpose,
}

const fn chat(id: &'static str, snapshot: &'static str, created: u64, context: u64) -> Model {
    Model { id, snapshot, created, context, purpose: Purpose::Chat }
}

const fn embedding(id: &'static str, created: u64, size: usize, shortens: bool) -> Model {
    Model { id, snapshot: id, created, context: 8_191, purpose: Purpose::Embedding { size, shortens } }
}

/// Names from OpenAI's price list of 2026-11. Snapshots are given where they are known; a model without one
/// answers under its own name.
const MODELS: [Model; 36] = [
    chat("gpt-4o", "gpt-4o-2024-08-06", 1_715_367_049, 128_000),
    chat("gpt-4o-mini", "gpt-4o-mini-2024-07-18", 1_721_172_741, 128_000),
    chat("gpt-4.1", "gpt-4.1-2025-04-14", 1_744_316_542, 1_047_576),
    chat("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", 1_744_318_173, 1_047_576),
    chat("gpt-4.1-nano", "gpt-4.1-nano-2025-04-14", 1_744_321_707, 1_047_576),
    chat("gpt-4-turbo", "gpt-4-turbo-2024-04-09", 1_712_361_441, 128_000),
    chat("gpt-4", "gpt-4-0613", 1_687_882_411, 8_192),
    chat("gpt-3.5-turbo", "gpt-3.5-turbo-0125", 1_677_610_602, 16_385),
    chat("chatgpt-4o-latest", "chatgpt-4o-latest", 1_723_515_131, 128_000),
    chat("o1", "o1-2024-12-17", 1_734_375_816, 200_000),
    chat("o3", "o3-2025-04-16", 1_744_225_308, 200_000),
    chat("o3-mini", "o3-mini-2025-01-31", 1_737_146_383, 200_000),
    chat("o3-pro", "o3-pro-2025-06-10", 1_748_475_349, 200_000),
    chat("o4-mini", "o4-mini-2025-04-16", 1_744_225_351, 200_000),
    chat("gpt-5", "gpt-5-2025-08-07", 1_754_425_777, 400_000),
    chat("gpt-5-mini", "gpt-5-mini-2025-08-07", 1_754_425_928, 400_000),
    chat("gpt-5-nano", "gpt-5-nano-2025-08-07", 1_754_426_384, 400_000),
    chat("gpt-5-pro", "gpt-5-pro", 1_759_469_822, 400_000),
    chat("gpt-5.1", "gpt-5.1", 1_762_800_673, 400_000),
    chat("gpt-5.2", "gpt-5.2", 1_765_313_051, 400_000),
    chat("gpt-5.4", "gpt-5.4", 1_772_600_000, 400_000),
    chat("gpt-5.4-mini", "gpt-5.4-mini", 1_772_600_000, 400_000),
    chat("gpt-5.4-nano", "gpt-5.4-nano", 1_772_600_000, 400_000),
    chat("gpt-5.5", "gpt-5.5", 1_777_000_000, 400_000),
    chat("gpt-5.6-sol", "gpt-5.6-sol", 1_783_000_000, 400_000),
    chat("gpt-5.6-terra", "gpt-5.6-terra", 1_783_000_000, 400_000),
    chat("gpt-5.6-luna", "gpt-5.6-luna", 1_783_000_000, 400_000),
    chat("gpt-6-sol", "gpt-6-sol", 1_788_000_000, 400_000),
    chat("gpt-6-luna", "gpt-6-luna", 1_788_000_000, 400_000),
    chat("gpt-6.1-sol", "gpt-6.1-sol", 1_793_000_000, 400_000),
    chat("gpt-6.1-terra", "gpt-6.1-terra", 1_793_000_000, 400_000),
    embedding("text-embedding-3-small", 1_705_948_997, 1536, true),
    embedding("text-embedding-3-large", 1_705_953_180, 3072, true),
    embedding("text-embedding-ada-002", 1_671_217_299, 1536, false),
    chat("gpt-4o-2024-05-13", "gpt-4o-2024-05-13", 1_715_368_132, 128_000),
    chat("gpt-4o-2024-11-20", "gpt-4o-2024-11-20", 1_739_331_543, 128_000),
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
