//! PostgREST's `select` grammar: columns with aliases, casts and JSON paths, and embedded relations.

use super::errors::PgError;
use super::filter::{ColumnRef, split_top_level};

/// How deep relations may be embedded in one another.
const DEEPEST: usize = 8;

/// One item of a `select`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// `*`.
    All,
    /// A column.
    Column {
        /// Its name in the answer.
        output: String,
        /// What it is.
        source: ColumnRef,
        /// Whether it is cast to text.
        as_text: bool,
    },
    /// Rows of a related table.
    Embed(Embed),
}

/// Rows of a related table inside a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embed {
    /// Its name in the answer.
    pub output: String,
    /// The related table.
    pub relation: String,
    /// Which of several relations is meant: a column's or a constraint's name.
    pub hint: Option<String>,
    /// Whether rows without related rows are left out (`!inner`).
    pub inner: bool,
    /// Whether its columns become columns of the outer row (`...`).
    pub spread: bool,
    /// What is selected of the related rows.
    pub items: Vec<Item>,
}

impl Embed {
    /// Whether only the number of related rows is asked for (`relation(count)`).
    pub fn is_count(&self) -> bool {
        matches!(self.items.as_slice(), [Item::Column { source, .. }] if source.column == "count")
    }
}

/// Reads a `select`; an empty one is everything.
pub fn parse(text: &str) -> Result<Vec<Item>, PgError> {
    items(text, 0)
}

fn items(text: &str, depth: usize) -> Result<Vec<Item>, PgError> {
    let fail = || PgError::unreadable("select parameter", text);
    if depth > DEEPEST {
        return Err(fail());
    }
    let parts = split_top_level(text, ',').ok_or_else(fail)?;
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).map(|part| item(part, depth)).collect()
}

fn item(text: &str, depth: usize) -> Result<Item, PgError> {
    if text == "*" {
        return Ok(Item::All);
    }
    let (spread, text) = text.strip_prefix("...").map_or((false, text), |rest| (true, rest));
    let (alias, text) = alias(text);
    let Some((head, inside)) = text.split_once('(') else {
        let (source, cast) = text.split_once("::").map_or((text, None), |(source, cast)| (source, Some(cast)));
        let source = ColumnRef::parse(source);
        let output = alias.unwrap_or_else(|| source.last_name()).to_owned();
        return Ok(Item::Column { output, source, as_text: matches!(cast, Some("text" | "varchar")) });
    };
    let inside = inside.strip_suffix(')').ok_or_else(|| PgError::unreadable("select parameter", text))?;
    if head.contains('.') || inside.is_empty() {
        return Err(PgError::unreadable("select parameter", text)
            .details("firedrill's Supabase mock knows no aggregates except relation(count)"));
    }
    let mut hints = head.split('!');
    let relation = hints.next().unwrap_or_default().to_owned();
    let (mut hint, mut inner) = (None, false);
    for word in hints {
        match word {
            "inner" => inner = true,
            "left" => {}
            name => hint = Some(name.to_owned()),
        }
    }
    Ok(Item::Embed(Embed {
        output: alias.unwrap_or(&relation).to_owned(),
        relation,
        hint,
        inner,
        spread,
        items: items(inside, depth + 1)?,
    }))
}

/// Splits `alias:rest`; a `::` is a cast, not an alias.
fn alias(text: &str) -> (Option<&str>, &str) {
    let Some(at) = text.find(':') else { return (None, text) };
    if text[at + 1..].starts_with(':') || text.find('(').is_some_and(|open| open < at) {
        return (None, text);
    }
    (Some(text[..at].trim()), text[at + 1..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_grammar() {
        let items =
            parse("id,day:created_at::text,data->scores->>total,blocks:time_blocks!fk_x!inner(id,plan_items(*))")
                .unwrap();
        let names: Vec<&str> = items
            .iter()
            .map(|item| match item {
                Item::All => "*",
                Item::Column { output, .. } => output,
                Item::Embed(embed) => &embed.output,
            })
            .collect();
        assert_eq!(names, ["id", "day", "total", "blocks"]);
        let Item::Embed(embed) = &items[3] else { panic!("the fourth item is an embed") };
        assert_eq!((embed.relation.as_str(), embed.hint.as_deref(), embed.inner), ("time_blocks", Some("fk_x"), true));
        assert!(matches!(&embed.items[1], Item::Embed(inner) if inner.items == [Item::All]));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}", shaped in "[a-c(),:!.*>-]{0,60}") {
            let _ = parse(&text);
            let _ = parse(&shaped);
        }
    }
}
