//! Dates, times, moments and intervals: reading and writing them as PostgreSQL does in a session in UTC.
//!
//! Read are ISO 8601 in all the spellings that PostgreSQL takes, `MM/DD/YYYY`, month names, the special words, offsets
//! and zone names. Not read are Julian days, days of the year and weeks.

use super::error::SqlError;
use super::numeric::is_space;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::fmt::Write as _;

/// Microseconds of a day.
pub const DAY: i64 = 86_400_000_000;
/// `infinity` and `-infinity` of moments.
pub const FOREVER: (i64, i64) = (i64::MIN, i64::MAX);
/// `infinity` and `-infinity` of dates.
pub const FOREVER_DAYS: (i32, i32) = (i32::MIN, i32::MAX);

/// Days from 1970 of 4714-11-24 BC, where the calendar begins, and of 5874897-12-31, where dates end.
const DAYS: (i64, i64) = (-2_440_588, 2_145_042_541);
/// The first moment that a timestamp can be, and the first that it cannot be any more. PostgreSQL counts from 2000 and
/// ends with the year 294276; counted from 1970 the last 30 years of that do not fit.
const MOMENTS: (i64, i64) = (-210_866_803_200_000_000, i64::MAX);

/// What a text is to be read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// `timestamptz`.
    TimestampTz,
    /// `timestamp`.
    Timestamp,
    /// `date`.
    Date,
    /// `time`.
    Time,
}

impl Moment {
    fn name(self) -> &'static str {
        match self {
            Self::TimestampTz => "timestamp with time zone",
            Self::Timestamp => "timestamp",
            Self::Date => "date",
            Self::Time => "time",
        }
    }
}

/// The present moment in microseconds since 1970.
pub fn now() -> i64 {
    Timestamp::now().as_microsecond()
}

/// Days since 1970 of a date of the Gregorian calendar.
pub fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day since 1970.
pub fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Reads a text as a moment, in microseconds since 1970; a date as that of its midnight, a time since midnight.
///
/// # Errors
/// 22007, 22008, 22009 and 22023, as PostgreSQL gives them.
pub fn parse(text: &str, what: Moment) -> Result<i64, SqlError> {
    Reader::new(text, what).read()
}

#[derive(Clone, Copy, Debug)]
enum Zone<'a> {
    Offset(i64),
    Named(&'a str),
}

