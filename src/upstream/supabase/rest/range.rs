//! Which part of the rows is wanted (`limit`, `offset`, `Range`) and which was given (`Content-Range`, the status):
//! PostgREST's `RangeQuery`.

use super::super::errors::PgError;
use super::grammar::ast::Rows;
use http::{HeaderMap, StatusCode};

/// Puts the `Range` header of a `GET` into what the query string says of the rows.
///
/// # Errors
/// PGRST103 for a part that cannot be.
pub fn narrow(rows: &mut Rows, headers: &HeaderMap, get: bool) -> Result<(), PgError> {
    let header = headers.get("range").and_then(|value| value.to_str().ok()).filter(|_| get).and_then(parse);
    if let Some((first, Some(last))) = header
        && first > last
    {
        return Err(refused(
            "The lower boundary must be lower than or equal to the upper boundary in the Range header.",
        ));
    }
    if rows.limit == Some(0) && rows.offset == 0 {
        return Ok(());
    }
    if let Some((first, last)) = header {
        let end = |rows: &Rows| rows.limit.map(|limit| rows.offset as i128 + i128::from(limit));
        let end = match (end(rows), last.map(|last| i128::from(last) + 1)) {
            (Some(own), Some(other)) => Some(own.min(other)),
            (own, other) => own.or(other),
        };
        rows.offset = rows.offset.max(first);
        rows.limit = end.map(|end| i64::try_from(end - rows.offset as i128).unwrap_or(0));
    }
    match rows.limit {
        Some(limit) if limit <= 0 => Err(refused("Limit should be greater than or equal to zero.")),
        _ => Ok(()),
    }
}

/// `0-9` or `10-`; anything else is as if it were not there.
fn parse(text: &str) -> Option<(u64, Option<u64>)> {
    let (first, last) = text.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if first.is_empty() || !digits(first) || !digits(last) {
        return None;
    }
    Some((first.parse().ok()?, if last.is_empty() { None } else { Some(last.parse().ok()?) }))
}

fn refused(details: &str) -> PgError {
    PgError::new(StatusCode::RANGE_NOT_SATISFIABLE, "PGRST103", "Requested range not satisfiable").details(details)
}

/// The error of an offset behind the last row.
pub fn out_of_bounds(offset: u64, total: usize) -> PgError {
    refused(&format!("An offset of {offset} was requested, but there are only {total} rows."))
}

/// The status of a read.
pub fn status(offset: u64, given: usize, total: Option<usize>) -> StatusCode {
    match total {
        Some(total) if offset > total as u64 => StatusCode::RANGE_NOT_SATISFIABLE,
        Some(total) if given < total => StatusCode::PARTIAL_CONTENT,
        _ => StatusCode::OK,
    }
}

/// The `Content-Range` of an answer; clients take the count from it.
pub fn content_range(offset: u64, given: usize, total: Option<usize>) -> String {
    let all = total.map_or_else(|| "*".to_owned(), |total| total.to_string());
    if given == 0 || total == Some(0) {
        return format!("*/{all}");
    }
    format!("{offset}-{}/{all}", offset + given as u64 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use rstest::rstest;

    fn narrowed(limit: Option<i64>, offset: u64, range: &'static str) -> Result<(u64, Option<i64>), String> {
        let mut rows = Rows { limit, offset, ..Rows::default() };
        let headers = HeaderMap::from_iter([(http::header::RANGE, HeaderValue::from_static(range))]);
        narrow(&mut rows, &headers, true).map_err(|error| error.details.unwrap_or_default())?;
        Ok((rows.offset, rows.limit))
    }

    #[rstest]
    #[case(None, 0, "0-9", (0, Some(10)))]
    #[case(None, 0, "10-", (10, None))]
    #[case(Some(3), 0, "0-1", (0, Some(2)))]
    #[case(Some(3), 0, "nonsense", (0, Some(3)))]
    #[case(Some(10), 5, "0-9", (5, Some(5)))]
    #[case(Some(0), 0, "0-9", (0, Some(0)))]
    fn parts_meet(
        #[case] limit: Option<i64>,
        #[case] offset: u64,
        #[case] range: &'static str,
        #[case] expected: (u64, Option<i64>),
    ) {
        assert_eq!(narrowed(limit, offset, range), Ok(expected));
    }

    #[test]
    fn impossible_parts_are_refused() {
        assert!(narrowed(None, 0, "5-1").unwrap_err().starts_with("The lower boundary"));
        assert_eq!(narrowed(Some(-1), 0, "").unwrap_err(), "Limit should be greater than or equal to zero.");
    }

    #[rstest]
    #[case(0, 5, None, 200, "0-4/*")]
    #[case(0, 0, None, 200, "*/*")]
    #[case(0, 5, Some(5), 200, "0-4/5")]
    #[case(2, 2, Some(5), 206, "2-3/5")]
    #[case(0, 0, Some(0), 200, "*/0")]
    #[case(5, 0, Some(5), 206, "*/5")]
    #[case(6, 0, Some(5), 416, "*/5")]
    fn statuses_follow_the_rule(
        #[case] offset: u64,
        #[case] given: usize,
        #[case] total: Option<usize>,
        #[case] expected: u16,
        #[case] range: &str,
    ) {
        assert_eq!(status(offset, given, total).as_u16(), expected);
        assert_eq!(content_range(offset, given, total), range);
    }
}
