//! Writing values: as text as PostgreSQL's output functions do, and as JSON as `to_json` does.

use super::array;
use super::datetime::{self, Style};
use super::jsonb::write_string;
use super::range;
use super::value::Value;
use std::fmt::Write as _;
use std::io::Write as _;

impl Value {
    /// Appends the value as JSON, as PostgREST answers it.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            // Writing to memory cannot fail.
            Self::Int(number) => {
                let _ = write!(out, "{number}");
            }
            Self::Json(text) | Self::Jsonb(text) => out.extend_from_slice(text.as_bytes()),
            Self::Array(array) => array::write_json(out, array),
            Self::Uuid(uuid) => {
                let _ = write!(out, "\"{uuid}\"");
            }
            Self::Text(text) | Self::Char(text) | Self::Citext(text) => write_json_string(out, text),
            Self::Enum(_, text) => write_json_string(out, text),
            Self::Float4(_) | Self::Float8(_) | Self::Numeric(_) => {
                let mut text = String::new();
                self.write_text(&mut text);
                let number = text.ends_with(|c: char| c.is_ascii_digit());
                if number {
                    out.extend_from_slice(text.as_bytes());
                } else {
                    write_json_string(out, &text);
                }
            }
            Self::TimestampTz(micros) | Self::Timestamp(micros) => {
                let mut text = String::with_capacity(34);
                let with_zone = matches!(self, Self::TimestampTz(_));
                datetime::write_moment(&mut text, *micros, with_zone, Style::Json);
                out.push(b'"');
                out.extend_from_slice(text.as_bytes());
                out.push(b'"');
            }
            _ => {
                let mut text = String::new();
                self.write_text(&mut text);
                write_json_string(out, &text);
            }
        }
    }

    /// Appends the value as text, as a cast to `text`, `->>` and CSV give it; nothing for null.
    pub fn write_text(&self, out: &mut String) {
        match self {
            Self::Null => {}
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(number) => {
                let _ = write!(out, "{number}");
            }
            Self::Float4(number) => write_float(out, &format!("{number:e}"), f64::from(*number), 6),
            Self::Float8(number) => write_float(out, &format!("{number:e}"), *number, 15),
            Self::Numeric(number) => number.write(out),
            Self::Text(text) | Self::Char(text) | Self::Citext(text) | Self::Json(text) | Self::Jsonb(text) => {
                out.push_str(text);
            }
            Self::Enum(_, label) => out.push_str(label),
            Self::Uuid(uuid) => {
                let _ = write!(out, "{uuid}");
            }
            Self::TimestampTz(micros) => datetime::write_moment(out, *micros, true, Style::Text),
            Self::Timestamp(micros) => datetime::write_moment(out, *micros, false, Style::Text),
            Self::Date(days) => datetime::write_date(out, *days),
            Self::Time(micros) => datetime::write_time(out, *micros),
            Self::Interval(interval) => interval.write(out),
            Self::Bytea(bytes) => {
                out.push_str("\\x");
                for byte in bytes {
                    let _ = write!(out, "{byte:02x}");
                }
            }
            Self::Array(array) => array::write(out, array),
            Self::Range(range) => range::write(out, range),
            Self::Vector(numbers) => {
                out.push('[');
                for (at, number) in numbers.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    write_float(out, &format!("{number:e}"), f64::from(*number), 6);
                }
                out.push(']');
            }
        }
    }

    /// Appends the value as its type's output function writes it (`boolout` is `t` or `f`), for messages and arrays.
    pub fn write_output(&self, out: &mut String) {
        match self {
            Self::Bool(value) => out.push(if *value { 't' } else { 'f' }),
            other => other.write_text(out),
        }
    }

    /// The value as text; `None` for null.
    pub fn to_text(&self) -> Option<String> {
        let mut text = String::new();
        self.write_text(&mut text);
        (!self.is_null()).then_some(text)
    }
}

/// Appends a text as a JSON string.
pub fn write_json_string(out: &mut Vec<u8>, text: &str) {
    let plain = text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if plain {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        let mut escaped = String::with_capacity(text.len() + 16);
        write_string(&mut escaped, text);
        out.extend_from_slice(escaped.as_bytes());
    }
}

/// Appends a float from its shortest scientific form: plain from 10⁻⁴ on and below 10 to the `digits`, as
/// PostgreSQL's `float8out` does.
fn write_float(out: &mut String, scientific: &str, number: f64, digits: i32) {
    if !number.is_finite() {
        out.push_str(if number.is_nan() {
            "NaN"
        } else if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        });
        return;
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    out.push_str(sign);
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if exponent < -4 || exponent >= digits {
        out.push_str(mantissa);
        let _ = write!(out, "e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    } else if exponent < 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
        out.push_str(first);
        out.push_str(rest);
    } else {
        let whole = exponent as usize;
        out.push_str(first);
        if rest.len() <= whole {
            out.push_str(rest);
            out.extend(std::iter::repeat_n('0', whole - rest.len()));
        } else {
            out.push_str(&rest[..whole]);
            out.push('.');
            out.push_str(&rest[whole..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0.1, "0.1")]
    #[case(100.0, "100")]
    #[case(1e15, "1e+15")]
    #[case(123_456_789_012_345.0, "123456789012345")]
    #[case(0.0001, "0.0001")]
    #[case(0.000_01, "1e-05")]
    #[case(-1.5e-7, "-1.5e-07")]
    #[case(-0.0, "-0")]
    #[case(1e300, "1e+300")]
    #[case(f64::NAN, "NaN")]
    #[case(f64::NEG_INFINITY, "-Infinity")]
    fn floats_are_written_as_postgresql_does(#[case] number: f64, #[case] text: &str) {
        assert_eq!(Value::Float8(number).to_text().unwrap(), text);
    }

    #[test]
    fn what_json_has_no_number_for_is_a_string() {
        let mut out = Vec::new();
        Value::Float4(f32::INFINITY).write_json(&mut out);
        Value::Float4(1e6).write_json(&mut out);
        Value::Text("a\"\u{1}\n😀".into()).write_json(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "\"Infinity\"1e+06\"a\\\"\\u0001\\n😀\"");
    }
}