struct Reader<'a> {
    text: &'a str,
    what: Moment,
    date: Option<(i64, i64, i64)>,
    time: Option<i64>,
    zone: Option<Zone<'a>>,
    month: Option<i64>,
    numbers: Vec<&'a str>,
    afternoon: Option<bool>,
    before_christ: bool,
    forever: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, what: Moment) -> Self {
        Self {
            text,
            what,
            date: None,
            time: None,
            zone: None,
            month: None,
            numbers: Vec::new(),
            afternoon: None,
            before_christ: false,
            forever: false,
        }
    }

    fn invalid(&self) -> SqlError {
        SqlError::new("22007", format!("invalid input syntax for type {}: \"{}\"", self.what.name(), self.text))
    }

    fn overflow(&self) -> SqlError {
        SqlError::new("22008", format!("date/time field value out of range: \"{}\"", self.text))
    }

    fn month_or_day_overflow(&self) -> SqlError {
        self.overflow().hint("Perhaps you need a different \"datestyle\" setting.")
    }

    /// Reads the text. A time of day has no words for dates, and says little about them.
    fn read(self) -> Result<i64, SqlError> {
        let invalid = self.invalid();
        match (self.what, self.read_any()) {
            (Moment::Time, Err(error)) if error.hint.is_some() || error.code == "22009" => Err(invalid),
            (_, result) => result,
        }
    }

    fn read_any(mut self) -> Result<i64, SqlError> {
        let trimmed = self.text.trim_matches(is_space);
        if trimmed.is_empty() || trimmed.len() > 128 || !trimmed.is_ascii() {
            return Err(self.invalid());
        }
        if let Some(special) = self.special(trimmed) {
            return Ok(special);
        }
        // Whatever is no part of a date or a time parts words; nothing needs it.
        let parts = |c: char| is_space(c) || (c.is_ascii_punctuation() && !matches!(c, '+' | '-' | ':' | '/' | '.'));
        for word in trimmed.split(parts).filter(|word| !word.is_empty()) {
            self.word(word)?;
        }
        if self.forever {
            return Ok(FOREVER.1);
        }
        self.settle_numbers()?;
        self.value()
    }

    fn special(&self, text: &str) -> Option<i64> {
        let today = now().div_euclid(DAY) * DAY;
        Some(match (text.to_ascii_lowercase().as_str(), self.what) {
            ("infinity" | "+infinity", what) if what != Moment::Time => FOREVER.1,
            ("-infinity", what) if what != Moment::Time => FOREVER.0,
            ("epoch", what) if what != Moment::Time => 0,
            ("now", Moment::Time) => now().rem_euclid(DAY),
            ("now", Moment::Date) | ("today", Moment::Date | Moment::TimestampTz | Moment::Timestamp) => today,
            ("now", _) => now(),
            ("tomorrow", what) if what != Moment::Time => today + DAY,
            ("yesterday", what) if what != Moment::Time => today - DAY,
            ("allballs", Moment::Time) => 0,
            _ => return None,
        })
    }

    fn word(&mut self, word: &'a str) -> Result<(), SqlError> {
        let first = word.as_bytes()[0];
        if first.is_ascii_digit() {
            // `2025-11-23T10:00`: a date and a time in one.
            if let Some(at) = word.find(['T', 't']).filter(|at| {
                word[..*at].bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b'/' || b == b'.')
                    && word.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit)
            }) {
                if self.what == Moment::Time {
                    return Err(self.invalid());
                }
                self.date_word(&word[..at])?;
                return self.time_word(&word[at + 1..], true);
            }
            return if word.contains(':') {
                self.time_word(word, false)
            } else if word.contains(['-', '/'])
                || word.len() >= 6 && word.bytes().all(|b| b.is_ascii_digit()) && self.date.is_none()
            {
                self.date_word(word)
            } else {
                let digits = word.bytes().take_while(u8::is_ascii_digit).count();
                self.numbers.push(&word[..digits]);
                if digits < word.len() { self.name(&word[digits..]) } else { Ok(()) }
            };
        }
        if matches!(first, b'+' | b'-') {
            return self.offset(word);
        }
        self.name(word)
    }

    fn name(&mut self, word: &'a str) -> Result<(), SqlError> {
        const MONTHS: [&str; 12] = [
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ];
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "am" => self.afternoon = Some(false),
            "pm" => self.afternoon = Some(true),
            "ad" => {}
            "bc" => self.before_christ = true,
            "infinity" if self.what != Moment::Time => self.forever = true,
            _ => {
                let month = MONTHS.iter().position(|month| {
                    lower == *month || (lower == month[..3]) || (*month == "september" && lower == "sept")
                });
                if let (Some(month), None) = (month, self.month) {
                    self.month = Some(month as i64 + 1);
                } else if self.zone.is_none() {
                    self.zone(word)?;
                } else {
                    return Err(self.invalid());
                }
            }
        }
        Ok(())
    }

    fn zone(&mut self, word: &'a str) -> Result<(), SqlError> {
        // Abbreviations of PostgreSQL's default list that people write; their offset is fixed, whatever the season.
        let hours = match word.to_ascii_lowercase().as_str() {
            "z" | "utc" | "gmt" | "zulu" | "ut" | "uct" => 0,
            "est" => -5,
            "edt" => -4,
            "cst" => -6,
            "cdt" => -5,
            "mst" => -7,
            "mdt" => -6,
            "pst" => -8,
            "pdt" => -7,
            "cet" | "bst" => 1,
            "cest" => 2,
            "jst" => 9,
            _ if word.contains('/') => {
                self.zone = Some(Zone::Named(word));
                return Ok(());
            }
            _ => return Err(self.invalid()),
        };
        self.zone = Some(Zone::Offset(hours * 3_600));
        Ok(())
    }

    fn date_word(&mut self, word: &str) -> Result<(), SqlError> {
        if self.date.is_some() {
            return Err(self.invalid());
        }
        if word.len() >= 6 && word.bytes().all(|b| b.is_ascii_digit()) {
            // Days and months have two digits each, years what is before them.
            let (rest, day) = word.split_at(word.len() - 2);
            let (years, month) = rest.split_at(rest.len() - 2);
            let number = |part: &str| part.parse::<i64>().map_err(|_| self.overflow());
            let date = (year(years, number(years)?), number(month)?, number(day)?);
            return self.set_date(date);
        }
        let parts: Vec<&str> = word.split(['-', '/', '.']).collect();
        let [first, second, third] = parts.as_slice() else { return Err(self.invalid()) };
        if [first, second, third].iter().any(|part| part.is_empty() || part.len() > 7) {
            return Err(self.invalid());
        }
        let number = |part: &str| part.parse::<i64>().map_err(|_| self.invalid());
        if let Some(month) = month_name(second) {
            // `23-Nov-2025`.
            let date = (year(third, number(third)?), month, number(first)?);
            return self.set_date(date);
        }
        let date = if first.len() >= 3 {
            (number(first)?, number(second)?, number(third)?)
        } else {
            (year(third, number(third)?), number(first)?, number(second)?)
        };
        self.set_date(date)
    }

    fn set_date(&mut self, (year, month, day): (i64, i64, i64)) -> Result<(), SqlError> {
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(self.month_or_day_overflow());
        }
        self.date = Some((year, month, day));
        Ok(())
    }

    /// Numbers that stand alone: a day and a year beside a month's name, or a time without colons.
    fn settle_numbers(&mut self) -> Result<(), SqlError> {
        if self.what == Moment::Time && (self.month.is_some() || !self.numbers.is_empty()) {
            return Err(self.invalid());
        }
        let numbers = std::mem::take(&mut self.numbers);
        let number = |text: &str| text.parse::<i64>().map_err(|_| self.invalid());
        match (self.month, numbers.as_slice()) {
            (None, []) => Ok(()),
            (None, [first, second, third]) if self.date.is_none() => self.set_date(if first.len() >= 3 {
                (number(first)?, number(second)?, number(third)?)
            } else {
                (year(third, number(third)?), number(first)?, number(second)?)
            }),
            // Too few for a date; what could be none even so is said first.
            (None, [first, rest @ ..]) if self.date.is_none() && first.len() < 3 => {
                let day = rest.first().map_or(Ok(1), |day| number(day))?;
                if (1..=12).contains(&number(first)?) && (1..=31).contains(&day) {
                    Err(self.invalid())
                } else {
                    Err(self.overflow())
                }
            }
            (Some(month), [first, second]) if self.date.is_none() => {
                let date = if first.len() >= 3 {
                    (number(first)?, month, number(second)?)
                } else {
                    (year(second, number(second)?), month, number(first)?)
                };
                self.set_date(date)
            }
            _ => Err(self.invalid()),
        }
    }

    fn time_word(&mut self, word: &'a str, after_t: bool) -> Result<(), SqlError> {
        if self.time.is_some() {
            return Err(self.invalid());
        }
        let end = word.bytes().position(|b| !(b.is_ascii_digit() || b == b':' || b == b'.')).unwrap_or(word.len());
        let (clock, rest) = word.split_at(end);
        let (clock, fraction) = match clock.split_once('.') {
            Some((clock, fraction)) if fraction.bytes().all(|b| b.is_ascii_digit()) => (clock, fraction),
            Some(_) => return Err(self.invalid()),
            None => (clock, ""),
        };
        let parts: Vec<&str> = if clock.contains(':') {
            clock.split(':').collect()
        } else {
            match clock.len() {
                2 | 4 | 6 if after_t => (0..clock.len()).step_by(2).map(|at| &clock[at..at + 2]).collect(),
                _ => return Err(self.invalid()),
            }
        };
        if parts.len() > 3 || parts.iter().any(|part| part.is_empty() || part.len() > 2) {
            return Err(self.invalid());
        }
        let part = |at: usize| parts.get(at).map_or(Ok(0), |part| part.parse::<i64>().map_err(|_| self.invalid()));
        let (hour, minute, second) = (part(0)?, part(1)?, part(2)?);
        let micros = if fraction.is_empty() {
            0
        } else {
            let fraction: f64 = format!("0.{fraction}").parse().map_err(|_| self.invalid())?;
            (fraction * 1e6).round_ties_even() as i64
        };
        if minute > 59 || second > 60 || hour > 24 || (hour == 24 && minute + second + micros > 0) {
            return Err(self.overflow());
        }
        self.time = Some(((hour * 60 + minute) * 60 + second) * 1_000_000 + micros);
        if rest.is_empty() {
            return Ok(());
        }
        if rest.starts_with(['+', '-']) { self.offset(rest) } else { self.name(rest) }
    }

    fn offset(&mut self, word: &'a str) -> Result<(), SqlError> {
        if self.zone.is_some() {
            return Err(self.invalid());
        }
        let (negative, digits) = (word.starts_with('-'), &word[1..]);
        let parts: Vec<&str> = if digits.contains(':') {
            digits.split(':').collect()
        } else {
            match digits.len() {
                1 | 2 => vec![digits],
                3 => vec![&digits[..1], &digits[1..]],
                0 => return Err(self.invalid()),
                length => vec![&digits[..length - 2], &digits[length - 2..]],
            }
        };
        if parts.len() > 3 || parts.iter().any(|part| part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit())) {
            return Err(self.invalid());
        }
        // What has too many digits for a number is beyond every limit.
        let part = |at: usize| parts.get(at).map_or(0, |part| part.parse::<i64>().unwrap_or(i64::MAX));
        let (hours, minutes, seconds) = (part(0), part(1), part(2));
        if hours > 15 || minutes > 59 || seconds > 59 {
            let message = format!("time zone displacement out of range: \"{}\"", self.text);
            return Err(SqlError::new("22009", message));
        }
        let seconds = (hours * 60 + minutes) * 60 + seconds;
        self.zone = Some(Zone::Offset(if negative { -seconds } else { seconds }));
        Ok(())
    }

    fn value(&self) -> Result<i64, SqlError> {
        let time = match (self.time, self.afternoon) {
            (Some(time), Some(afternoon)) => {
                let hour = time / 3_600_000_000;
                if !(1..=12).contains(&hour) {
                    return Err(self.overflow());
                }
                let hour = hour % 12 + if afternoon { 12 } else { 0 };
                Some(hour * 3_600_000_000 + time % 3_600_000_000)
            }
            (None, Some(_)) => return Err(self.invalid()),
            (time, None) => time,
        };
        if self.what == Moment::Time {
            return time.ok_or_else(|| self.invalid());
        }
        let (year, month, day) = self.date.ok_or_else(|| self.invalid())?;
        let year = if self.before_christ { 1 - year } else { year };
        if (self.before_christ && year > 0) || (!self.before_christ && year == 0) || day > days_in(year, month) {
            return Err(self.overflow());
        }
        let days = days_of(year, month, day);
        if self.what == Moment::Date {
            let out = || SqlError::new("22008", format!("date out of range: \"{}\"", self.text));
            return if (DAYS.0..=DAYS.1).contains(&days) { days.checked_mul(DAY).ok_or_else(out) } else { Err(out()) };
        }
        let out = || SqlError::new("22008", format!("timestamp out of range: \"{}\"", self.text));
        let local = days.checked_mul(DAY).and_then(|micros| micros.checked_add(time.unwrap_or(0))).ok_or_else(out)?;
        let micros = match (self.what, self.zone) {
            (Moment::TimestampTz, Some(Zone::Offset(seconds))) => local - seconds * 1_000_000,
            (Moment::TimestampTz, Some(Zone::Named(name))) => self.in_zone(local, name)?,
            _ => local,
        };
        if (MOMENTS.0..MOMENTS.1).contains(&micros) { Ok(micros) } else { Err(out()) }
    }

    fn in_zone(&self, local: i64, name: &str) -> Result<i64, SqlError> {
        let zone =
            TimeZone::get(name).map_err(|_| SqlError::new("22023", format!("time zone \"{name}\" not recognized")))?;
        let naive = Timestamp::from_microsecond(local).map_err(|_| self.overflow())?;
        let naive: DateTime = TimeZone::UTC.to_datetime(naive);
        zone.to_timestamp(naive).map(|moment| moment.as_microsecond()).map_err(|_| self.overflow())
    }
}

