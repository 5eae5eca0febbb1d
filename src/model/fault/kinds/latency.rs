//! `latency`: waits before the answer, before its body, or between its chunks.
//!
//! Keys: how long, by `mean`, `jitter` and `shape`, by quantiles (`min`, `p10` … `p99`, `max`) or by a file of
//! `samples`; `correlation` (0% if absent); `at`: `headers` (if absent), `body` or `chunks`.
//!
//! On the wire: `headers`: nothing at all for the time drawn; a mock has done its work by then, a real service is
//! asked at once. `body`: status and headers at once, then nothing for the time drawn. `chunks`: each event of a
//! stream is held for a time of its own, counted from when it is there and the one before it is out; a body that is
//! no stream is one chunk.
//!
//! Imitates: a slow provider: OpenAI's elevated latency of 2024-06 and later (status.openai.com), PostgREST behind a
//! busy pool; correlated delays are those of a queue that fills and drains (netem's `correlation`).
//!
//! Clients see: `headers` and `body`: a read timeout if theirs is shorter, retried by OpenAI's clients; Node's before
//! version 7 waits for a late body without end (docs/fidelity.md). `chunks`: no timeout however long the stream
//! takes, since timeouts are per read.
