//! Which operators there are between a value of a type and a literal, and how a literal is read for them.

use super::grammar::ast::{Filter, Is, Operation, QuantOperator, Quantifier, SimpleOperator};
use super::pattern::{self, Like};
use super::test::{Comparison, Contained, Test};
use super::{refusals, search};
use crate::upstream::supabase::database::error::SqlError;
use crate::upstream::supabase::database::operand::Operand;
use crate::upstream::supabase::database::types::ColumnType;
use crate::upstream::supabase::database::value::Value;
use crate::upstream::supabase::errors::PgError;

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

/// Makes the test of a filter ready, for values of a type.
///
/// # Errors
/// 42883, 42725, 42704 and 42804 for what a type does not know, and what a literal is refused with.
pub fn test(filter: &Filter, kind: &ColumnType, clause: Clause) -> Result<Test, PgError> {
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
        ColumnType::Any => Contained::Any(text.to_owned()),
        kind => Contained::Typed(literal_kind(kind).parse(text).map_err(refusals::sql)?),
    };
    Ok(Test::Containment(operator, operand))
}
