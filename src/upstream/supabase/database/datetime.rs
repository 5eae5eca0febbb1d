//! Dates, times, moments and intervals: reading and writing them as PostgreSQL does in a session in UTC.

/// An `interval`: months, days and microseconds do not convert into one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// Months.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
}
