//! The grammar of filters and of `and`/`or`.

use super::ast::{Condition, Filter, Is, Operation, QuantOperator, Quantifier, SearchKind, SimpleOperator};
use super::reader::{Read, Reader};

const SIMPLE: [(&str, SimpleOperator); 9] = [
    ("neq", SimpleOperator::NotEqual),
    ("cs", SimpleOperator::Contains),
    ("cd", SimpleOperator::ContainedIn),
    ("ov", SimpleOperator::Overlaps),
    ("sl", SimpleOperator::StrictlyLeft),
    ("sr", SimpleOperator::StrictlyRight),
    ("nxr", SimpleOperator::NotRightOf),
    ("nxl", SimpleOperator::NotLeftOf),
    ("adj", SimpleOperator::Adjacent),
];

// `gte` before `gt`: the first whose name begins what is there is taken.
const QUANT: [(&str, QuantOperator); 9] = [
    ("eq", QuantOperator::Equal),
    ("gte", QuantOperator::GreaterEqual),
    ("gt", QuantOperator::Greater),
    ("lte", QuantOperator::LessEqual),
    ("lt", QuantOperator::Less),
    ("like", QuantOperator::Like),
    ("ilike", QuantOperator::ILike),
    ("match", QuantOperator::Match),
    ("imatch", QuantOperator::IMatch),
];

const SEARCH: [(&str, SearchKind); 4] = [
    ("fts", SearchKind::Query),
    ("plfts", SearchKind::Plain),
    ("phfts", SearchKind::Phrase),
    ("wfts", SearchKind::Web),
];

const IS: [(&str, Is); 5] =
    [("null", Is::Null), ("not_null", Is::NotNull), ("true", Is::True), ("false", Is::False), ("unknown", Is::Unknown)];

