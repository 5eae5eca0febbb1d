//! [`Preferences`]: what the `Prefer` headers of a request ask for, and which of it is granted.

use super::super::errors::PgError;
use http::{HeaderMap, StatusCode};

/// What an upsert does about rows that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// They get the new values.
    Merge,
    /// They stay.
    Ignore,
}

/// What a write answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Representation {
    /// The rows.
    Full,
    /// Where the new row is.
    HeadersOnly,
    /// Nothing.
    Minimal,
}

/// How the total is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// By counting.
    Exact,
    /// By the planner's estimate.
    Planned,
    /// By counting as long as there are few.
    Estimated,
}

/// What a request prefers. Of several preferences of one kind the first counts, as in PostgREST.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `resolution=…`.
    pub resolution: Option<Resolution>,
    /// `return=…`.
    pub representation: Option<Representation>,
    /// `count=…`.
    pub count: Option<Count>,
    /// `missing=default` (true) or `missing=null`.
    pub missing_default: Option<bool>,
    /// `handling=strict` (true) or `handling=lenient`.
    pub strict: Option<bool>,
    /// `timezone=…`, as sent.
    pub timezone: Option<String>,
    /// `max-affected=…`; only meant with `handling=strict`.
    pub max_affected: Option<u64>,
    /// What is no preference.
    invalid: Vec<String>,
}

impl Preferences {
    /// Reads the headers.
    pub fn read(headers: &HeaderMap) -> Self {
        let mut preferences = Self::default();
        let texts = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        for part in texts.flat_map(|value| value.split(',')).map(str::trim).filter(|part| !part.is_empty()) {
            preferences.take(part);
        }
        preferences
    }

    fn take(&mut self, part: &str) {
        fn first<T>(place: &mut Option<T>, value: T) {
            if place.is_none() {
                *place = Some(value);
            }
        }
        match part {
            "resolution=merge-duplicates" => first(&mut self.resolution, Resolution::Merge),
            "resolution=ignore-duplicates" => first(&mut self.resolution, Resolution::Ignore),
            "return=representation" => first(&mut self.representation, Representation::Full),
            "return=headers-only" => first(&mut self.representation, Representation::HeadersOnly),
            "return=minimal" => first(&mut self.representation, Representation::Minimal),
            "count=exact" => first(&mut self.count, Count::Exact),
            "count=planned" => first(&mut self.count, Count::Planned),
            "count=estimated" => first(&mut self.count, Count::Estimated),
            "missing=default" => first(&mut self.missing_default, true),
            "missing=null" => first(&mut self.missing_default, false),
            "handling=strict" => first(&mut self.strict, true),
            "handling=lenient" => first(&mut self.strict, false),
            // Known, but a project does not allow transactions to be ended by a header.
            "tx=commit" | "tx=rollback" | "params=single-object" | "params=multiple-objects" => {}
            part => match part.split_once('=') {
                Some(("timezone", name)) => first(&mut self.timezone, name.to_owned()),
                Some(("max-affected", number)) if number.parse::<u64>().is_ok() => {
                    first(&mut self.max_affected, number.parse().unwrap_or_default());
                }
                _ => self.invalid.push(part.to_owned()),
            },
        }
    }

    /// Refuses what is no preference, if the request wants that.
    ///
    /// # Errors
    /// PGRST122.
    pub fn check(&self) -> Result<(), PgError> {
        if self.strict != Some(true) || self.invalid.is_empty() {
            return Ok(());
        }
        let message = "Invalid preferences given with handling=strict";
        Err(PgError::new(StatusCode::BAD_REQUEST, "PGRST122", message)
            .details(format!("Invalid preferences: {}", self.invalid.join(", "))))
    }

    /// `Preference-Applied` of a read: how rows were counted and how the headers were read.
    pub fn applied_to_read(&self) -> Option<String> {
        let read = Self { count: self.count, strict: self.strict, ..Self::default() };
        read.applied()
    }

    /// All that is granted, for `Preference-Applied`.
    pub fn applied(&self) -> Option<String> {
        let resolution = self.resolution.map(|resolution| match resolution {
            Resolution::Merge => "resolution=merge-duplicates",
            Resolution::Ignore => "resolution=ignore-duplicates",
        });
        let missing = self.missing_default.map(|default| if default { "missing=default" } else { "missing=null" });
        let representation = self.representation.map(|representation| match representation {
            Representation::Full => "return=representation",
            Representation::HeadersOnly => "return=headers-only",
            Representation::Minimal => "return=minimal",
        });
        let count = self.count.map(|count| match count {
            Count::Exact => "count=exact",
            Count::Planned => "count=planned",
            Count::Estimated => "count=estimated",
        });
        let handling = self.strict.map(|strict| if strict { "handling=strict" } else { "handling=lenient" });
        let most = self.max_affected.filter(|_| self.strict == Some(true)).map(|most| format!("max-affected={most}"));
        let mut parts: Vec<&str> =
            [resolution, missing, representation, count, handling].into_iter().flatten().collect();
        parts.extend(most.as_deref());
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// What cannot be granted here although PostgREST would.
    pub fn warning(&self) -> Option<String> {
        self.timezone
            .as_ref()
            .map(|zone| format!("the Supabase mock always answers in UTC; `Prefer: timezone={zone}` was not followed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&'static str]) -> Preferences {
        let mut headers = HeaderMap::new();
        texts.iter().for_each(|text| {
            headers.append("prefer", http::HeaderValue::from_static(text));
        });
        Preferences::read(&headers)
    }

    #[test]
    fn the_first_of_a_kind_counts_in_any_spelling_of_lists() {
        let preferences = read(&["return=representation,count=exact", "resolution=merge-duplicates, return=minimal"]);
        assert_eq!(preferences.representation, Some(Representation::Full));
        assert_eq!(preferences.count, Some(Count::Exact));
        let applied = "resolution=merge-duplicates, return=representation, count=exact";
        assert_eq!(preferences.applied().as_deref(), Some(applied));
        assert_eq!(preferences.applied_to_read().as_deref(), Some("count=exact"));
    }

    #[test]
    fn nonsense_is_only_refused_when_asked_for() {
        assert!(read(&["frobnicate=yes"]).check().is_ok());
        let error = read(&["handling=strict, frobnicate=yes, count=none"]).check().unwrap_err();
        assert_eq!(
            (&*error.code, error.details.as_deref()),
            ("PGRST122", Some("Invalid preferences: frobnicate=yes, count=none"))
        );
    }
}
