//! [`Predicate`]: a condition made ready for the rows of one table, in SQL's three-valued logic.

use super::expression::Expression;
use super::grammar::ast::{Condition, Filter, Is, Operation, QuantOperator, Quantifier, SimpleOperator};
use super::pattern::{self, Like};
use super::{containment, refusals, search};
use crate::upstream::supabase::database::error::SqlError;
use crate::upstream::supabase::database::operand::Operand;
use crate::upstream::supabase::database::schema::TableDef;
use crate::upstream::supabase::database::table::Row;
use crate::upstream::supabase::database::types::ColumnType;
use crate::upstream::supabase::database::value::Value;
use crate::upstream::supabase::errors::PgError;
use regex::Regex;
use std::cell::RefCell;
use std::cmp::Ordering;

/// A condition on a row.
#[derive(Debug)]
pub enum Predicate {
    /// All of them.
    And(Vec<Predicate>),
    /// Any of them.
    Or(Vec<Predicate>),
    /// Not this.
    Not(Box<Predicate>),
    /// One test of one value.
    Test(Box<Expression>, Test),
    /// Whether an embedded relation has rows: `rel=not.is.null`. The number is that of the relation.
    Embedded(usize),
}

/// What a value is held against.
#[derive(Debug)]
pub enum Test {
    /// Compared with one value.
    Compare(Comparison, Operand),
    /// Compared with each of several; `None` among them is null.
    CompareEach(Comparison, Quantifier, Vec<Option<Operand>>),
    /// A pattern of `like`.
    Like(Like),
    /// Several of them.
    LikeEach(Quantifier, Vec<Option<Like>>),
    /// A regular expression.
    Regex(Regex),
    /// Several of them.
    RegexEach(Quantifier, Vec<Option<Regex>>),
    /// `is …`.
    Is(Is),
    /// `is distinct from`.
    Distinct(Operand),
    /// An operator of arrays, ranges or `jsonb`.
    Containment(SimpleOperator, Operand2),
    /// A text search.
    Search(Box<search::Query>),
}

/// The other side of a containment.
#[derive(Debug)]
pub enum Operand2 {
    /// For a column with a type.
    Typed(Value),
    /// For a column without: read for the type that a value has.
    Any(String),
}

/// The orders that pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    less: bool,
    equal: bool,
    greater: bool,
    operator: &'static str,
}

impl Comparison {
    const EQUAL: Self = Self { less: false, equal: true, greater: false, operator: "=" };
    const NOT_EQUAL: Self = Self { less: true, equal: false, greater: true, operator: "<>" };
    const LESS: Self = Self { less: true, equal: false, greater: false, operator: "<" };
    const LESS_EQUAL: Self = Self { less: true, equal: true, greater: false, operator: "<=" };
    const GREATER: Self = Self { less: false, equal: false, greater: true, operator: ">" };
    const GREATER_EQUAL: Self = Self { less: false, equal: true, greater: true, operator: ">=" };

    fn passes(self, order: Ordering) -> bool {
        match order {
            Ordering::Less => self.less,
            Ordering::Equal => self.equal,
            Ordering::Greater => self.greater,
        }
    }

    fn holds(self, operand: &Operand, value: &Value) -> Option<bool> {
        match operand.compare(value) {
            Some(order) => Some(self.passes(order)),
            // What cannot be compared is at least not equal.
            None => (!value.is_null() && self == Self::NOT_EQUAL).then_some(true),
        }
    }
}

/// Where conditions are made ready: a table, what the query calls it, and the relations embedded in it.
pub struct Scope<'a> {
    /// The table.
    pub table: &'a TableDef,
    /// What the query calls it, for messages.
    pub alias: &'a str,
    /// What the embedded relations are called in the answer.
    pub embedded: &'a [String],
    /// What is wrong with the literals.
    pub unreadable: &'a RefCell<Unreadable>,
}

/// The first literal that cannot be read. PostgreSQL reads literals once it has found all names and operators; what
/// patterns and text searches are made of comes last.
#[derive(Debug, Default)]
pub struct Unreadable {
    literal: Option<PgError>,
    pattern: Option<PgError>,
}

