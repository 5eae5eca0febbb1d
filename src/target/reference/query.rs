//! [`Query`]: a PostgREST request's table and query string, as the Supabase client writes them.

/// What a read, update or delete is about.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) table: &'static str,
    pub(super) pairs: Vec<(String, String)>,
    /// Asks for one object instead of an array; anything but one row is an error (406).
    pub(super) single: bool,
    /// Asks for `count=exact`.
    pub(super) counted: bool,
    /// Asks with HEAD: only the count.
    pub(super) head: bool,
}

impl Query {
    /// Everything of a table.
    pub(super) fn of(table: &'static str) -> Self {
        Self { table, pairs: Vec::new(), single: false, counted: false, head: false }
    }

    fn with(mut self, name: &str, value: String) -> Self {
        self.pairs.push((name.to_owned(), value));
        self
    }

    pub(super) fn select(self, columns: &str) -> Self {
        self.with("select", columns.to_owned())
    }

    pub(super) fn eq(self, column: &str, value: &str) -> Self {
        self.with(column, format!("eq.{value}"))
    }

    pub(super) fn gte(self, column: &str, value: &str) -> Self {
        self.with(column, format!("gte.{value}"))
    }

    pub(super) fn within<'a>(self, column: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        let list: Vec<String> = values.into_iter().map(quoted).collect();
        self.with(column, format!("in.({})", list.join(",")))
    }

    pub(super) fn newest_first(self) -> Self {
        self.with("order", "created_at.desc".to_owned())
    }

    pub(super) fn order(self, order: &str) -> Self {
        self.with("order", order.to_owned())
    }

    pub(super) fn limit(self, rows: u32) -> Self {
        self.with("limit", rows.to_string())
    }

    pub(super) fn single(mut self) -> Self {
        self.single = true;
        self
    }

    pub(super) fn counted(mut self) -> Self {
        self.counted = true;
        self
    }

    pub(super) fn head(mut self) -> Self {
        self.head = true;
        self.counted()
    }
}

/// A list element, in quotes where the grammar needs them.
fn quoted(value: &str) -> String {
    if value.chars().any(|c| ",:()\"\\ ".contains(c)) {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_forms_that_clients_send() {
        let query = Query::of("plan_items").eq("profile_id", "u 1").within("id", ["a", "b,c", "d\"e"]).limit(3);
        let pairs: Vec<String> = query.pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(pairs, ["profile_id=eq.u 1", "id=in.(a,\"b,c\",\"d\\\"e\")", "limit=3"]);
    }
}
