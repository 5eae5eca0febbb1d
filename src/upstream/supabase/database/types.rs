//! [`ColumnType`]: PostgreSQL's types as far as this database knows them.

use std::borrow::Cow;
use std::sync::Arc;

/// The type of a column, with its modifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Not declared: each value has the type that it seems to have.
    Any,
    /// `boolean`.
    Bool,
    /// `smallint`.
    Int2,
    /// `integer`.
    Int4,
    /// `bigint`.
    Int8,
    /// `real`.
    Float4,
    /// `double precision`.
    Float8,
    /// `numeric`, with precision and scale if it is bounded.
    Numeric(Option<(u16, i16)>),
    /// `text`.
    Text,
    /// `character varying`, with its length in characters if it is bounded.
    Varchar(Option<u32>),
    /// `character`, padded to its length in characters.
    Char(u32),
    /// `citext`, which compares without case.
    Citext,
    /// `uuid`.
    Uuid,
    /// `timestamp with time zone`, with its digits after the second.
    TimestampTz(u8),
    /// `timestamp without time zone`, with its digits after the second.
    Timestamp(u8),
    /// `date`.
    Date,
    /// `time without time zone`, with its digits after the second.
    Time(u8),
    /// `interval`.
    Interval,
    /// `json`: the text as it was written.
    Json,
    /// `jsonb`.
    Jsonb,
    /// `bytea`.
    Bytea,
    /// An enumeration.
    Enum(Arc<EnumType>),
    /// An array.
    Array(Box<ColumnType>),
    /// A range.
    Range(RangeType),
    /// `tsvector`, kept as text.
    TsVector,
    /// pgvector's `vector`, with its number of dimensions if it is bounded.
    Vector(Option<u32>),
    /// A type that is not known here; its values are kept as text, unchecked.
    Other(Arc<str>),
}

/// An enumeration.
#[derive(Debug, PartialEq, Eq)]
pub struct EnumType {
    /// Its name.
    pub name: String,
    /// Its labels, in their order.
    pub labels: Vec<Arc<str>>,
}

/// The range types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeType {
    /// `int4range`.
    Int4,
    /// `int8range`.
    Int8,
    /// `numrange`.
    Numeric,
    /// `tsrange`.
    Timestamp,
    /// `tstzrange`.
    TimestampTz,
    /// `daterange`.
    Date,
}

impl RangeType {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int4 => "int4range",
            Self::Int8 => "int8range",
            Self::Numeric => "numrange",
            Self::Timestamp => "tsrange",
            Self::TimestampTz => "tstzrange",
            Self::Date => "daterange",
        }
    }

    /// The type of its bounds.
    pub fn element(self) -> ColumnType {
        match self {
            Self::Int4 => ColumnType::Int4,
            Self::Int8 => ColumnType::Int8,
            Self::Numeric => ColumnType::Numeric(None),
            Self::Timestamp => ColumnType::Timestamp(6),
            Self::TimestampTz => ColumnType::TimestampTz(6),
            Self::Date => ColumnType::Date,
        }
    }

    /// Whether its values have a next one, so that every range can be written with an open upper bound.
    pub fn is_discrete(self) -> bool {
        matches!(self, Self::Int4 | Self::Int8 | Self::Date)
    }
}