impl Unreadable {
    /// Takes an error that is told later; gives back one that is told at once.
    fn defer(&mut self, error: PgError) -> Result<(), PgError> {
        match &*error.code {
            "2201B" | "42601" | "0A000" => drop(self.pattern.get_or_insert(error)),
            code if code.starts_with("22") => drop(self.literal.get_or_insert(error)),
            _ => return Err(error),
        }
        Ok(())
    }

    /// What is to be told, if anything is.
    ///
    /// # Errors
    /// That.
    pub fn told(self) -> Result<(), PgError> {
        self.literal.or(self.pattern).map_or(Ok(()), Err)
    }
}

/// What a condition is an argument of, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clause {
    /// It is the only one.
    Where,
    /// One of several that must hold.
    And,
    /// One of several of which one must hold.
    Or,
    /// It is negated.
    Not,
}

impl Clause {
    fn words(self) -> &'static str {
        match self {
            Self::Where => "WHERE",
            Self::And => "AND",
            Self::Or => "OR",
            Self::Not => "NOT",
        }
    }
}

impl Scope<'_> {
    /// Makes a condition ready.
    ///
    /// # Errors
    /// 42703, 42883 and what a literal is refused with.
    pub fn predicate(&self, condition: &Condition, clause: Clause) -> Result<Predicate, PgError> {
        match condition {
            Condition::Logic { negated, all, of } => {
                let clause = match (of.len(), negated, all) {
                    (1, true, _) => Clause::Not,
                    (1, false, _) => clause,
                    (_, _, true) => Clause::And,
                    (_, _, false) => Clause::Or,
                };
                let of = of.iter().map(|inner| self.predicate(inner, clause)).collect::<Result<_, _>>()?;
                Ok(negate(if *all { Predicate::And(of) } else { Predicate::Or(of) }, *negated))
            }
            Condition::Filter(filter) => {
                let embedded = self.embedded.iter().position(|name| *name == filter.field.name);
                if let (Some(relation), true, Operation::Is(Is::Null)) =
                    (embedded, filter.field.path.is_empty(), &filter.operation)
                {
                    return Ok(negate(Predicate::Embedded(relation), !filter.negated));
                }
                let expression = Expression::new(self.table, self.alias, &filter.field)?;
                let clause = if filter.negated { Clause::Not } else { clause };
                let test = match test(filter, expression.kind(), clause) {
                    Ok(test) => test,
                    Err(error) => {
                        self.unreadable.borrow_mut().defer(error)?;
                        Test::Is(Is::Null)
                    }
                };
                Ok(negate(Predicate::Test(Box::new(expression), test), filter.negated))
            }
        }
    }
}

fn negate(predicate: Predicate, negated: bool) -> Predicate {
    if negated { Predicate::Not(Box::new(predicate)) } else { predicate }
}

/// The type that a literal beside a value of this type is read as: the same, without what bounds it.
fn literal_kind(kind: &ColumnType) -> ColumnType {
    match kind {
        ColumnType::Varchar(_) => ColumnType::Text,
        ColumnType::Numeric(_) => ColumnType::Numeric(None),
        ColumnType::TimestampTz(_) => ColumnType::TimestampTz(6),
        ColumnType::Timestamp(_) => ColumnType::Timestamp(6),
        ColumnType::Time(_) => ColumnType::Time(6),
        ColumnType::Vector(_) => ColumnType::Vector(None),
        ColumnType::Array(element) => ColumnType::Array(Box::new(literal_kind(element))),
        other => other.clone(),
    }
}

fn operand(kind: &ColumnType, text: &str) -> Result<Operand, PgError> {
    if let ColumnType::Char(_) = kind {
        // Compared without the spaces at its end, however long it is.
        return Ok(Operand::Typed(Value::Char(text.into())));
    }
    Operand::new(&literal_kind(kind), text).map_err(refusals::sql)
}

