//! [`Types`]: the types that a schema allows.

use super::json::Json;

/// The JSON types that a value may have, as a set of bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Types(pub u8);

impl Types {
    /// Their names, each at the place of its bit.
    pub const NAMES: [&'static str; 7] = ["object", "array", "string", "number", "integer", "boolean", "null"];
    /// All of them.
    pub const ALL: Self = Self(0b111_1111);
    const NULL: u8 = 0b100_0000;
    const NUMBER: u8 = 0b000_1000;
    const INTEGER: u8 = 0b001_0000;

    /// Those that a schema allows.
    pub fn of(schema: &Json) -> Self {
        let bit = |name: &Json| {
            let place = Self::NAMES.iter().position(|known| Some(*known) == name.text());
            match place.map_or(0, |place| 1 << place) {
                // Every integer is a number.
                Self::NUMBER => Self::NUMBER | Self::INTEGER,
                bit => bit,
            }
        };
        match schema.get("type") {
            None => Self::ALL,
            Some(Json::Array(names)) => Self(names.iter().fold(0, |bits, name| bits | bit(name))),
            Some(name) => Self(bit(name)),
        }
    }

    /// Whether a value is of one of them.
    pub fn holds(self, value: &Json) -> bool {
        let bit = match value {
            Json::Object(_) => 1,
            Json::Array(_) => 1 << 1,
            Json::Text(_) => 1 << 2,
            Json::Number(number) if number.as_f64().is_some_and(|n| n.fract() == 0.0) => Self::INTEGER,
            Json::Number(_) => Self::NUMBER,
            Json::Bool(_) => 1 << 5,
            Json::Null => Self::NULL,
        };
        self.0 & bit != 0
    }
}