fn month_name(text: &str) -> Option<i64> {
    let names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let lower = text.to_ascii_lowercase();
    names.iter().position(|name| lower == *name).map(|at| at as i64 + 1)
}

/// A year of one or two digits belongs to 1970–2069.
fn year(text: &str, year: i64) -> i64 {
    match (text.len(), year) {
        (1 | 2, 0..70) => year + 2000,
        (1 | 2, _) => year + 1900,
        _ => year,
    }
}

/// Microseconds rounded to so many digits after the second.
pub fn rounded(micros: i64, digits: u8) -> i64 {
    if digits >= 6 || micros == FOREVER.0 || micros == FOREVER.1 {
        return micros;
    }
    let unit = 10_i64.pow(6 - u32::from(digits));
    let half = if micros < 0 { -(unit / 2) } else { unit / 2 };
    micros.saturating_add(half) / unit * unit
}

/// How a moment is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `2025-11-23 10:00:00`, with `+00` if it has a zone.
    Text,
    /// `2025-11-23T10:00:00`, with `+00:00` if it has a zone.
    Json,
}

/// Appends a moment.
pub fn write_moment(out: &mut String, micros: i64, with_zone: bool, style: Style) {
    if write_forever(out, micros == FOREVER.0, micros == FOREVER.1) {
        return;
    }
    let (days, time) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let before_christ = write_civil(out, days);
    out.push(if style == Style::Json { 'T' } else { ' ' });
    write_time(out, time);
    if with_zone {
        out.push_str(if style == Style::Json { "+00:00" } else { "+00" });
    }
    if before_christ {
        out.push_str(" BC");
    }
}