/// The elements of an array literal, each as a literal; `None` is null.
fn operands(kind: &ColumnType, text: &str) -> Result<Vec<Option<Operand>>, PgError> {
    if let ColumnType::Array(_) = kind {
        return Err(no_array_of(kind));
    }
    let element = match kind {
        ColumnType::Any | ColumnType::Char(_) => ColumnType::Text,
        kind => literal_kind(kind),
    };
    let array = ColumnType::Array(Box::new(element)).parse(text).map_err(refusals::sql)?;
    let Value::Array(array) = array else { return Ok(Vec::new()) };
    let one = |value: Value| match (kind, &value) {
        (_, Value::Null) => Ok(None),
        (ColumnType::Any | ColumnType::Char(_), _) => operand(kind, value.as_str().unwrap_or_default()).map(Some),
        _ => Ok(Some(Operand::Typed(value))),
    };
    array.elements.into_iter().map(one).collect()
}

fn texts(text: &str) -> Result<Vec<Option<String>>, PgError> {
    let array = ColumnType::Array(Box::new(ColumnType::Text)).parse(text).map_err(refusals::sql)?;
    let Value::Array(array) = array else { return Ok(Vec::new()) };
    Ok(array.elements.iter().map(|value| value.as_str().map(str::to_owned)).collect())
}

fn no_array_of(kind: &ColumnType) -> PgError {
    refusals::sql(SqlError::new("42704", format!("could not find array type for data type {}", kind.name())))
}

fn test(filter: &Filter, kind: &ColumnType, clause: Clause) -> Result<Test, PgError> {
    match &filter.operation {
        Operation::Simple(SimpleOperator::NotEqual, text) => {
            comparable(kind, Comparison::NOT_EQUAL)?;
            Ok(Test::Compare(Comparison::NOT_EQUAL, operand(kind, text)?))
        }
        Operation::Simple(operator, text) => containment_test(*operator, text, kind, clause),
        Operation::Quant(operator, quantifier, text) => quantified_test(*operator, *quantifier, text, kind),
        Operation::In(texts) => {
            comparable(kind, Comparison::EQUAL)?;
            if let ColumnType::Array(_) = kind {
                return Err(no_array_of(kind));
            }
            // `in.()` is read as one empty text, and means nothing at all.
            if let [only] = texts.as_slice()
                && only.is_empty()
            {
                return Ok(Test::CompareEach(Comparison::EQUAL, Quantifier::Any, Vec::new()));
            }
            let operands = texts.iter().map(|text| operand(kind, text).map(Some)).collect::<Result<_, _>>()?;
            Ok(Test::CompareEach(Comparison::EQUAL, Quantifier::Any, operands))
        }
        Operation::Is(is) => {
            let boolean = matches!(kind, ColumnType::Bool | ColumnType::Any);
            let word = match is {
                Is::True => "TRUE",
                Is::False => "FALSE",
                Is::Unknown => "UNKNOWN",
                Is::Null | Is::NotNull => return Ok(Test::Is(*is)),
            };
            if boolean {
                return Ok(Test::Is(*is));
            }
            let message = format!("argument of IS {word} must be type boolean, not type {}", kind.name());
            Err(refusals::sql(SqlError::new("42804", message)))
        }
        Operation::IsDistinct(text) => {
            comparable(kind, Comparison::EQUAL)?;
            Ok(Test::Distinct(operand(kind, text)?))
        }
        Operation::Search(how, config, text) => {
            let searchable =
                matches!(kind, ColumnType::Any | ColumnType::TsVector | ColumnType::Json | ColumnType::Jsonb)
                    || kind.is_text();
            if !searchable {
                return Err(match config {
                    None => refusals::no_function("to_tsvector", &kind.name()),
                    Some(_) => refusals::no_function("to_tsvector", &format!("unknown, {}", kind.name())),
                });
            }
            let query = search::Query::new(*how, config.as_deref(), text).map_err(refusals::sql)?;
            Ok(Test::Search(Box::new(query)))
        }
    }
}

fn comparable(kind: &ColumnType, comparison: Comparison) -> Result<(), PgError> {
    if *kind == ColumnType::Json { Err(refusals::no_operator("json", comparison.operator)) } else { Ok(()) }
}

