//! From SQL's expressions to [`Expr`]: names become places, untyped literals get the type of what they are held
//! against. What is not known here is said, never guessed.

use super::expression::{Expr, Function, Operator};
use super::schema::TableDef;
use super::types::ColumnType;
use super::value::Value;
use regex::RegexBuilder;
use sqlparser::ast::{self, BinaryOperator, FunctionArg, FunctionArgExpr, FunctionArguments, InTarget, UnaryOperator};
use std::cmp::Ordering::{self, Equal, Greater, Less};

/// How deep expressions may nest.
const DEEPEST: usize = 128;

/// Finds the types that a schema declares.
pub trait Types {
    /// The type of this name, as SQL writes it.
    fn find(&self, written: &ast::DataType) -> Option<ColumnType>;
}

/// Turns the expressions of one table into ones that can be evaluated.
pub struct Compiler<'a> {
    /// The table whose columns are meant.
    pub table: Option<&'a TableDef>,
    /// The types that exist.
    pub types: &'a dyn Types,
}

/// An expression and its type; `None` is a literal that takes any.
struct Typed {
    expr: Expr,
    kind: Option<ColumnType>,
}

type Compiled = Result<Typed, String>;

impl Compiler<'_> {
    /// An expression that gives a truth value.
    ///
    /// # Errors
    /// What is not known here.
    pub fn condition(&self, written: &ast::Expr) -> Result<Expr, String> {
        let typed = self.expr(written, 0)?;
        match typed.kind {
            Some(ColumnType::Bool) => Ok(typed.expr),
            _ => coerced(typed, &ColumnType::Bool),
        }
    }

    /// An expression that gives a value for a column of this type.
    ///
    /// # Errors
    /// What is not known here.
    pub fn value(&self, written: &ast::Expr, kind: &ColumnType) -> Result<Expr, String> {
        let typed = self.expr(written, 0)?;
        match &typed.kind {
            Some(own) if own == kind => Ok(typed.expr),
            None => coerced(typed, kind),
            Some(_) => Ok(Expr::Cast(Box::new(typed.expr), kind.clone())),
        }
    }

    fn expr(&self, written: &ast::Expr, depth: usize) -> Compiled {
        if depth > DEEPEST {
            return Err("it nests too deep".to_owned());
        }
        let inner = |written: &ast::Expr| self.expr(written, depth + 1);
        let truth = |expr: Expr| Ok(Typed { expr, kind: Some(ColumnType::Bool) });
        let negated = |expr: Expr, negated: bool| if negated { Expr::Not(Box::new(expr)) } else { expr };
        match written {
            ast::Expr::Nested(written) => inner(written),
            ast::Expr::Collate { expr, .. } => inner(expr),
            ast::Expr::Identifier(name) if name.quote_style.is_none() => self.word(&name.value),
            ast::Expr::Identifier(name) => self.column(&name.value),
            ast::Expr::CompoundIdentifier(names) => {
                let name = names.last().ok_or("a name is missing")?;
                let folded = if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() };
                self.column(&folded)
            }
            ast::Expr::Value(value) => literal(&value.value),
            ast::Expr::TypedString(typed) => {
                let literal = literal(&typed.value.value)?;
                let kind = self.kind(&typed.data_type)?;
                Ok(Typed { expr: coerced(literal, &kind)?, kind: Some(kind) })
            }
            ast::Expr::Interval(interval) => {
                let mut literal = literal_text(&interval.value).ok_or("an interval that is no literal")?;
                if let Some(unit) = &interval.leading_field {
                    literal = format!("{literal} {unit}");
                }
                let value = ColumnType::Interval.parse(&literal).map_err(|error| error.message)?;
                Ok(Typed { expr: Expr::Constant(value), kind: Some(ColumnType::Interval) })
            }
            ast::Expr::Cast { expr, data_type, .. } => {
                let typed = inner(expr)?;
                if matches!(data_type, ast::DataType::Regclass) {
                    return Ok(typed);
                }
                let kind = self.kind(data_type)?;
                let expr = match typed.kind {
                    None => coerced(typed, &kind)?,
                    Some(own) if own == kind => typed.expr,
                    Some(_) => Expr::Cast(Box::new(typed.expr), kind.clone()),
                };
                Ok(Typed { expr, kind: Some(kind) })
            }
            ast::Expr::IsNull(written) => truth(Expr::IsNull(Box::new(inner(written)?.expr))),
            ast::Expr::IsNotNull(written) => truth(negated(Expr::IsNull(Box::new(inner(written)?.expr)), true)),
            ast::Expr::IsUnknown(written) => truth(Expr::IsNull(Box::new(inner(written)?.expr))),
            ast::Expr::IsTrue(written) => truth(Expr::IsBool(Box::new(inner(written)?.expr), true)),
            ast::Expr::IsFalse(written) => truth(Expr::IsBool(Box::new(inner(written)?.expr), false)),
            ast::Expr::IsNotTrue(written) => truth(negated(Expr::IsBool(Box::new(inner(written)?.expr), true), true)),
            ast::Expr::IsNotFalse(written) => truth(negated(Expr::IsBool(Box::new(inner(written)?.expr), false), true)),
            ast::Expr::IsDistinctFrom(left, right) | ast::Expr::IsNotDistinctFrom(left, right) => {
                let (left, right, _) = same_type(inner(left)?, inner(right)?)?;
                let distinct = matches!(written, ast::Expr::IsDistinctFrom(..));
                truth(negated(Expr::IsSame(Box::new(left), Box::new(right)), distinct))
            }
            ast::Expr::In { expr, target: InTarget::List(list), negated: is_negated, .. } => {
                let left = inner(expr)?;
                let kind = left.kind.clone();
                let list = list
                    .iter()
                    .map(|written| {
                        let item = inner(written)?;
                        match (&item.kind, &kind) {
                            (None, Some(kind)) => coerced(item, kind),
                            (None, None) => coerced(item, &ColumnType::Text),
                            _ => Ok(item.expr),
                        }
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                let left = if left.kind.is_none() { coerced(left, &ColumnType::Text)? } else { left.expr };
                truth(negated(Expr::In(Box::new(left), list), *is_negated))
            }
            ast::Expr::Between { expr, negated: is_negated, low, high } => {
                let (left, low, _) = same_type(inner(expr)?, inner(low)?)?;
                let (again, high, _) = same_type(inner(expr)?, inner(high)?)?;
                let both = vec![
                    Expr::Compare(&[Greater, Equal], Box::new(left), Box::new(low)),
                    Expr::Compare(&[Less, Equal], Box::new(again), Box::new(high)),
                ];
                truth(negated(Expr::And(both), *is_negated))
            }
            ast::Expr::Like { negated: is_negated, any: false, expr, pattern, escape_char: None } => {
                let (left, pattern) = (text(inner(expr)?)?, text(inner(pattern)?)?);
                truth(negated(Expr::Like(Box::new(left), Box::new(pattern), false), *is_negated))
            }
            ast::Expr::ILike { negated: is_negated, any: false, expr, pattern, escape_char: None } => {
                let (left, pattern) = (text(inner(expr)?)?, text(inner(pattern)?)?);
                truth(negated(Expr::Like(Box::new(left), Box::new(pattern), true), *is_negated))
            }
            ast::Expr::AnyOp { left, compare_op, right, .. } => {
                self.quantified(inner(left)?, compare_op, inner(right)?, false)
            }
            ast::Expr::AllOp { left, compare_op, right } => {
                self.quantified(inner(left)?, compare_op, inner(right)?, true)
            }
            ast::Expr::UnaryOp { op, expr } => {
                let typed = inner(expr)?;
                match op {
                    UnaryOperator::Not => truth(Expr::Not(Box::new(coerced(typed, &ColumnType::Bool)?))),
                    UnaryOperator::Plus => Ok(typed),
                    UnaryOperator::Minus => {
                        let kind = typed.kind.clone().ok_or("`-` before a text")?;
                        let zero = Expr::Constant(Value::Int(0));
                        let expr = match typed.expr {
                            Expr::Constant(Value::Int(number)) => Expr::Constant(Value::Int(-number)),
                            other => Expr::Arithmetic(Operator::Minus, Box::new(zero), Box::new(other)),
                        };
                        Ok(Typed { expr, kind: Some(kind) })
                    }
                    other => Err(format!("the operator `{other}`")),
                }
            }
            ast::Expr::BinaryOp { left, op, right } => self.binary(inner(left)?, op, inner(right)?),
            ast::Expr::Array(array) => {
                let mut items = array.elem.iter().map(inner).collect::<Result<Vec<_>, _>>()?;
                let kind = items.iter().find_map(|item| item.kind.clone()).unwrap_or(ColumnType::Text);
                let items = items.drain(..).map(|item| coerced(item, &kind)).collect::<Result<Vec<_>, _>>()?;
                Ok(Typed { expr: Expr::Array(items), kind: Some(ColumnType::Array(Box::new(kind))) })
            }
            ast::Expr::Case { operand, conditions, else_result, .. } => {
                let mut kind = None;
                let mut results = Vec::new();
                for case in conditions {
                    let condition = match operand {
                        None => coerced(inner(&case.condition)?, &ColumnType::Bool)?,
                        Some(operand) => {
                            let (left, right, _) = same_type(inner(operand)?, inner(&case.condition)?)?;
                            Expr::Compare(&[Equal], Box::new(left), Box::new(right))
                        }
                    };
                    let result = inner(&case.result)?;
                    kind = kind.or_else(|| result.kind.clone());
                    results.push((condition, result));
                }
                let otherwise = match else_result {
                    Some(written) => inner(written)?,
                    None => Typed { expr: Expr::Constant(Value::Null), kind: None },
                };
                let kind = kind.or_else(|| otherwise.kind.clone()).unwrap_or(ColumnType::Text);
                let results = results
                    .into_iter()
                    .map(|(condition, result)| Ok((condition, coerced(result, &kind)?)))
                    .collect::<Result<Vec<_>, String>>()?;
                let otherwise = coerced(otherwise, &kind)?;
                Ok(Typed { expr: Expr::Case(results, Box::new(otherwise)), kind: Some(kind) })
            }
            ast::Expr::Function(function) => self.function(function, depth),
            ast::Expr::Ceil { expr, field: ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) } => {
                self.call(Function::Ceil, vec![inner(expr)?])
            }
            ast::Expr::Floor { expr, field: ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) } => {
                self.call(Function::Floor, vec![inner(expr)?])
            }
            ast::Expr::Trim { trim_where, trim_what, expr, trim_characters: None } => {
                let function = match trim_where {
                    Some(ast::TrimWhereField::Leading) => Function::LeftTrim,
                    Some(ast::TrimWhereField::Trailing) => Function::RightTrim,
                    _ => Function::Trim,
                };
                let mut arguments = vec![inner(expr)?];
                if let Some(what) = trim_what {
                    arguments.push(inner(what)?);
                }
                self.call(function, arguments)
            }
            ast::Expr::AtTimeZone { timestamp, time_zone } => {
                self.call(Function::Timezone, vec![inner(time_zone)?, inner(timestamp)?])
            }
            // `(select auth.uid())`, which Supabase recommends in policies.
            ast::Expr::Subquery(query) => {
                let ast::SetExpr::Select(select) = &*query.body else { return Err("a subquery".to_owned()) };
                match select.projection.as_slice() {
                    [ast::SelectItem::UnnamedExpr(written) | ast::SelectItem::ExprWithAlias { expr: written, .. }]
                        if select.from.is_empty() && select.selection.is_none() =>
                    {
                        inner(written)
                    }
                    _ => Err("a subquery".to_owned()),
                }
            }
            other => {
                let shown: String = other.to_string().chars().take(60).collect();
                Err(format!("`{shown}`"))
            }
        }
    }

    fn kind(&self, written: &ast::DataType) -> Result<ColumnType, String> {
        self.types.find(written).ok_or_else(|| format!("the type `{written}`"))
    }

    fn word(&self, word: &str) -> Compiled {
        match word.to_ascii_lowercase().as_str() {
            "current_user" | "session_user" | "user" => self.call(Function::AuthRole, Vec::new()),
            folded => self.column(folded),
        }
    }

    fn column(&self, name: &str) -> Compiled {
        let table = self.table.ok_or_else(|| format!("the column `{name}` in a default"))?;
        let place = table.place(name).ok_or_else(|| format!("the column `{name}`, which does not exist"))?;
        let kind = table.column_at(place).map(|column| column.kind.clone());
        Ok(Typed { expr: Expr::Column(place), kind })
    }

    fn quantified(&self, left: Typed, op: &BinaryOperator, right: Typed, all: bool) -> Compiled {
        let passing = passing(op).ok_or_else(|| format!("`{op}` with ANY"))?;
        let (left, right) = match (&left.kind, &right.kind) {
            (Some(kind), None) => {
                let array = ColumnType::Array(Box::new(kind.clone()));
                (left.expr, coerced(right, &array)?)
            }
            (None, Some(ColumnType::Array(element))) => {
                let element = (**element).clone();
                (coerced(left, &element)?, right.expr)
            }
            (Some(kind), Some(ColumnType::Array(element))) => {
                // `status = ANY (ARRAY['a'::text])` with an enumeration or varchar on the left, as pg_dump writes it.
                let right = if kind.is_text() == element.is_text() || kind.is_number() {
                    right.expr
                } else {
                    Expr::Cast(Box::new(right.expr), ColumnType::Array(Box::new(kind.clone())))
                };
                (left.expr, right)
            }
            _ => return Err("ANY of what is no array".to_owned()),
        };
        let expr = Expr::Quantified { passing, left: Box::new(left), array: Box::new(right), all };
        Ok(Typed { expr, kind: Some(ColumnType::Bool) })
    }

    fn binary(&self, left: Typed, op: &BinaryOperator, right: Typed) -> Compiled {
        let truth = |expr: Expr| Ok(Typed { expr, kind: Some(ColumnType::Bool) });
        let not = |expr: Expr| Expr::Not(Box::new(expr));
        if let Some(passing) = passing(op) {
            let (left, right, _) = same_type(left, right)?;
            return truth(Expr::Compare(passing, Box::new(left), Box::new(right)));
        }
        match op {
            BinaryOperator::And | BinaryOperator::Or => {
                let is_and = matches!(op, BinaryOperator::And);
                let mut parts = Vec::new();
                for side in [left, right] {
                    match (coerced(side, &ColumnType::Bool)?, is_and) {
                        (Expr::And(inner), true) | (Expr::Or(inner), false) => parts.extend(inner),
                        (other, _) => parts.push(other),
                    }
                }
                truth(if is_and { Expr::And(parts) } else { Expr::Or(parts) })
            }
            BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo => self.arithmetic(left, op, right),
            BinaryOperator::StringConcat => match (&left.kind, &right.kind) {
                (Some(ColumnType::Array(_) | ColumnType::Jsonb | ColumnType::TsVector), _)
                | (_, Some(ColumnType::Array(_) | ColumnType::Jsonb | ColumnType::TsVector)) => {
                    Err("`||` of what is no text".to_owned())
                }
                _ => {
                    let side = |typed: Typed| if typed.kind.is_none() { text(typed) } else { Ok(typed.expr) };
                    let expr = Expr::Concat(Box::new(side(left)?), Box::new(side(right)?));
                    Ok(Typed { expr, kind: Some(ColumnType::Text) })
                }
            },
            BinaryOperator::Arrow | BinaryOperator::LongArrow => {
                let as_text = matches!(op, BinaryOperator::LongArrow);
                if !matches!(left.kind, Some(ColumnType::Json | ColumnType::Jsonb)) {
                    return Err(format!("`{op}` on what is no JSON"));
                }
                let key = if right.kind.is_none() { text(right)? } else { right.expr };
                let kind = if as_text { ColumnType::Text } else { ColumnType::Jsonb };
                Ok(Typed { expr: Expr::Inside(Box::new(left.expr), Box::new(key), as_text), kind: Some(kind) })
            }
            BinaryOperator::PGLikeMatch | BinaryOperator::PGNotLikeMatch => {
                let like = Expr::Like(Box::new(text(left)?), Box::new(text(right)?), false);
                truth(if matches!(op, BinaryOperator::PGLikeMatch) { like } else { not(like) })
            }
            BinaryOperator::PGILikeMatch | BinaryOperator::PGNotILikeMatch => {
                let like = Expr::Like(Box::new(text(left)?), Box::new(text(right)?), true);
                truth(if matches!(op, BinaryOperator::PGILikeMatch) { like } else { not(like) })
            }
            BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexNotIMatch => {
                let without_case = matches!(op, BinaryOperator::PGRegexIMatch | BinaryOperator::PGRegexNotIMatch);
                let negative = matches!(op, BinaryOperator::PGRegexNotMatch | BinaryOperator::PGRegexNotIMatch);
                let Expr::Constant(Value::Text(pattern)) = text(right)? else {
                    return Err("a pattern that is no literal".to_owned());
                };
                let regex = RegexBuilder::new(&pattern).case_insensitive(without_case).size_limit(1 << 20).build();
                let regex = regex.map_err(|_| format!("the pattern `{pattern}`"))?;
                let matches = Expr::Matches(Box::new(text(left)?), regex);
                truth(if negative { not(matches) } else { matches })
            }
            other => Err(format!("the operator `{other}`")),
        }
    }

    fn arithmetic(&self, left: Typed, op: &BinaryOperator, right: Typed) -> Compiled {
        let operator = match op {
            BinaryOperator::Plus => Operator::Plus,
            BinaryOperator::Minus => Operator::Minus,
            BinaryOperator::Multiply => Operator::Times,
            BinaryOperator::Divide => Operator::Over,
            _ => Operator::Modulo,
        };
        let moment = |kind: &Option<ColumnType>| {
            matches!(kind, Some(ColumnType::TimestampTz(_) | ColumnType::Timestamp(_) | ColumnType::Date))
        };
        let number = |kind: &Option<ColumnType>| kind.as_ref().is_some_and(ColumnType::is_number);
        let kind = match (&left.kind, &right.kind) {
            (Some(ColumnType::Date), Some(ColumnType::Date)) if operator == Operator::Minus => ColumnType::Int4,
            (Some(ColumnType::Date), Some(kind)) if kind.is_number() => ColumnType::Date,
            (Some(ColumnType::Date), Some(ColumnType::Interval)) => ColumnType::Timestamp(6),
            (Some(kind), Some(ColumnType::Interval)) if moment(&left.kind) => kind.clone(),
            (left, right) if number(left) && number(right) => wider(left, right),
            (kind @ Some(_), None) if number(kind) => wider(kind, kind),
            (None, kind @ Some(_)) if number(kind) => wider(kind, kind),
            _ => return Err(format!("`{op}` of these types")),
        };
        let side = |typed: Typed| if typed.kind.is_none() { coerced(typed, &kind) } else { Ok(typed.expr) };
        let expr = Expr::Arithmetic(operator, Box::new(side(left)?), Box::new(side(right)?));
        Ok(Typed { expr, kind: Some(kind) })
    }

    fn function(&self, written: &ast::Function, depth: usize) -> Compiled {
        let name = written.name.to_string().replace('"', "").to_ascii_lowercase();
        let arguments: Vec<Typed> = match &written.args {
            FunctionArguments::None => Vec::new(),
            FunctionArguments::List(list) => list
                .args
                .iter()
                .map(|argument| match argument {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(written)) => self.expr(written, depth + 1),
                    other => Err(format!("`{other}`")),
                })
                .collect::<Result<_, _>>()?,
            FunctionArguments::Subquery(_) => return Err("a subquery".to_owned()),
        };
        let bare = name.rsplit('.').next().unwrap_or(&name);
        let function = match (name.as_str(), bare) {
            ("auth.uid", _) => Function::AuthUid,
            ("auth.role", _) | (_, "current_user" | "session_user") => Function::AuthRole,
            (name, _) if name.starts_with("auth.") => return Err(format!("`{name}()`")),
            (_, "now" | "current_timestamp" | "transaction_timestamp" | "statement_timestamp" | "clock_timestamp") => {
                Function::Now
            }
            (_, "current_date") => Function::CurrentDate,
            (_, "localtimestamp") => Function::LocalTimestamp,
            (_, "gen_random_uuid" | "uuid_generate_v4") => Function::GenRandomUuid,
            (_, "random") => Function::Random,
            (_, "nextval") => Function::Nextval,
            (_, "timezone") => Function::Timezone,
            (_, "date_trunc") => Function::DateTrunc,
            (_, "length" | "char_length" | "character_length") => Function::Length,
            (_, "octet_length") => Function::OctetLength,
            (_, "lower") => Function::Lower,
            (_, "upper") => Function::Upper,
            (_, "btrim") => Function::Trim,
            (_, "ltrim") => Function::LeftTrim,
            (_, "rtrim") => Function::RightTrim,
            (_, "left") => Function::Left,
            (_, "right") => Function::Right,
            (_, "replace") => Function::Replace,
            (_, "concat") => Function::Concat,
            (_, "starts_with") => Function::StartsWith,
            (_, "coalesce") => Function::Coalesce,
            (_, "nullif") => Function::NullIf,
            (_, "greatest") => Function::Greatest,
            (_, "least") => Function::Least,
            (_, "abs") => Function::Abs,
            (_, "round") => Function::Round,
            (_, "floor") => Function::Floor,
            (_, "ceil" | "ceiling") => Function::Ceil,
            (_, "json_typeof" | "jsonb_typeof") => Function::JsonTypeof,
            (_, "json_array_length" | "jsonb_array_length") => Function::JsonArrayLength,
            (_, "array_length") => Function::ArrayLength,
            (_, "cardinality") => Function::Cardinality,
            (_, "isempty") => Function::IsEmpty,
            _ => return Err(format!("the function `{name}`")),
        };
        self.call(function, arguments)
    }

    fn call(&self, function: Function, arguments: Vec<Typed>) -> Compiled {
        let (least, most) = match function {
            Function::Now
            | Function::CurrentDate
            | Function::LocalTimestamp
            | Function::GenRandomUuid
            | Function::Random
            | Function::AuthUid
            | Function::AuthRole => (0, 1),
            Function::Timezone | Function::DateTrunc | Function::StartsWith | Function::NullIf => (2, 2),
            Function::Left | Function::Right | Function::ArrayLength => (2, 2),
            Function::Replace => (3, 3),
            Function::Trim | Function::LeftTrim | Function::RightTrim | Function::Round => (1, 2),
            Function::Coalesce | Function::Greatest | Function::Least | Function::Concat => (1, usize::MAX),
            _ => (1, 1),
        };
        if !(least..=most).contains(&arguments.len()) {
            return Err(format!("{function:?} of {} arguments", arguments.len()));
        }
        let first = arguments.iter().find_map(|argument| argument.kind.clone());
        let kind = match function {
            Function::Now => ColumnType::TimestampTz(6),
            Function::CurrentDate => ColumnType::Date,
            Function::LocalTimestamp => ColumnType::Timestamp(6),
            Function::GenRandomUuid | Function::AuthUid => ColumnType::Uuid,
            Function::Random => ColumnType::Float8,
            Function::Nextval => ColumnType::Int8,
            Function::Timezone => match arguments[1].kind {
                Some(ColumnType::Timestamp(_)) => ColumnType::TimestampTz(6),
                Some(ColumnType::TimestampTz(_)) => ColumnType::Timestamp(6),
                _ => return Err("`timezone` of what is no timestamp".to_owned()),
            },
            Function::DateTrunc => arguments[1].kind.clone().ok_or("`date_trunc` of what is no timestamp")?,
            Function::Length
            | Function::OctetLength
            | Function::JsonArrayLength
            | Function::ArrayLength
            | Function::Cardinality => ColumnType::Int4,
            Function::StartsWith | Function::IsEmpty => ColumnType::Bool,
            Function::Lower | Function::Upper => match &arguments[0].kind {
                Some(ColumnType::Range(range)) => range.element(),
                _ => ColumnType::Text,
            },
            Function::Coalesce | Function::NullIf | Function::Greatest | Function::Least => {
                first.clone().unwrap_or(ColumnType::Text)
            }
            Function::Abs | Function::Round | Function::Floor | Function::Ceil => {
                let kind = first.clone().filter(ColumnType::is_number).ok_or("rounding of what is no number")?;
                if kind == ColumnType::Float4 { ColumnType::Float8 } else { kind }
            }
            _ => ColumnType::Text,
        };
        let uniform = matches!(function, Function::Coalesce | Function::NullIf | Function::Greatest | Function::Least);
        let arguments = arguments
            .into_iter()
            .map(|argument| match (&argument.kind, uniform) {
                (None, true) => coerced(argument, &kind),
                (None, false) => text(argument),
                (Some(_), _) => Ok(argument.expr),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let arguments = if least == 0 { Vec::new() } else { arguments };
        Ok(Typed { expr: Expr::Call(function, arguments), kind: Some(kind) })
    }
}

/// The orders that pass a comparison.
fn passing(op: &BinaryOperator) -> Option<&'static [Ordering]> {
    Some(match op {
        BinaryOperator::Eq => &[Equal],
        BinaryOperator::NotEq => &[Less, Greater],
        BinaryOperator::Lt => &[Less],
        BinaryOperator::LtEq => &[Less, Equal],
        BinaryOperator::Gt => &[Greater],
        BinaryOperator::GtEq => &[Greater, Equal],
        _ => return None,
    })
}

