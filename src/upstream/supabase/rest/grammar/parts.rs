//! Names, fields with JSON paths, and quoted values: what all parts of a query string are made of.

use super::ast::{Field, JsonKey, JsonStep};
use super::reader::{Read, Reader};

impl Reader<'_> {
    /// Spaces around what `grammar` reads.
    pub fn lexeme<T>(&mut self, grammar: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        self.spaces()?;
        let value = grammar(self)?;
        self.spaces()?;
        Ok(value)
    }

    fn spaces(&mut self) -> Read<()> {
        self.many_chars(|r| r.satisfy(|c| c == ' ' || c == '\t')).map(|_| ())
    }

    /// The dot between parts.
    pub fn delimiter(&mut self) -> Read<()> {
        self.labelled("delimiter (.)", |r| r.char('.')).map(|_| ())
    }

    /// `"…"` with backslashes.
    pub fn quoted(&mut self) -> Read<String> {
        self.char('"')?;
        let text = self.many_chars(|r| {
            r.either(
                |r| r.satisfy(|c| c != '\\' && c != '"'),
                |r| {
                    r.char('\\')?;
                    r.satisfy(|_| true)
                },
            )
        })?;
        self.char('"')?;
        Ok(text)
    }

    /// Letters, digits, `_`, `$` and spaces.
    pub fn identifier(&mut self) -> Read<String> {
        let text = self.some_chars(|r| {
            r.either(Self::letter, |r| r.either(Self::digit, |r| r.satisfy(|c| matches!(c, '_' | ' ' | '$'))))
        })?;
        Ok(trimmed(text))
    }

    /// The name of a column or table.
    pub fn name(&mut self) -> Read<String> {
        self.labelled("field name (* or [a..z0..9_$])", |r| {
            r.either(Self::quoted, |r| r.separated_by_dash(Self::identifier))
        })
    }

    /// Words with dashes between them; a dash that begins an arrow is none.
    fn separated_by_dash(&mut self, word: impl FnMut(&mut Self) -> Read<String>) -> Read<String> {
        let words = self.separated(word, |r| {
            r.attempt(|r| {
                r.char('-')?;
                r.not_followed_by(|c| c == '>')
            })
        })?;
        Ok(if words.len() == 1 { words.into_iter().next().unwrap_or_default() } else { words.join("-") })
    }

    /// `->a->>0` and so on, perhaps nothing.
    pub fn json_path(&mut self) -> Read<Vec<JsonStep>> {
        self.many(|r| {
            let as_text = r.either(
                |r| r.attempt(|r| r.string("->>").map(|()| true)),
                |r| r.attempt(|r| r.string("->").map(|()| false)),
            )?;
            let to = r.either(|r| r.attempt(Self::json_index), |r| r.attempt(Self::json_key))?;
            Ok(JsonStep { as_text, to })
        })
    }

    fn json_index(&mut self) -> Read<JsonKey> {
        let negative = self.optional(|r| r.char('-'))?.is_some();
        let digits = self.some_chars(Self::digit)?;
        let ends = |r: &mut Self, text: &str| r.attempt(|r| r.look_ahead(|r| r.string(text)));
        self.either(
            |r| ends(r, "->"),
            |r| {
                r.either(
                    |r| ends(r, "::"),
                    |r| r.either(|r| ends(r, "."), |r| r.either(|r| ends(r, ","), |r| r.attempt(Self::end))),
                )
            },
        )?;
        // Numbers that no array has a place for find nothing, whatever they are.
        let index = digits.parse::<i32>().unwrap_or(i32::MAX);
        Ok(JsonKey::Index(if negative { -index } else { index }))
    }

    fn json_key(&mut self) -> Read<JsonKey> {
        let key = self.labelled("any non reserved character different from: .,>()", |r| {
            r.either(Self::quoted, |r| {
                r.separated_by_dash(|r| {
                    let text =
                        r.some_chars(|r| r.satisfy(|c| !matches!(c, '(' | '-' | ':' | '.' | ',' | '>' | ')')))?;
                    Ok(trimmed(text))
                })
            })
        })?;
        Ok(JsonKey::Key(key))
    }

    /// A column with its way into a JSON value.
    pub fn field(&mut self) -> Read<Field> {
        self.lexeme(|r| {
            let name = r.name()?;
            let path = r.json_path()?;
            Ok(Field { name, path })
        })
    }

    /// `a.b.column->key`: the embedded relations on the way, and the column.
    pub fn tree_path(&mut self) -> Read<(Vec<String>, Field)> {
        let mut names = self.separated(Self::name, Self::delimiter)?;
        let path = self.json_path()?;
        let name = names.pop().unwrap_or_default();
        Ok((names, Field { name, path }))
    }

    /// `a,b,"c d"`.
    pub fn names(&mut self) -> Read<Vec<String>> {
        self.separated(Self::name, |r| r.lexeme(|r| r.char(',').map(|_| ())))
    }
}

fn trimmed(text: String) -> String {
    let inner = text.trim();
    if inner.len() == text.len() { text } else { inner.to_owned() }
}