/// Appends a date.
pub fn write_date(out: &mut String, days: i32) {
    if !write_forever(out, days == FOREVER_DAYS.0, days == FOREVER_DAYS.1) && write_civil(out, i64::from(days)) {
        out.push_str(" BC");
    }
}

fn write_forever(out: &mut String, past: bool, future: bool) -> bool {
    out.push_str(match (past, future) {
        (true, _) => "-infinity",
        (_, true) => "infinity",
        _ => return false,
    });
    true
}

/// Appends year, month and day; whether it was before Christ.
fn write_civil(out: &mut String, days: i64) -> bool {
    let (year, month, day) = date_of(days);
    let shown = if year <= 0 { 1 - year } else { year };
    // Writing to a string cannot fail.
    let _ = write!(out, "{shown:04}-{month:02}-{day:02}");
    year <= 0
}

/// Appends a time of day.
pub fn write_time(out: &mut String, micros: i64) {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    write_fraction(out, fraction);
}

fn write_fraction(out: &mut String, fraction: i64) {
    if fraction != 0 {
        let text = format!("{fraction:06}");
        out.push('.');
        out.push_str(text.trim_end_matches('0'));
    }
}

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

impl Interval {
    /// Reads a text: `1 day 02:00:00`, `3 mons`, `-5 minutes`, `2 hours ago`, `P1DT2H`.
    ///
    /// # Errors
    /// 22007 for what is none, 22008 for one that is too long.
    pub fn parse(text: &str) -> Result<Self, SqlError> {
        let invalid = || SqlError::new("22007", format!("invalid input syntax for type interval: \"{text}\""));
        let trimmed = text.trim_matches(is_space).trim_start_matches("@ ");
        if trimmed.is_empty() || trimmed.len() > 128 || !trimmed.is_ascii() {
            return Err(invalid());
        }
        if let Some(rest) = trimmed.strip_prefix('P') {
            return Self::parse_iso(rest).ok_or_else(invalid);
        }
        let (trimmed, ago) = match trimmed.strip_suffix(" ago") {
            Some(rest) => (rest, true),
            None => (trimmed, false),
        };
        let mut sum = Sum::default();
        let mut bare = false;
        let parts = |c: char| is_space(c) || (c.is_ascii_punctuation() && !matches!(c, '+' | '-' | ':' | '/' | '.'));
        let mut words = trimmed.split(parts).filter(|word| !word.is_empty()).peekable();
        if words.peek().is_none() {
            return Err(invalid());
        }
        while let Some(word) = words.next() {
            if word.contains(':') {
                sum.clock(word).ok_or_else(invalid)?;
                continue;
            }
            let end = word.bytes().position(|b| b.is_ascii_alphabetic()).unwrap_or(word.len());
            let (number, unit) = word.split_at(end);
            let number: f64 = number.parse().map_err(|_| invalid())?;
            if unit.is_empty() && words.peek().is_none_or(|next| !next.as_bytes()[0].is_ascii_alphabetic()) {
                // A number without a unit is seconds, but only one is.
                if std::mem::replace(&mut bare, true) {
                    return Err(invalid());
                }
            }
            let unit = match (unit, words.peek()) {
                ("", Some(next)) if next.as_bytes()[0].is_ascii_alphabetic() => words.next().unwrap_or_default(),
                ("", _) => "second",
                (unit, _) => unit,
            };
            sum.add(number, unit).ok_or_else(invalid)?;
        }
        let interval = sum
            .interval()
            .ok_or_else(|| SqlError::new("22015", format!("interval field value out of range: \"{text}\"")))?;
        Ok(if ago { interval.negated() } else { interval })
    }