/// The type of a computation with two numbers.
fn wider(left: &Option<ColumnType>, right: &Option<ColumnType>) -> ColumnType {
    let rank = |kind: &Option<ColumnType>| match kind {
        Some(ColumnType::Int2) => 0,
        Some(ColumnType::Int4) => 1,
        Some(ColumnType::Int8) => 2,
        Some(ColumnType::Numeric(_)) => 3,
        Some(ColumnType::Float4) => 4,
        _ => 5,
    };
    match rank(left).max(rank(right)) {
        0 => ColumnType::Int2,
        1 => ColumnType::Int4,
        2 => ColumnType::Int8,
        3 => ColumnType::Numeric(None),
        _ => ColumnType::Float8,
    }
}

fn literal(value: &ast::Value) -> Compiled {
    let constant = |value: Value, kind: Option<ColumnType>| Ok(Typed { expr: Expr::Constant(value), kind });
    match value {
        ast::Value::Null => constant(Value::Null, None),
        ast::Value::Boolean(value) => constant(Value::Bool(*value), Some(ColumnType::Bool)),
        ast::Value::Number(digits, _) => match digits.parse::<i64>() {
            Ok(number) if i32::try_from(number).is_ok() => constant(Value::Int(number), Some(ColumnType::Int4)),
            Ok(number) => constant(Value::Int(number), Some(ColumnType::Int8)),
            Err(_) => {
                let kind = ColumnType::Numeric(None);
                let value = kind.parse(digits).map_err(|error| error.message)?;
                constant(value, Some(kind))
            }
        },
        ast::Value::SingleQuotedString(text) | ast::Value::EscapedStringLiteral(text) => {
            constant(Value::Text(text.as_str().into()), None)
        }
        ast::Value::DollarQuotedString(text) => constant(Value::Text(text.value.as_str().into()), None),
        other => Err(format!("`{other}`")),
    }
}