fn quantified_test(
    operator: QuantOperator,
    quantifier: Option<Quantifier>,
    text: &str,
    kind: &ColumnType,
) -> Result<Test, PgError> {
    let comparison = match operator {
        QuantOperator::Equal => Comparison::EQUAL,
        QuantOperator::Greater => Comparison::GREATER,
        QuantOperator::GreaterEqual => Comparison::GREATER_EQUAL,
        QuantOperator::Less => Comparison::LESS,
        QuantOperator::LessEqual => Comparison::LESS_EQUAL,
        _ => return pattern_test(operator, quantifier, text, kind),
    };
    comparable(kind, comparison)?;
    Ok(match quantifier {
        None => Test::Compare(comparison, operand(kind, text)?),
        Some(quantifier) => Test::CompareEach(comparison, quantifier, operands(kind, text)?),
    })
}

fn pattern_test(
    operator: QuantOperator,
    quantifier: Option<Quantifier>,
    text: &str,
    kind: &ColumnType,
) -> Result<Test, PgError> {
    let (symbol, ignores_case) = match operator {
        QuantOperator::Like => ("~~", false),
        QuantOperator::ILike => ("~~*", true),
        QuantOperator::Match => ("~", false),
        _ => ("~*", true),
    };
    if !kind.is_text() && !matches!(kind, ColumnType::Any | ColumnType::Other(_)) {
        return Err(refusals::no_operator(&kind.name(), symbol));
    }
    let ignores_case = ignores_case || *kind == ColumnType::Citext;
    let like = matches!(operator, QuantOperator::Like | QuantOperator::ILike);
    let expression = |text: &str| pattern::regex(text, ignores_case).map_err(refusals::sql);
    Ok(match (like, quantifier) {
        (true, None) => Test::Like(Like::new(text, ignores_case)),
        (false, None) => Test::Regex(expression(text)?),
        (true, Some(quantifier)) => {
            // The stars of the whole literal are replaced before it is taken apart.
            let all = texts(&text.replace('*', "%"))?;
            let all = all.into_iter().map(|text| text.map(|text| Like::new(&text, ignores_case))).collect();
            Test::LikeEach(quantifier, all)
        }
        (false, Some(quantifier)) => {
            let all = texts(text)?.into_iter().map(|text| text.map(|text| expression(&text)).transpose());
            Test::RegexEach(quantifier, all.collect::<Result<_, _>>()?)
        }
    })
}

fn containment_test(operator: SimpleOperator, text: &str, kind: &ColumnType, clause: Clause) -> Result<Test, PgError> {
    use SimpleOperator::{
        Adjacent, ContainedIn, Contains, NotLeftOf, NotRightOf, Overlaps, StrictlyLeft, StrictlyRight,
    };
    let symbol = match operator {
        Contains => "@>",
        ContainedIn => "<@",
        Overlaps => "&&",
        StrictlyLeft => "<<",
        StrictlyRight => ">>",
        NotRightOf => "&<",
        NotLeftOf => "&>",
        Adjacent => "-|-",
        SimpleOperator::NotEqual => "<>",
    };
    let exists = match kind {
        ColumnType::Any | ColumnType::Range(_) => true,
        ColumnType::Array(_) => matches!(operator, Contains | ContainedIn | Overlaps),
        ColumnType::Jsonb => matches!(operator, Contains | ContainedIn),
        ColumnType::Int2 | ColumnType::Int4 | ColumnType::Int8 if matches!(operator, StrictlyLeft | StrictlyRight) => {
            // There it shifts bits, and a number is no condition.
            let clause = clause.words();
            let message = format!("argument of {clause} must be type boolean, not type {}", kind.name());
            return Err(refusals::sql(SqlError::new("42804", message)));
        }
        _ => false,
    };
    if !exists {
        let kind = kind.name();
        // Anything may be in a range or a multirange, so that there are several such operators.
        return Err(if operator == ContainedIn {
            refusals::ambiguous_operator(&kind, symbol)
        } else {
            refusals::no_operator(&kind, symbol)
        });
    }
    let operand = match kind {
        ColumnType::Any => Operand2::Any(text.to_owned()),
        kind => Operand2::Typed(literal_kind(kind).parse(text).map_err(refusals::sql)?),
    };
    Ok(Test::Containment(operator, operand))
}

