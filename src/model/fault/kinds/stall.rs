//! `stall`: stops within the body, and goes on later or never.
//!
//! Keys: `after` so many bytes, or so many `events`; `pause`: how long, for ever if absent.
//!
//! On the wire: everything up to the place, then nothing for the time; what became due meanwhile comes at once. The
//! connection stays open.
//!
//! Imitates: a model server that is rescheduled in mid-stream; proxies that buffer; the stalled streams reported of
//! every provider.
//!
//! Clients see: Python: a read timeout if theirs is shorter, not retried in a stream. Node: no timeout in a stream,
//! it waits; since version 7 one for bodies that are none (docs/fidelity.md).