impl ColumnType {
    /// The type of a name in any spelling that PostgreSQL takes, with the numbers in parentheses behind it; `None`
    /// for a name that is unknown here (an enumeration's, or a type of an extension).
    pub fn from_name(name: &str, modifiers: &[i64]) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        if let Some(element) = name.strip_suffix("[]") {
            return Some(Self::Array(Box::new(Self::from_name(element, modifiers)?.element_of_array())));
        }
        let digits = || modifiers.first().map_or(6, |digits| u8::try_from((*digits).clamp(0, 6)).unwrap_or(6));
        let length = || modifiers.first().and_then(|length| u32::try_from(*length).ok());
        Some(match name.strip_prefix("pg_catalog.").unwrap_or(&name) {
            "bool" | "boolean" => Self::Bool,
            "int2" | "smallint" | "smallserial" | "serial2" => Self::Int2,
            "int" | "int4" | "integer" | "serial" | "serial4" => Self::Int4,
            "int8" | "bigint" | "bigserial" | "serial8" => Self::Int8,
            "float4" | "real" => Self::Float4,
            "float" => match modifiers.first() {
                Some(bits) if *bits <= 24 => Self::Float4,
                _ => Self::Float8,
            },
            "float8" | "double precision" => Self::Float8,
            "numeric" | "decimal" | "dec" => Self::Numeric(modifiers.first().map(|precision| {
                let scale = modifiers.get(1).copied().unwrap_or(0);
                (u16::try_from(*precision).unwrap_or(1000), i16::try_from(scale).unwrap_or(0))
            })),
            "text" | "name" => Self::Text,
            "varchar" | "character varying" => Self::Varchar(length()),
            "bpchar" | "char" | "character" => Self::Char(length().unwrap_or(1)),
            "citext" | "extensions.citext" | "public.citext" => Self::Citext,
            "uuid" => Self::Uuid,
            "timestamptz" | "timestamp with time zone" => Self::TimestampTz(digits()),
            "timestamp" | "timestamp without time zone" => Self::Timestamp(digits()),
            "date" => Self::Date,
            "time" | "time without time zone" => Self::Time(digits()),
            "interval" => Self::Interval,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            "bytea" => Self::Bytea,
            "int4range" => Self::Range(RangeType::Int4),
            "int8range" => Self::Range(RangeType::Int8),
            "numrange" => Self::Range(RangeType::Numeric),
            "tsrange" => Self::Range(RangeType::Timestamp),
            "tstzrange" => Self::Range(RangeType::TimestampTz),
            "daterange" => Self::Range(RangeType::Date),
            "tsvector" => Self::TsVector,
            "vector" | "extensions.vector" | "public.vector" => Self::Vector(length()),
            _ => return None,
        })
    }

    /// The type of the elements of an array of this type: arrays have no arrays in them, only more dimensions.
    fn element_of_array(self) -> Self {
        match self {
            Self::Array(element) => *element,
            other => other,
        }
    }

    /// Its name without a modifier, as PostgreSQL's messages give it.
    pub fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::Any => "unknown",
            Self::Bool => "boolean",
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
            Self::Float4 => "real",
            Self::Float8 => "double precision",
            Self::Numeric(_) => "numeric",
            Self::Text => "text",
            Self::Varchar(_) => "character varying",
            Self::Char(_) => "character",
            Self::Citext => "citext",
            Self::Uuid => "uuid",
            Self::TimestampTz(_) => "timestamp with time zone",
            Self::Timestamp(_) => "timestamp without time zone",
            Self::Date => "date",
            Self::Time(_) => "time without time zone",
            Self::Interval => "interval",
            Self::Json => "json",
            Self::Jsonb => "jsonb",
            Self::Bytea => "bytea",
            Self::Enum(kind) => &kind.name,
            Self::Array(element) => return Cow::Owned(format!("{}[]", element.name())),
            Self::Range(kind) => kind.name(),
            Self::TsVector => "tsvector",
            Self::Vector(_) => "vector",
            Self::Other(name) => name,
        })
    }

    /// Its name in the catalogue (`int8`, `timestamptz`, `_text`), as realtime gives it.
    pub fn catalogue_name(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::Any => "text",
            Self::Bool => "bool",
            Self::Int2 => "int2",
            Self::Int4 => "int4",
            Self::Int8 => "int8",
            Self::Float4 => "float4",
            Self::Float8 => "float8",
            Self::Varchar(_) => "varchar",
            Self::Char(_) => "bpchar",
            Self::TimestampTz(_) => "timestamptz",
            Self::Timestamp(_) => "timestamp",
            Self::Time(_) => "time",
            Self::Array(element) => return Cow::Owned(format!("_{}", element.catalogue_name())),
            other => return other.name(),
        })
    }

    /// Whether its values are text.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text | Self::Varchar(_) | Self::Char(_) | Self::Citext)
    }

    /// Whether its values are numbers.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int2 | Self::Int4 | Self::Int8 | Self::Float4 | Self::Float8 | Self::Numeric(_))
    }
}
