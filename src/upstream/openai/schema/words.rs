//! What stands in made-up values: texts and numbers that fit the name of the property they are for.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use std::ops::RangeInclusive;

const WORDS: [&str; 48] = [
    "morning",
    "focus",
    "balance",
    "energy",
    "steady",
    "progress",
    "review",
    "walk",
    "plan",
    "light",
    "quiet",
    "team",
    "project",
    "summary",
    "weekly",
    "goal",
    "simple",
    "clear",
    "early",
    "evening",
    "routine",
    "break",
    "water",
    "breakfast",
    "reading",
    "outline",
    "draft",
    "detail",
    "context",
    "result",
    "support",
    "practice",
    "change",
    "measure",
    "update",
    "report",
    "health",
    "sleep",
    "recovery",
    "strength",
    "session",
    "market",
    "garden",
    "river",
    "bridge",
    "window",
    "table",
    "paper",
];

const SENTENCES: [&str; 20] = [
    "Start with the part that matters most and leave the rest for later.",
    "A short walk after lunch helps to stay focused in the afternoon.",
    "The figures are in line with what was seen last week.",
    "Drink a glass of water before the first coffee.",
    "Keep the evening free of screens for at least an hour.",
    "The team agreed to look at it again on Friday.",
    "Most of the change comes from small steps that are repeated.",
    "Two of the three goals were met ahead of time.",
    "Go to bed at the same time as yesterday.",
    "This covers the main points and leaves room for questions.",
    "A light breakfast with some protein is enough.",
    "The trend is steady, with a small rise towards the end.",
    "Take five minutes to write down what went well.",
    "There is enough time for a break between the two blocks.",
    "The next step is to compare both options side by side.",
    "Training in the morning fits the current level of recovery.",
    "Nothing in the data speaks against going on as planned.",
    "A quiet place makes it easier to finish the draft.",
    "The customer asked for a shorter summary.",
    "It is worth checking the numbers once more before sending them.",
];

const FIRST_NAMES: [&str; 8] = ["Ada", "Noor", "Elena", "Jonas", "Mia", "Samuel", "Priya", "Tom"];
const LAST_NAMES: [&str; 8] = ["Berg", "Okafor", "Silva", "Novak", "Chen", "Meyer", "Rossi", "Walker"];
const CITIES: [&str; 8] = ["Lisbon", "Oslo", "Denver", "Kyoto", "Nairobi", "Vienna", "Montreal", "Leeds"];
const COUNTRIES: [&str; 8] = ["Portugal", "Norway", "United States", "Japan", "Kenya", "Austria", "Canada", "Chile"];
const COLORS: [&str; 6] = ["blue", "green", "amber", "violet", "teal", "coral"];
const STATES: [&str; 4] = ["active", "pending", "completed", "scheduled"];

/// One of several.
pub fn pick<'a, T: ?Sized>(of: &[&'a T], rng: &mut ChaCha8Rng) -> &'a T {
    of[rng.random_range(0..of.len())]
}

