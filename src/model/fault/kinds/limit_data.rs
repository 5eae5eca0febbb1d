//! `limit_data`: cuts the connection within the body (Toxiproxy's `limit_data`).
//!
//! Keys: `bytes`: those of the body that get through.
//!
//! On the wire: status, headers, the declared length or chunked coding as they are, that many bytes, then FIN: the
//! body is shorter than it should be. A body that is no longer than that is not hit.
//!
//! Imitates: a proxy restarted or out of memory in mid-answer; "premature close" and "incomplete chunked read" in the
//! field.
//!
//! Clients see: Python: a protocol error, retried if the body was no stream. Node: `TypeError: terminated`, not
//! retried (WIRE-openai §4).
