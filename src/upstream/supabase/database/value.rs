//! [`Value`]: one value of one row, compact, with PostgreSQL's equality and order.

use super::datetime::{DAY, FOREVER, FOREVER_DAYS, Interval};
use super::jsonb::Json;
use super::numeric::Numeric;
use super::types::RangeType;
use std::cmp::Ordering;
use std::sync::Arc;
use uuid::Uuid;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// One value. Three words long: a store holds millions.
#[derive(Clone, Debug)]
pub enum Value {
    /// SQL's null.
    Null,
    /// `boolean`.
    Bool(bool),
    /// `smallint`, `integer`, `bigint`.
    Int(i64),
    /// `real`.
    Float4(f32),
    /// `double precision`.
    Float8(f64),
    /// `numeric`.
    Numeric(Box<Numeric>),
    /// `text`, `varchar`, and types that are kept as text.
    Text(Box<str>),
    /// `character(n)`, padded; spaces at the end do not count when it is compared.
    Char(Box<str>),
    /// `citext`.
    Citext(Box<str>),
    /// `uuid`.
    Uuid(Uuid),
    /// `timestamptz`: microseconds since 1970 in UTC; the two ends of the type are infinity.
    TimestampTz(i64),
    /// `timestamp`: microseconds since 1970; the two ends of the type are infinity.
    Timestamp(i64),
    /// `date`: days since 1970; the two ends of the type are infinity.
    Date(i32),
    /// `time`: microseconds since midnight.
    Time(i64),
    /// `interval`.
    Interval(Box<Interval>),
    /// `json`, as it was written.
    Json(Box<str>),
    /// `jsonb`, as PostgreSQL writes it.
    Jsonb(Box<str>),
    /// `bytea`.
    Bytea(Box<[u8]>),
    /// A label of an enumeration and its place there.
    Enum(u16, Arc<str>),
    /// An array.
    Array(Box<Array>),
    /// A range.
    Range(Box<Range>),
    /// pgvector's `vector`.
    Vector(Box<[f32]>),
}

/// An array: its elements in row-major order and how many there are in each dimension (none for the empty array).
#[derive(Clone, Debug)]
pub struct Array {
    /// How many elements each dimension has.
    pub dimensions: Vec<usize>,
    /// The elements.
    pub elements: Vec<Value>,
}

/// A range. A missing bound is infinite; those of a discrete type are `[lower, upper)`.
#[derive(Clone, Debug)]
pub struct Range {
    /// The type.
    pub kind: RangeType,
    /// Whether nothing is in it; the rest is meaningless then.
    pub empty: bool,
    /// The lower bound.
    pub lower: Option<Value>,
    /// Whether the lower bound is in it.
    pub lower_inclusive: bool,
    /// The upper bound.
    pub upper: Option<Value>,
    /// Whether the upper bound is in it.
    pub upper_inclusive: bool,
}

