//! What the app talks to: OpenAI and Supabase mocks, with faults.
