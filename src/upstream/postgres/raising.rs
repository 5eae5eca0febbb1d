//! [`raising`]: the statement by which the server itself fails; [`is_control`]: which statements are left alone.

use super::wire::message;
use crate::model::fault::PostgresError;
use bytes::Bytes;

/// A simple Query whose answer is this error: raised by the server, so that whatever it does to the transaction is
/// what a failing statement does. PL/pgSQL is there in every database, unless somebody has dropped it.
pub fn raising(error: &PostgresError) -> Bytes {
    let message_text = quoted(&error.message);
    let body = format!("BEGIN RAISE EXCEPTION USING ERRCODE = '{}', MESSAGE = {message_text}; END", error.code);
    let statement = format!("DO {}\0", quoted(&body));
    message(b'Q', statement.as_bytes())
}

/// A text between dollar quotes that do not occur in it: whatever the server's settings, it is taken as it is.
fn quoted(text: &str) -> String {
    let mut tag = String::from("q");
    while text.contains(&format!("${tag}$")) || text.ends_with(&format!("${tag}")) {
        tag.push('q');
    }
    format!("${tag}${text}${tag}$")
}

/// Whether a statement ends a transaction or a part of one. Failing in its place would leave the transaction open,
/// which no real failure of it does.
pub fn is_control(query: &[u8]) -> bool {
    let first = query.iter().copied().skip_while(u8::is_ascii_whitespace).take_while(u8::is_ascii_alphabetic);
    let first: Vec<u8> = first.take(10).map(|byte| byte.to_ascii_uppercase()).collect();
    [&b"COMMIT"[..], b"END", b"ROLLBACK", b"ABORT", b"PREPARE", b"RELEASE"].contains(&first.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[test]
    fn an_error_is_raised_with_its_code_and_words() {
        let error = PostgresError { code: "57014".into(), message: "it's $q$ slow\\".into() };
        let expected =
            "DO $qqq$BEGIN RAISE EXCEPTION USING ERRCODE = '57014', MESSAGE = $qq$it's $q$ slow\\$qq$; END$qqq$\0";
        assert_eq!(&raising(&error)[5..], expected.as_bytes());
    }

    #[rstest]
    #[case("COMMIT", true)]
    #[case("  commit work", true)]
    #[case("rollback to savepoint a", true)]
    #[case("END;", true)]
    #[case("BEGIN", false)]
    #[case("SELECT 1", false)]
    #[case("", false)]
    fn what_ends_a_transaction_is_known(#[case] query: &str, #[case] expected: bool) {
        assert_eq!(is_control(query.as_bytes()), expected);
    }

    proptest! {
        #[test]
        fn a_quoted_text_ends_where_it_ends(text in "[$qa]{0,12}") {
            let quoted = quoted(&text);
            let tag = &quoted[..=quoted[1..].find('$').unwrap() + 1];
            let inside = &quoted[tag.len()..];
            prop_assert_eq!(inside.find(tag), Some(text.len()), "{}", quoted);
        }
    }
}
