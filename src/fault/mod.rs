//! Who is hit, when and with what: pure decisions from the seed.