    fn parse_iso(text: &str) -> Option<Self> {
        let mut sum = Sum::default();
        let (mut in_time, mut number) = (false, String::new());
        for c in text.chars() {
            match c {
                'T' if number.is_empty() => in_time = true,
                '0'..='9' | '.' | '-' | '+' => number.push(c),
                unit => {
                    let unit = match (unit, in_time) {
                        ('Y', false) => "year",
                        ('M', false) => "month",
                        ('W', false) => "week",
                        ('D', false) => "day",
                        ('H', true) => "hour",
                        ('M', true) => "minute",
                        ('S', true) => "second",
                        _ => return None,
                    };
                    sum.add(std::mem::take(&mut number).parse().ok()?, unit)?;
                }
            }
        }
        if number.is_empty() { sum.interval() } else { None }
    }

    fn negated(self) -> Self {
        Self { months: -self.months, days: -self.days, micros: -self.micros }
    }

    /// What PostgreSQL compares intervals by: microseconds, with 30 days to the month and 24 hours to the day.
    pub fn span(self) -> i128 {
        i128::from(self.micros) + (i128::from(self.days) + i128::from(self.months) * 30) * i128::from(DAY)
    }

    /// A moment so much later.
    pub fn after(self, micros: i64) -> Option<i64> {
        let (days, time) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
        let (year, month, day) = date_of(days);
        let months = year * 12 + month - 1 + i64::from(self.months);
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        let days = days_of(year, month, day.min(days_in(year, month))) + i64::from(self.days);
        let moment = days.checked_mul(DAY)?.checked_add(time)?.checked_add(self.micros)?;
        (MOMENTS.0..MOMENTS.1).contains(&moment).then_some(moment)
    }

