//! The grammar of `select`.

use super::ast::{Aggregate, Field, FieldItem, Item, RelationItem};
use super::reader::{Read, Reader};

impl Reader<'_> {
    /// `id,total:amount::text,lines(*),...author(name)`; nothing at all is an empty list.
    pub fn items(&mut self) -> Read<Vec<Item>> {
        let start = self.position();
        let first = self.item();
        let Ok(first) = first else {
            return if self.position() == start { Ok(Vec::new()) } else { self.fail() };
        };
        let mut items = vec![first];
        loop {
            let start = self.position();
            if self.lexeme(|r| r.char(',')).is_err() {
                return if self.position() == start { Ok(items) } else { self.fail() };
            }
            items.push(self.item()?);
        }
    }

    fn item(&mut self) -> Read<Item> {
        self.either(
            |r| r.relation(true),
            |r| r.either(|r| r.relation(false), |r| r.lexeme(Self::field_item).map(Item::Field)),
        )
    }

    fn relation(&mut self, spread: bool) -> Read<Item> {
        let head = self.attempt(|r| {
            r.lexeme(|r| {
                let alias = if spread {
                    r.string("...")?;
                    None
                } else {
                    r.optional(|r| r.attempt(Self::alias))?
                };
                let name = r.name()?;
                if !spread && name == "count" {
                    // `count()` is an aggregate.
                    return r.fail();
                }
                let first = r.optional(Self::embed_parameter)?;
                let second = r.optional(Self::embed_parameter)?;
                r.attempt(|r| r.look_ahead(|r| r.string("(")))?;
                Ok((alias, name, first, second))
            })
        });
        let (alias, name, first, second) = head?;
        self.char('(')?;
        let items = self.deeper(Self::items)?;
        self.char(')')?;
        let join = |parameter: &Option<Parameter>| match parameter {
            Some(Parameter::Inner(inner)) => Some(*inner),
            _ => None,
        };
        let inner = join(&first).or_else(|| join(&second)).unwrap_or(false);
        let hint = |parameter: Option<Parameter>| match parameter {
            Some(Parameter::Hint(hint)) => Some(hint),
            _ => None,
        };
        let hint = hint(first).or_else(|| hint(second));
        Ok(Item::Relation(RelationItem { alias, name, hint, inner, spread, items }))
    }

    fn alias(&mut self) -> Read<String> {
        let alias = self.name()?;
        self.char(':')?;
        self.not_followed_by(|c| c == ':')?;
        Ok(alias)
    }

    fn embed_parameter(&mut self) -> Read<Parameter> {
        self.char('!')?;
        self.either(
            |r| r.attempt(|r| r.string("left").map(|()| Parameter::Inner(false))),
            |r| {
                r.either(
                    |r| r.attempt(|r| r.string("inner").map(|()| Parameter::Inner(true))),
                    |r| r.attempt(|r| r.name().map(Parameter::Hint)),
                )
            },
        )
    }

    fn field_item(&mut self) -> Read<FieldItem> {
        let plain = |field| FieldItem { alias: None, field, cast: None, aggregate: None, aggregate_cast: None };
        self.either(
            |r| {
                r.attempt(|r| {
                    r.string("*")?;
                    r.item_end()?;
                    Ok(plain(Field::column("*")))
                })
            },
            |r| {
                r.either(
                    |r| {
                        r.attempt(|r| {
                            let alias = r.optional(|r| r.attempt(Self::alias))?;
                            r.string("count()")?;
                            let aggregate_cast = r.optional(Self::cast)?;
                            r.item_end()?;
                            let aggregate = Some(Aggregate::Count);
                            Ok(FieldItem { alias, aggregate, aggregate_cast, ..plain(Field::column("*")) })
                        })
                    },
                    |r| {
                        let alias = r.optional(|r| r.attempt(Self::alias))?;
                        let field = r.field()?;
                        let cast = r.optional(Self::cast)?;
                        let aggregate = r.optional(|r| {
                            r.attempt(|r| {
                                r.char('.')?;
                                let aggregate = r.aggregate()?;
                                r.string("()")?;
                                Ok(aggregate)
                            })
                        })?;
                        let aggregate_cast = r.optional(Self::cast)?;
                        r.item_end()?;
                        Ok(FieldItem { alias, field, cast, aggregate, aggregate_cast })
                    },
                )
            },
        )
    }

    fn cast(&mut self) -> Read<String> {
        self.string("::")?;
        self.identifier()
    }

    fn aggregate(&mut self) -> Read<Aggregate> {
        self.either(
            |r| r.string("sum").map(|()| Aggregate::Sum),
            |r| {
                r.either(
                    |r| r.string("avg").map(|()| Aggregate::Avg),
                    |r| {
                        r.either(
                            |r| r.string("count").map(|()| Aggregate::Count),
                            |r| {
                                r.either(
                                    |r| r.attempt(|r| r.string("max")).map(|()| Aggregate::Max),
                                    |r| r.attempt(|r| r.string("min")).map(|()| Aggregate::Min),
                                )
                            },
                        )
                    },
                )
            },
        )
    }

    fn item_end(&mut self) -> Read<()> {
        let comes = |r: &mut Self, text: &str| r.attempt(|r| r.look_ahead(|r| r.string(text)));
        self.either(|r| comes(r, ")"), |r| r.either(|r| comes(r, ","), |r| r.attempt(Self::end)))
    }
}

enum Parameter {
    Inner(bool),
    Hint(String),
}