impl Predicate {
    /// Whether it holds for a row; `None` is unknown, which does not select the row. `embedded` tells whether a
    /// relation has rows.
    ///
    /// # Errors
    /// What PostgreSQL only finds while it runs (22025).
    pub fn holds(&self, row: &Row, embedded: &dyn Fn(usize) -> Result<bool, PgError>) -> Result<Option<bool>, PgError> {
        match self {
            Self::And(all) => {
                let mut result = Some(true);
                for one in all {
                    match one.holds(row, embedded)? {
                        Some(false) => return Ok(Some(false)),
                        None => result = None,
                        Some(true) => {}
                    }
                }
                Ok(result)
            }
            Self::Or(all) => {
                let mut result = Some(false);
                for one in all {
                    match one.holds(row, embedded)? {
                        Some(true) => return Ok(Some(true)),
                        None => result = None,
                        Some(false) => {}
                    }
                }
                Ok(result)
            }
            Self::Not(one) => Ok(one.holds(row, embedded)?.map(|holds| !holds)),
            Self::Embedded(relation) => embedded(*relation).map(Some),
            Self::Test(expression, test) => test.holds(&expression.value(row)),
        }
    }

    /// What must hold for it to hold.
    fn flattened(self, out: &mut Vec<Predicate>) {
        match self {
            Self::And(all) => all.into_iter().for_each(|one| one.flattened(out)),
            Self::Or(mut all) if all.len() == 1 => {
                if let Some(one) = all.pop() {
                    one.flattened(out);
                }
            }
            other => out.push(other),
        }
    }

    /// Conditions that must all hold, the cheapest first, as PostgreSQL asks them.
    pub fn in_order(all: Vec<Self>) -> Vec<Self> {
        let mut flat = Vec::with_capacity(all.len());
        all.into_iter().for_each(|one| one.flattened(&mut flat));
        flat.sort_by_key(Self::cost);
        flat
    }

    /// What it costs to ask, in halves of what PostgreSQL's planner counts for an operator: it asks the cheaper of
    /// several questions first, which shows where one of them fails.
    fn cost(&self) -> usize {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().map(Self::cost).sum(),
            Self::Not(one) => one.cost(),
            Self::Embedded(_) => 0,
            Self::Test(expression, test) => {
                expression.cost()
                    + match test {
                        Test::Is(_) => 0,
                        Test::Compare(..) | Test::Distinct(_) | Test::Containment(..) => 2,
                        Test::Like(_) | Test::Regex(_) => 2,
                        // Each element counts half.
                        Test::CompareEach(_, _, all) => all.len(),
                        Test::LikeEach(_, all) => all.len(),
                        Test::RegexEach(_, all) => all.len(),
                        Test::Search(_) => 202,
                    }
            }
        }
    }

    /// The column that must have one of some values, as keys of an index.
    pub fn equalities(&self) -> Option<(usize, Vec<u64>)> {
        let Self::Test(expression, test) = self else { return None };
        let place = expression.plain()?;
        match test {
            Test::Compare(comparison, operand) if *comparison == Comparison::EQUAL => Some((place, operand.keys())),
            Test::CompareEach(comparison, Quantifier::Any, operands) if *comparison == Comparison::EQUAL => {
                Some((place, operands.iter().flatten().flat_map(Operand::keys).collect()))
            }
            _ => None,
        }
    }

    /// The column that must have one of some values.
    pub fn equality(&self) -> Option<usize> {
        let Self::Test(expression, test) = self else { return None };
        match test {
            Test::Compare(comparison, _) | Test::CompareEach(comparison, Quantifier::Any, _)
                if *comparison == Comparison::EQUAL =>
            {
                expression.plain()
            }
            _ => None,
        }
    }
}