    /// A moment so much earlier.
    pub fn before(self, micros: i64) -> Option<i64> {
        self.negated().after(micros)
    }

    /// Appends it as text.
    pub fn write(self, out: &mut String) {
        let start = out.len();
        let mut negative_before = false;
        for (number, unit) in [(self.months / 12, "year"), (self.months % 12, "mon"), (self.days, "day")]
            .into_iter()
            .filter(|(n, _)| *n != 0)
        {
            if out.len() > start {
                out.push(' ');
            }
            // A positive number behind a negative one says so.
            let sign = if negative_before && number > 0 { "+" } else { "" };
            let _ = write!(out, "{sign}{number} {unit}{}", if number == 1 { "" } else { "s" });
            negative_before = number < 0;
        }
        if self.micros != 0 || out.len() == start {
            if out.len() > start {
                out.push(' ');
            }
            if self.micros < 0 {
                out.push('-');
            } else if negative_before {
                out.push('+');
            }
            let micros = self.micros.unsigned_abs();
            let seconds = micros / 1_000_000;
            let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
            write_fraction(out, (micros % 1_000_000) as i64);
        }
    }
}

#[derive(Default)]
struct Sum {
    months: f64,
    days: f64,
    micros: f64,
}

impl Sum {
    fn add(&mut self, number: f64, unit: &str) -> Option<()> {
        let unit = unit.to_ascii_lowercase();
        let unit = unit.strip_suffix('s').filter(|unit| unit.len() > 1).unwrap_or(&unit);
        let months = |number: f64| (number.trunc(), number.fract() * 30.0);
        match unit {
            "microsecond" | "us" | "usec" => self.micros += number,
            "millisecond" | "ms" | "msec" => self.micros += number * 1e3,
            "second" | "sec" | "s" => self.micros += number * 1e6,
            "minute" | "min" | "m" => self.micros += number * 6e7,
            "hour" | "hr" | "h" => self.micros += number * 3.6e9,
            "day" | "d" => self.days(number),
            "week" | "w" => self.days(number * 7.0),
            "month" | "mon" => {
                let (whole, days) = months(number);
                self.months += whole;
                self.days(days);
            }
            "year" | "yr" | "y" => self.months += (number * 12.0).round(),
            "decade" | "dec" => self.months += (number * 120.0).round(),
            "century" | "centurie" | "cent" | "c" => self.months += (number * 1200.0).round(),
            _ => return None,
        }
        Some(())
    }

