//! PostgREST's reading side: what a request asks for, and the bytes that answer it (WIRE-supabase §3, §4).

pub mod grammar;