/// The words of a property's name, in lower case: `createdAt` and `created_at` are both `created at`.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before_is_lower = false;
    for letter in name.chars().take(100) {
        if !letter.is_alphanumeric() || (letter.is_uppercase() && before_is_lower) {
            parts.push(String::new());
        }
        before_is_lower = letter.is_lowercase() || letter.is_numeric();
        if let Some(part) = parts.last_mut() {
            part.extend(letter.is_alphanumeric().then(|| letter.to_lowercase()).into_iter().flatten());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// A text for a property of this name.
pub fn text(name: &str, rng: &mut ChaCha8Rng) -> String {
    let parts = parts(name);
    let has = |words: &[&str]| parts.iter().any(|part| words.contains(&part.as_str()));
    let last = parts.last().map_or("", String::as_str);
    let (first_name, last_name) = (pick(&FIRST_NAMES, rng), pick(&LAST_NAMES, rng));
    if has(&["email", "mail"]) {
        email(rng)
    } else if has(&["url", "uri", "link", "website", "homepage", "image", "avatar"]) {
        url(rng)
    } else if has(&["phone", "mobile", "tel"]) {
        format!("+1-202-555-01{:02}", rng.random_range(0..100))
    } else if has(&["uuid", "guid"]) || matches!(last, "id" | "ids") {
        uuid(rng)
    } else if last == "at" || has(&["datetime", "timestamp"]) {
        date_time(rng)
    } else if has(&["date", "birthday", "deadline", "due"]) || last == "day" {
        date(rng)
    } else if last == "time" || (has(&["start", "end"]) && parts.len() == 1) {
        format!("{:02}:{:02}", rng.random_range(6..22), rng.random_range(0..12) * 5)
    } else if has(&["first", "given", "forename"]) && has(&["name"]) {
        first_name.to_owned()
    } else if has(&["last", "family", "sur", "surname"]) && has(&["name", "surname"]) {
        last_name.to_owned()
    } else if has(&["author", "person", "fullname", "customer", "owner", "assignee", "participant", "speaker"])
        || (has(&["full", "user", "display", "contact"]) && has(&["name"]))
    {
        format!("{first_name} {last_name}")
    } else if has(&["city", "town", "location", "place", "destination"]) {
        pick(&CITIES, rng).to_owned()
    } else if has(&["country", "nation"]) {
        pick(&COUNTRIES, rng).to_owned()
    } else if has(&["street", "address"]) {
        format!("{} {} Street", rng.random_range(1..200), capitalised(pick(&WORDS, rng)))
    } else if has(&["zip", "postcode", "postal"]) {
        format!("{:05}", rng.random_range(10_000..99_999))
    } else if has(&["color", "colour"]) {
        pick(&COLORS, rng).to_owned()
    } else if has(&["currency"]) {
        pick(&["USD", "EUR", "GBP"], rng).to_owned()
    } else if has(&["language", "locale", "lang"]) {
        pick(&["en", "en-US", "en-GB"], rng).to_owned()
    } else if has(&["status", "state"]) {
        pick(&STATES, rng).to_owned()
    } else if has(&["timezone"]) {
        "UTC".to_owned()
    } else if has(&["title", "heading", "headline", "label", "subject", "topic", "name"]) {
        let count = rng.random_range(2..4);
        (0..count).map(|_| capitalised(pick(&WORDS, rng))).collect::<Vec<_>>().join(" ")
    } else if has(&["category", "type", "kind", "tag", "tags", "key", "keyword", "keywords", "code", "unit", "group"]) {
        pick(&WORDS, rng).to_owned()
    } else if has(&[
        "description",
        "summary",
        "content",
        "text",
        "message",
        "reason",
        "reasoning",
        "explanation",
        "analysis",
        "answer",
        "output",
        "response",
        "details",
        "notes",
        "recommendation",
        "insight",
        "purpose",
        "instructions",
        "body",
        "review",
        "feedback",
        "thought",
        "thoughts",
        "rationale",
        "conclusion",
        "comment",
    ]) {
        let count = rng.random_range(1..4);
        (0..count).map(|_| pick(&SENTENCES, rng)).collect::<Vec<_>>().join(" ")
    } else {
        (0..rng.random_range(2..5)).map(|_| pick(&WORDS, rng)).collect::<Vec<_>>().join(" ")
    }
}

/// A word.
pub fn word(rng: &mut ChaCha8Rng) -> &'static str {
    pick(&WORDS, rng)
}

fn capitalised(word: &str) -> String {
    word.get(..1).unwrap_or_default().to_ascii_uppercase() + word.get(1..).unwrap_or_default()
}

/// The range in which a number of this name lies as a rule, if it says so.
pub fn usual_range(name: &str, whole: bool) -> Option<RangeInclusive<f64>> {
    let parts = parts(name);
    let has = |words: &[&str]| parts.iter().any(|part| words.contains(&part.as_str()));
    Some(if has(&["age"]) {
        18.0..=80.0
    } else if has(&["year"]) {
        2_020.0..=2_026.0
    } else if has(&["month"]) {
        1.0..=12.0
    } else if has(&["hour"]) {
        0.0..=23.0
    } else if has(&["minute", "minutes", "duration"]) {
        5.0..=60.0
    } else if has(&["percent", "percentage", "humidity"]) {
        0.0..=100.0
    } else if has(&["confidence", "probability", "ratio", "likelihood"]) && !whole {
        0.0..=1.0
    } else if has(&["score", "rating", "priority", "level", "rank"]) {
        if whole { 1.0..=10.0 } else { 0.0..=1.0 }
    } else if has(&["price", "cost", "amount", "total"]) {
        1.0..=200.0
    } else if has(&["temperature"]) {
        -5.0..=30.0
    } else if has(&["lat", "latitude"]) {
        -60.0..=60.0
    } else if has(&["lon", "lng", "longitude"]) {
        -180.0..=180.0
    } else if has(&["count", "quantity", "number", "num", "size"]) {
        1.0..=20.0
    } else {
        return None;
    })
}

/// An address for mail.
pub fn email(rng: &mut ChaCha8Rng) -> String {
    let name = pick(&FIRST_NAMES, rng).to_ascii_lowercase();
    format!("{name}.{}@example.com", pick(&LAST_NAMES, rng).to_ascii_lowercase())
}

/// An address of a page.
pub fn url(rng: &mut ChaCha8Rng) -> String {
    format!("https://example.com/{}/{}", pick(&WORDS, rng), pick(&WORDS, rng))
}

/// A random UUID (version 4).
pub fn uuid(rng: &mut ChaCha8Rng) -> String {
    uuid::Builder::from_random_bytes(rng.random()).into_uuid().to_string()
}

/// A date.
pub fn date(rng: &mut ChaCha8Rng) -> String {
    format!("2026-{:02}-{:02}", rng.random_range(1..13), rng.random_range(1..29))
}

/// A time of day with its offset (RFC 3339).
pub fn time(rng: &mut ChaCha8Rng) -> String {
    format!("{:02}:{:02}:00Z", rng.random_range(0..24), rng.random_range(0..60))
}

/// A date with a time (RFC 3339).
pub fn date_time(rng: &mut ChaCha8Rng) -> String {
    format!("{}T{}", date(rng), time(rng))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng as _;
    use rstest::rstest;

    #[rstest]
    #[case("createdAt", "created at")]
    #[case("user_id", "user id")]
    #[case("HTTPCode", "httpcode")]
    #[case("", "")]
    #[case("Ünï--code2Go", "ünï code2 go")]
    fn names_fall_into_words(#[case] name: &str, #[case] expected: &str) {
        assert_eq!(parts(name).join(" "), expected);
    }

    #[rstest]
    #[case("email", r"^[a-z.]+@example\.com$")]
    #[case("startTime", r"^\d\d:\d\d$")]
    #[case("created_at", r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    #[case("profile_id", r"^[0-9a-f-]{36}$")]
    #[case("title", r"^[A-Z][a-z]+( [A-Z][a-z]+)+$")]
    #[case("description", r"\.$")]
    fn texts_fit_their_names(#[case] name: &str, #[case] form: &str) {
        let form = regex::Regex::new(form).unwrap();
        for seed in 0..50 {
            let text = text(name, &mut ChaCha8Rng::seed_from_u64(seed));
            assert!(form.is_match(&text), "{name}: {text}");
        }
    }
}