fn literal_text(written: &ast::Expr) -> Option<String> {
    match written {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::SingleQuotedString(text) => Some(text.clone()),
            ast::Value::Number(digits, _) => Some(digits.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// An expression in a type: an untyped literal is read in it.
fn coerced(typed: Typed, kind: &ColumnType) -> Result<Expr, String> {
    match (typed.kind, typed.expr) {
        (None, Expr::Constant(Value::Null)) => Ok(Expr::Constant(Value::Null)),
        (None, Expr::Constant(Value::Text(text))) => {
            kind.parse(&text).map(Expr::Constant).map_err(|error| error.message)
        }
        (Some(own), expr) if own == *kind || own.is_number() && kind.is_number() || own.is_text() && kind.is_text() => {
            Ok(expr)
        }
        (_, expr) => Ok(Expr::Cast(Box::new(expr), kind.clone())),
    }
}

fn text(typed: Typed) -> Result<Expr, String> {
    coerced(typed, &ColumnType::Text)
}

/// Two sides of a comparison in one type.
fn same_type(left: Typed, right: Typed) -> Result<(Expr, Expr, Option<ColumnType>), String> {
    match (left.kind.clone(), right.kind.clone()) {
        (None, None) => Ok((text(left)?, text(right)?, Some(ColumnType::Text))),
        (Some(kind), None) => Ok((left.expr, coerced(right, &kind)?, Some(kind))),
        (None, Some(kind)) => Ok((coerced(left, &kind)?, right.expr, Some(kind))),
        // `status = 'a'::text` with an enumeration has no operator in PostgreSQL; varchar, char and text have one.
        (Some(own), Some(_)) => Ok((left.expr, right.expr, Some(own))),
    }
}