impl Value {
    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text of a text value, without what a type adds.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Citext(text) => Some(text),
            Self::Char(text) => Some(text.trim_end_matches(' ')),
            Self::Enum(_, label) => Some(label),
            _ => None,
        }
    }

    /// PostgreSQL's order of two values of one type, with null behind everything. Text is in the order of its bytes
    /// (collation `C`). Values of different types are compared as numbers, moments or texts where both are such;
    /// otherwise by their types, so that the order is total.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Int(own), Self::Int(other)) => own.cmp(other),
            (Self::Bool(own), Self::Bool(other)) => own.cmp(other),
            (Self::Uuid(own), Self::Uuid(other)) => own.cmp(other),
            (Self::Text(own), Self::Text(other)) => own.cmp(other),
            (Self::Citext(own), Self::Citext(other)) => own.to_lowercase().cmp(&other.to_lowercase()),
            (Self::Enum(own, _), Self::Enum(other, _)) => own.cmp(other),
            (Self::TimestampTz(own), Self::TimestampTz(other))
            | (Self::Timestamp(own), Self::Timestamp(other))
            | (Self::Time(own), Self::Time(other)) => own.cmp(other),
            (Self::Date(own), Self::Date(other)) => own.cmp(other),
            (Self::Interval(own), Self::Interval(other)) => own.span().cmp(&other.span()),
            (Self::Bytea(own), Self::Bytea(other)) => own.cmp(other),
            (Self::Numeric(own), Self::Numeric(other)) => own.compare(other),
            (Self::Json(own), Self::Json(other)) => own.cmp(other),
            (Self::Jsonb(own), Self::Jsonb(other)) if own == other => Ordering::Equal,
            (Self::Jsonb(own), Self::Jsonb(other)) => match (Json::parse(own), Json::parse(other)) {
                (Ok(own), Ok(other)) => own.compare(&other),
                _ => own.cmp(other),
            },
            (Self::Array(own), Self::Array(other)) => own.compare(other),
            (Self::Range(own), Self::Range(other)) => own.compare(other),
            (Self::Vector(own), Self::Vector(other)) => {
                let elements = own.iter().zip(other).map(|(a, b)| float_order(f64::from(*a), f64::from(*b)));
                elements.fold(Ordering::Equal, Ordering::then).then(own.len().cmp(&other.len()))
            }
            _ => self.compare_kinds(other),
        }
    }

    /// The order of values whose types differ.
    fn compare_kinds(&self, other: &Self) -> Ordering {
        if let (Some(own), Some(other)) = (self.exact_number(), other.exact_number()) {
            return own.compare(&other);
        }
        if let (Some(own), Some(other)) = (self.number(), other.number()) {
            return float_order(own, other);
        }
        if let (Some(own), Some(other)) = (self.moment(), other.moment()) {
            return own.cmp(&other);
        }
        if let (Some(own), Some(other)) = (self.as_str(), other.as_str()) {
            return own.cmp(other);
        }
        self.rank().cmp(&other.rank())
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Int(_) | Self::Float4(_) | Self::Float8(_) | Self::Numeric(_) => 1,
            Self::TimestampTz(_) | Self::Timestamp(_) | Self::Date(_) => 2,
            Self::Time(_) => 3,
            Self::Interval(_) => 4,
            Self::Uuid(_) => 5,
            Self::Text(_) | Self::Char(_) | Self::Citext(_) | Self::Enum(..) => 6,
            Self::Bytea(_) => 7,
            Self::Array(_) => 8,
            Self::Range(_) => 9,
            Self::Vector(_) => 10,
            Self::Json(_) => 11,
            Self::Jsonb(_) => 12,
            Self::Null => u8::MAX,
        }
    }

    fn exact_number(&self) -> Option<Numeric> {
        match self {
            Self::Int(number) => Some(Numeric::from(*number)),
            Self::Numeric(number) => Some((**number).clone()),
            _ => None,
        }
    }

    /// The nearest double of a number.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Float4(number) => Some(f64::from(*number)),
            Self::Float8(number) => Some(*number),
            Self::Numeric(number) => Some(number.to_f64()),
            _ => None,
        }
    }

    /// Microseconds since 1970 of a moment; of a date, its midnight.
    pub fn moment(&self) -> Option<i64> {
        match self {
            Self::TimestampTz(micros) | Self::Timestamp(micros) => Some(*micros),
            Self::Date(days) if *days == FOREVER_DAYS.0 => Some(FOREVER.0),
            Self::Date(days) if *days == FOREVER_DAYS.1 => Some(FOREVER.1),
            Self::Date(days) => Some(i64::from(*days).saturating_mul(DAY)),
            _ => None,
        }
    }

    /// Whether both are the same value; null is the same as null (`IS NOT DISTINCT FROM`).
    pub fn is_same(&self, other: &Self) -> bool {
        self.compare(other) == Ordering::Equal
    }

    /// A hash that is the same for values that are the same; `None` for null.
    pub fn key(&self) -> Option<u64> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(value) => text_key(if *value { "true" } else { "false" }),
            Self::Uuid(uuid) => xxh3_64_with_seed(uuid.as_bytes(), 5),
            Self::Text(text) => text_key(text),
            Self::Citext(text) => text_key(&text.to_lowercase()),
            Self::Char(text) => text_key(text.trim_end_matches(' ')),
            Self::Enum(_, label) => text_key(label),
            Self::Time(micros) => xxh3_64_with_seed(&micros.to_le_bytes(), 3),
            Self::Interval(interval) => xxh3_64_with_seed(&interval.span().to_le_bytes(), 4),
            Self::Json(text) => text_key(text),
            Self::Bytea(bytes) => xxh3_64_with_seed(bytes, 7),
            Self::Jsonb(_) | Self::Range(_) | Self::Vector(_) => self.structure_key(),
            Self::Array(array) => array.elements.iter().fold(8, |all: u64, element| {
                (all.rotate_left(7) ^ element.key().unwrap_or(1)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            }),
            Self::Int(_) | Self::Float4(_) | Self::Float8(_) | Self::Numeric(_) => {
                number_key(self.number().unwrap_or_default())
            }
            Self::TimestampTz(_) | Self::Timestamp(_) | Self::Date(_) => moment_key(self.moment().unwrap_or_default()),
        })
    }

    /// The key of values whose text does not tell whether they are the same: they share one of few keys, and are
    /// told apart by comparing.
    fn structure_key(&self) -> u64 {
        match self {
            // 1 and 1.0 are the same inside `jsonb`: what is left is everything but the numbers.
            Self::Jsonb(text) => {
                let rest: String = text.chars().filter(|c| !(c.is_ascii_digit() || matches!(c, '.' | '-'))).collect();
                xxh3_64_with_seed(rest.as_bytes(), 12)
            }
            Self::Vector(numbers) => number_key(numbers.first().copied().map_or(0.0, f64::from)),
            Self::Range(range) => range.lower.as_ref().and_then(Self::key).unwrap_or(9),
            _ => 0,
        }
    }

    /// Bytes that it takes beside its own three words, roughly.
    pub fn heap_size(&self) -> u64 {
        // What an allocation costs beside its content.
        const ALLOCATION: u64 = 16;
        match self {
            Self::Text(text) | Self::Char(text) | Self::Citext(text) | Self::Json(text) | Self::Jsonb(text) => {
                ALLOCATION + text.len() as u64
            }
            Self::Bytea(bytes) => ALLOCATION + bytes.len() as u64,
            Self::Numeric(number) => ALLOCATION + number.size(),
            Self::Interval(_) => ALLOCATION + 16,
            Self::Vector(numbers) => ALLOCATION + numbers.len() as u64 * 4,
            Self::Array(array) => {
                let elements: u64 = array.elements.iter().map(|value| 24 + value.heap_size()).sum();
                3 * ALLOCATION + 48 + elements
            }
            Self::Range(range) => {
                let bounds = [&range.lower, &range.upper].into_iter().flatten();
                ALLOCATION + 64 + bounds.map(Self::heap_size).sum::<u64>()
            }
            _ => 0,
        }
    }
}