    fn days(&mut self, number: f64) {
        self.days += number.trunc();
        self.micros += number.fract() * DAY as f64;
    }

    fn clock(&mut self, word: &str) -> Option<()> {
        let (sign, word) = match word.strip_prefix(['-', '+']) {
            Some(rest) => (if word.starts_with('-') { -1.0 } else { 1.0 }, rest),
            None => (1.0, word),
        };
        let parts: Vec<f64> = word.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        let (hours, minutes, seconds) = match parts.as_slice() {
            [hours, minutes] => (*hours, *minutes, 0.0),
            [hours, minutes, seconds] => (*hours, *minutes, *seconds),
            _ => return None,
        };
        if minutes >= 60.0 || seconds > 60.0 {
            return None;
        }
        self.micros += sign * ((hours * 60.0 + minutes) * 60.0 + seconds) * 1e6;
        Some(())
    }

    fn interval(&self) -> Option<Interval> {
        let whole = |number: f64| (number.abs() <= f64::from(i32::MAX)).then_some(number as i32);
        let micros = self.micros.round_ties_even();
        (micros.abs() < 9.2e18).then_some(())?;
        Some(Interval { months: whole(self.months)?, days: whole(self.days)?, micros: micros as i64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("2025-11-23T10:00:00", "2025-11-23T10:00:00+00:00")]
    #[case("2025-11-23T10:00:00.123456789Z", "2025-11-23T10:00:00.123457+00:00")]
    #[case("2025-11-23 12:00+02", "2025-11-23T10:00:00+00:00")]
    #[case("2025-11-23 12:00:00+0530", "2025-11-23T06:30:00+00:00")]
    #[case("20251123T101500Z", "2025-11-23T10:15:00+00:00")]
    #[case("2025-11-23", "2025-11-23T00:00:00+00:00")]
    #[case("11/23/2025 4:05 PM", "2025-11-23T16:05:00+00:00")]
    #[case("Nov 23, 2025 10:00 UTC", "2025-11-23T10:00:00+00:00")]
    #[case("2025-07-01 12:00 Europe/Berlin", "2025-07-01T10:00:00+00:00")]
    #[case("2025-11-23 24:00:00", "2025-11-24T00:00:00+00:00")]
    #[case("infinity", "infinity")]
    #[case("0044-03-15 12:00 BC", "0044-03-15T12:00:00+00:00 BC")]
    fn moments_are_read_and_written(#[case] written: &str, #[case] read: &str) {
        let mut text = String::new();
        write_moment(&mut text, parse(written, Moment::TimestampTz).unwrap(), true, Style::Json);
        assert_eq!(text, read);
    }

    #[rstest]
    #[case("yesterdayish", "22007", false)]
    #[case("", "22007", false)]
    #[case("2025-13-01", "22008", true)]
    #[case("2025-02-30", "22008", false)]
    #[case("2025-02-20 25:00", "22008", false)]
    #[case("2025-02-20 10:00+19", "22009", false)]
    #[case("2025-02-20 10:00 11:00", "22007", false)]
    #[case("2025-02-20 10:00 Nowhere/Here", "22023", false)]
    fn what_is_no_moment_is_refused(#[case] written: &str, #[case] code: &str, #[case] hint: bool) {
        let error = parse(written, Moment::TimestampTz).unwrap_err();
        assert_eq!((error.code, error.hint.is_some()), (code, hint), "{}", error.message);
    }

    #[rstest]
    #[case("1 day", "1 day")]
    #[case("1 year 2 mons 3 days 04:05:06.5", "1 year 2 mons 3 days 04:05:06.5")]
    #[case("90 minutes", "01:30:00")]
    #[case("2 weeks ago", "-14 days")]
    #[case("P1DT2H", "1 day 02:00:00")]
    #[case("1.5 days", "1 day 12:00:00")]
    #[case("0", "00:00:00")]
    fn intervals_are_read_and_written(#[case] written: &str, #[case] read: &str) {
        let mut text = String::new();
        Interval::parse(written).unwrap().write(&mut text);
        assert_eq!(text, read);
    }

    proptest! {
        #[test]
        fn days_and_dates_are_inverse(days in -2_440_588_i64..100_000_000) {
            let (year, month, day) = date_of(days);
            prop_assert_eq!(days_of(year, month, day), days);
        }

        #[test]
        fn what_is_written_is_read_again(micros in -210_000_000_000_000_000_i64..9_000_000_000_000_000_000) {
            for style in [Style::Text, Style::Json] {
                let mut text = String::new();
                write_moment(&mut text, micros, true, style);
                prop_assert_eq!(parse(&text, Moment::TimestampTz).unwrap(), micros, "{}", text);
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}", shaped in "[0-9T:+. /-]{0,30}", words in "[0-9a-z :-]{0,24}") {
            for text in [&text, &shaped, &words] {
                for what in [Moment::TimestampTz, Moment::Timestamp, Moment::Date, Moment::Time] {
                    let _ = parse(text, what);
                }
                let _ = Interval::parse(text).map(|interval| interval.after(0));
            }
        }
    }
}