/// `value op ANY(…)` and `value op ALL(…)`.
fn each<T>(
    quantifier: Quantifier,
    all: &[Option<T>],
    holds: impl Fn(&T) -> Result<Option<bool>, PgError>,
) -> Result<Option<bool>, PgError> {
    let decisive = quantifier == Quantifier::Any;
    let mut result = Some(!decisive);
    for one in all {
        match one.as_ref().map_or(Ok(None), &holds)? {
            Some(held) if held == decisive => return Ok(Some(decisive)),
            Some(_) => {}
            None => result = None,
        }
    }
    Ok(result)
}

impl Test {
    fn holds(&self, value: &Value) -> Result<Option<bool>, PgError> {
        match self {
            Self::Is(is) => {
                return Ok(Some(match is {
                    Is::Null | Is::Unknown => value.is_null(),
                    Is::NotNull => !value.is_null(),
                    Is::True => matches!(value, Value::Bool(true)),
                    Is::False => matches!(value, Value::Bool(false)),
                }));
            }
            Self::Distinct(operand) => return Ok(Some(operand.compare(value) != Some(Ordering::Equal))),
            // Of an empty list even a null knows whether it is in it.
            Self::CompareEach(comparison, quantifier, operands) => {
                return each(*quantifier, operands, |operand| Ok(comparison.holds(operand, value)));
            }
            _ if value.is_null() => return self.of_null(),
            _ => {}
        }
        let like = |like: &Like| Ok(Some(with_text(value, |text| like.matches(text)).map_err(refusals::sql)?));
        let regex = |regex: &Regex| Ok(Some(with_text(value, |text| regex.is_match(text))));
        match self {
            Self::Compare(comparison, operand) => Ok(comparison.holds(operand, value)),
            Self::Like(one) => like(one),
            Self::LikeEach(quantifier, all) => each(*quantifier, all, like),
            Self::Regex(one) => regex(one),
            Self::RegexEach(quantifier, all) => each(*quantifier, all, regex),
            Self::Containment(operator, Operand2::Typed(other)) => Ok(containment::holds(*operator, value, other)),
            Self::Containment(operator, Operand2::Any(text)) => Ok(any_containment(*operator, value, text)),
            Self::Search(query) => Ok(Some(query.matches(value))),
            Self::Is(_) | Self::Distinct(_) | Self::CompareEach(..) => Ok(None),
        }
    }

    fn of_null(&self) -> Result<Option<bool>, PgError> {
        match self {
            Self::LikeEach(quantifier, all) => each(*quantifier, all, |_| Ok(None)),
            Self::RegexEach(quantifier, all) => each(*quantifier, all, |_| Ok(None)),
            _ => Ok(None),
        }
    }
}

fn with_text<T>(value: &Value, test: impl FnOnce(&str) -> T) -> T {
    match value {
        // `bpchar` is matched with the spaces that fill it.
        Value::Text(text) | Value::Citext(text) | Value::Char(text) => test(text),
        other => test(&other.to_text().unwrap_or_default()),
    }
}

/// Containment in a column whose type nobody declared: the literal is read for what the value is.
fn any_containment(operator: SimpleOperator, value: &Value, text: &str) -> Option<bool> {
    match value {
        Value::Jsonb(json) | Value::Json(json) => {
            let own = Value::Jsonb(json.clone());
            if let Ok(other) = ColumnType::Jsonb.parse(text) {
                return containment::holds(operator, &own, &other);
            }
            // A JSON array stands for whatever array the real column has.
            let other = ColumnType::Array(Box::new(ColumnType::Text)).parse(text).ok()?;
            let mut elements = Vec::new();
            super::scan::elements(json.trim(), &mut |piece| {
                elements.push(super::scan::as_text(piece).map_or(Value::Null, |text| Value::Text(text.into())));
                Some(())
            })?;
            let dimensions = if elements.is_empty() { Vec::new() } else { vec![elements.len()] };
            let own = crate::upstream::supabase::database::value::Array { dimensions, elements };
            containment::holds(operator, &Value::Array(Box::new(own)), &other)
        }
        Value::Range(range) => {
            let other = ColumnType::Range(range.kind).parse(text).ok()?;
            containment::holds(operator, value, &other)
        }
        _ => None,
    }
}