impl Reader<'_> {
    /// `not.eq.5`: whether it is negated, and the operation. `value` reads what a single value may be here.
    pub fn operation(&mut self, value: fn(&mut Self) -> Read<String>) -> Read<(bool, Operation)> {
        let negated = self.negation()?;
        let operation = self.labelled("operator (eq, gt, ...)", |r| {
            r.either(Self::in_list, |r| {
                r.either(Self::is, |r| {
                    r.either(
                        |r| {
                            r.attempt(|r| {
                                r.string("isdistinct")?;
                                r.delimiter()
                            })?;
                            value(r).map(Operation::IsDistinct)
                        },
                        |r| {
                            r.either(
                                |r| r.attempt(|r| r.search(value)),
                                |r| {
                                    r.either(|r| r.attempt(|r| r.simple(value)), |r| r.attempt(|r| r.quantified(value)))
                                },
                            )
                        },
                    )
                })
            })
        })?;
        Ok((negated, operation))
    }

    fn negation(&mut self) -> Read<bool> {
        self.either(
            |r| {
                r.attempt(|r| {
                    r.string("not")?;
                    r.delimiter()?;
                    Ok(true)
                })
            },
            |_| Ok(false),
        )
    }

    fn one_of<T: Copy>(&mut self, label: &str, names: &[(&str, T)]) -> Read<T> {
        self.labelled(label, |r| {
            for (name, value) in names {
                if r.attempt(|r| r.string(name)).is_ok() {
                    return Ok(*value);
                }
            }
            r.fail()
        })
    }

    fn in_list(&mut self) -> Read<Operation> {
        self.attempt(|r| {
            r.string("in")?;
            r.delimiter()
        })?;
        self.lexeme(|r| r.char('('))?;
        let elements = self.separated(
            |r| {
                r.either(
                    |r| {
                        r.attempt(|r| {
                            let text = r.quoted()?;
                            r.not_followed_by(|c| !matches!(c, ',' | ')'))?;
                            Ok(text)
                        })
                    },
                    |r| r.many_chars(|r| r.satisfy(|c| !matches!(c, ',' | ')'))),
                )
            },
            |r| r.char(',').map(|_| ()),
        )?;
        self.lexeme(|r| r.char(')'))?;
        Ok(Operation::In(elements))
    }

    fn is(&mut self) -> Read<Operation> {
        self.attempt(|r| {
            r.string("is")?;
            r.delimiter()
        })?;
        self.labelled("isVal: (null, not_null, true, false, unknown)", |r| {
            for (name, value) in IS {
                let word = |r: &mut Self| {
                    name.chars()
                        .try_for_each(|c| r.satisfy(|met| met == c || met == c.to_ascii_uppercase()).map(|_| ()))
                };
                if r.attempt(word).is_ok() {
                    return Ok(Operation::Is(value));
                }
            }
            r.fail()
        })
    }

    fn search(&mut self, value: fn(&mut Self) -> Read<String>) -> Read<Operation> {
        let mut kind = None;
        for (name, one) in SEARCH {
            if self.attempt(|r| r.string(name)).is_ok() {
                kind = Some(one);
                break;
            }
        }
        let Some(kind) = kind else { return self.fail() };
        let config = self.optional(|r| {
            r.attempt(|r| {
                r.char('(')?;
                let config = r.identifier()?;
                r.char(')')?;
                Ok(config)
            })
        })?;
        self.delimiter()?;
        Ok(Operation::Search(kind, config, value(self)?))
    }

    fn simple(&mut self, value: fn(&mut Self) -> Read<String>) -> Read<Operation> {
        let operator = self.one_of("unknown single value operator", &SIMPLE)?;
        self.delimiter()?;
        Ok(Operation::Simple(operator, value(self)?))
    }

    fn quantified(&mut self, value: fn(&mut Self) -> Read<String>) -> Read<Operation> {
        let operator = self.one_of("unknown single value operator", &QUANT)?;
        let quantifier = self.optional(|r| {
            r.attempt(|r| {
                r.char('(')?;
                let quantifier = r.either(
                    |r| r.attempt(|r| r.string("any").map(|()| Quantifier::Any)),
                    |r| r.string("all").map(|()| Quantifier::All),
                )?;
                r.char(')')?;
                Ok(quantifier)
            })
        })?;
        self.delimiter()?;
        Ok(Operation::Quant(operator, quantifier, value(self)?))
    }

    /// The rest of the text, whatever it is.
    pub fn single_value(&mut self) -> Read<String> {
        Ok(self.take_rest())
    }

    /// A value inside `and(…)`/`or(…)`: quoted, an array, or up to the next comma or parenthesis.
    fn logic_value(&mut self) -> Read<String> {
        self.either(
            |r| {
                r.attempt(|r| {
                    let text = r.quoted()?;
                    r.not_followed_by(|c| !matches!(c, ',' | ')'))?;
                    Ok(text)
                })
            },
            |r| {
                r.either(
                    |r| {
                        r.attempt(|r| {
                            r.string("{")?;
                            let inner = r.many_chars(|r| r.satisfy(|c| !matches!(c, '{' | '}')))?;
                            r.string("}")?;
                            Ok(format!("{{{inner}}}"))
                        })
                    },
                    |r| r.many_chars(|r| r.satisfy(|c| !matches!(c, ',' | ')'))),
                )
            },
        )
    }

    /// `or(a.eq.1,and(b.gt.2,c.is.null))` or one filter.
    pub fn condition(&mut self) -> Read<Condition> {
        self.either(
            |r| {
                r.attempt(|r| {
                    let field = r.field()?;
                    r.delimiter()?;
                    let (negated, operation) = r.operation(Self::logic_value)?;
                    Ok(Condition::Filter(Filter { field, negated, operation }))
                })
            },
            |r| {
                let negated = r.labelled("negation operator (not)", Self::negation)?;
                let all = r.labelled("logic operator (and, or)", |r| {
                    r.either(|r| r.attempt(|r| r.string("and").map(|()| true)), |r| r.string("or").map(|()| false))
                })?;
                r.lexeme(|r| r.char('('))?;
                let of = r.deeper(|r| r.separated(Self::condition, |r| r.lexeme(|r| r.char(',').map(|_| ()))))?;
                r.lexeme(|r| r.char(')'))?;
                Ok(Condition::Logic { negated, all, of })
            },
        )
    }
}
