//! Which tables belong together: HolisticOS's foreign keys, and the usual naming rule for others.

/// How the rows of a related table are found from a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Whether there is at most one.
    pub to_one: bool,
    /// The column of the row.
    pub own: String,
    /// The column of the related table that must be equal.
    pub other: String,
}

/// Foreign keys: table, column, and the table whose `id` it holds (observed on HolisticOS).
const FOREIGN_KEYS: [(&str, &str, &str); 7] = [
    ("time_blocks", "analysis_result_id", "holistic_analysis_results"),
    ("plan_items", "analysis_result_id", "holistic_analysis_results"),
    ("plan_items", "time_block_id", "time_blocks"),
    ("task_checkins", "plan_item_id", "plan_items"),
    ("task_checkins", "analysis_result_id", "holistic_analysis_results"),
    ("calendar_selections", "plan_item_id", "plan_items"),
    ("calendar_selections", "analysis_result_id", "holistic_analysis_results"),
];

/// How `related` hangs together with `table`. `has_column(table, column)` says what the store has seen.
pub fn find(
    table: &str,
    related: &str,
    hint: Option<&str>,
    has_column: &dyn Fn(&str, &str) -> bool,
) -> Option<Relation> {
    let meant = |column: &str| hint.is_none_or(|hint| hint.contains(column));
    let known = FOREIGN_KEYS.iter().filter(|(_, column, _)| meant(column)).find_map(|(child, column, parent)| {
        if *child == table && *parent == related {
            Some(to_one(column))
        } else if *child == related && *parent == table {
            Some(to_many(column))
        } else {
            None
        }
    });
    known.or_else(|| {
        let (up, down) = (key_to(related), key_to(table));
        if has_column(table, &up) {
            Some(to_one(&up))
        } else if has_column(related, &down) {
            Some(to_many(&down))
        } else {
            None
        }
    })
}

fn to_one(column: &str) -> Relation {
    Relation { to_one: true, own: column.to_owned(), other: "id".to_owned() }
}

fn to_many(column: &str) -> Relation {
    Relation { to_one: false, own: "id".to_owned(), other: column.to_owned() }
}

/// The column that usually points to a table: `comments` → `comment_id`.
fn key_to(table: &str) -> String {
    format!("{}_id", table.strip_suffix('s').unwrap_or(table))
}