impl Array {
    /// PostgreSQL's order: by elements, then by how many there are, then by dimensions.
    fn compare(&self, other: &Self) -> Ordering {
        let elements = self.elements.iter().zip(&other.elements).map(|(own, other)| own.compare(other));
        elements
            .fold(Ordering::Equal, Ordering::then)
            .then(self.elements.len().cmp(&other.elements.len()))
            .then(self.dimensions.len().cmp(&other.dimensions.len()))
            .then_with(|| self.dimensions.cmp(&other.dimensions))
    }
}

/// PostgreSQL's order of floats: not-a-number is equal to itself and larger than everything; zero has no sign.
fn float_order(own: f64, other: f64) -> Ordering {
    match (own.is_nan(), other.is_nan()) {
        (false, false) => own.partial_cmp(&other).unwrap_or(Ordering::Equal),
        (own, other) => own.cmp(&other),
    }
}

/// The key of a text.
pub fn text_key(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// The key of a number.
pub fn number_key(number: f64) -> u64 {
    // Adding zero turns −0 into 0; every NaN is the same.
    let number = if number.is_nan() { f64::NAN } else { number + 0.0 };
    xxh3_64_with_seed(&number.to_bits().to_le_bytes(), 1)
}

/// The key of a moment.
pub fn moment_key(micros: i64) -> u64 {
    xxh3_64_with_seed(&micros.to_le_bytes(), 2)
}
