//! [`ReferenceConfig`]: everything the reference app is told from outside.

use super::defect::Defect;

/// How a reference app is to be run.
#[derive(Clone, Debug)]
pub struct ReferenceConfig {
    /// Base URL of OpenAI, with `/v1`, as the official clients want it.
    pub openai_url: String,
    /// Base URL of Supabase, without `/rest/v1`.
    pub supabase_url: String,
    /// Sent to OpenAI as the bearer token.
    pub openai_key: String,
    /// Sent to Supabase as `apikey` and as the bearer token.
    pub supabase_key: String,
    /// Base URL of both health-data services; `None` skips them, which equals their answer "no data".
    pub side_url: Option<String>,
    /// The well-behaved app instead of the faithful one.
    pub resilient: bool,
    /// How many times faster than the real instance the app's own time passes: its work per call, the two
    /// seconds of a health check, its back-off sleeps and its 30-second stall. Timeouts, `Retry-After` of an
    /// upstream and the lifetimes of what it remembers are not scaled. 1 is faithful; kept within 0.001..=10⁶.
    pub speed: f64,
    /// Defects that are switched on.
    pub defects: Vec<Defect>,
    /// The one literal that it accepts as `X-API-Key`.
    pub api_key: String,
    /// Takes what it would log; only defects make it log anything.
    pub log: fn(&str),
}
