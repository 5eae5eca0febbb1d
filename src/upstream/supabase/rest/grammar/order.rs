//! The grammar of `order`.

use super::ast::{Field, OrderTerm};
use super::reader::{Read, Reader};

impl Reader<'_> {
    /// `created_at.desc.nullslast,author(name).asc`.
    pub fn order(&mut self) -> Read<Vec<OrderTerm>> {
        self.separated(
            |r| r.lexeme(|r| r.either(|r| r.attempt(Self::related_order_term), Self::order_term)),
            |r| r.char(',').map(|_| ()),
        )
    }

    fn related_order_term(&mut self) -> Read<OrderTerm> {
        let relation = self.name()?;
        self.char('(')?;
        let field = self.field()?;
        self.char(')')?;
        self.order_rest(Some(relation), field)
    }

    fn order_term(&mut self) -> Read<OrderTerm> {
        let field = self.field()?;
        self.order_rest(None, field)
    }

    fn order_rest(&mut self, relation: Option<String>, field: Field) -> Read<OrderTerm> {
        let word = |r: &mut Self, word: &str| {
            r.attempt(|r| {
                r.delimiter()?;
                r.string(word)
            })
        };
        let descending =
            self.optional(|r| r.either(|r| word(r, "asc").map(|()| false), |r| word(r, "desc").map(|()| true)))?;
        let nulls_first = self.optional(|r| {
            r.either(|r| word(r, "nullsfirst").map(|()| true), |r| word(r, "nullslast").map(|()| false))
        })?;
        self.either(|r| r.attempt(|r| r.look_ahead(|r| r.char(',').map(|_| ()))), |r| r.attempt(Self::end))?;
        Ok(OrderTerm { relation, field, descending: descending.unwrap_or(false), nulls_first })
    }
}
