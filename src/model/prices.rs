//! [`Prices`]: what a provider bills for the tokens of its models.

use crate::units::Money;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// The table that is shipped (`data/prices.toml`), with its date and source.
const SHIPPED: &str = include_str!("../../data/prices.toml");

/// Tokens as billed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUse {
    /// Tokens of prompts, cached ones included.
    pub prompt: u64,
    /// Of those, found in the provider's prompt cache.
    pub cached: u64,
    /// Tokens of answers, those of reasoning included.
    pub completion: u64,
}

impl AddAssign for TokenUse {
    fn add_assign(&mut self, other: Self) {
        self.prompt += other.prompt;
        self.cached += other.cached;
        self.completion += other.completion;
    }
}

/// Prices of models.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The day they were looked up.
    pub date: String,
    /// Where.
    pub source: String,
    #[serde(rename = "currency")]
    _currency: Dollars,
    models: BTreeMap<String, Price>,
}

/// The only currency.
#[derive(Clone, Copy, Debug, Deserialize)]
enum Dollars {
    #[serde(rename = "USD")]
    Usd,
}

/// What a model's tokens cost, in US dollars for a million of them.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of prompts.
    pub input: f64,
    /// Of prompts, where they were cached; as others if absent.
    pub cached: Option<f64>,
    /// Of answers.
    pub output: f64,
}

/// Why a text is no table of prices.
#[derive(Debug, thiserror::Error)]
#[error("not a table of prices: {0}")]
pub struct PricesError(#[from] toml::de::Error);

impl Prices {
    /// The table that is shipped.
    ///
    /// # Errors
    /// Never, as far as its test goes.
    pub fn shipped() -> Result<Self, PricesError> {
        Self::parse(SHIPPED)
    }

    /// Reads a table in the form of `data/prices.toml`.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, PricesError> {
        Ok(toml::from_str(text)?)
    }

    /// The price of a model, or of the model whose dated snapshot (`gpt-4o-2024-08-06`) it is.
    #[must_use]
    pub fn of(&self, model: &str) -> Option<Price> {
        let undated = || {
            let (base, date) = model.split_at_checked(model.len().checked_sub("-2024-08-06".len())?)?;
            let is_date = date.bytes().enumerate().all(|(at, byte)| match at {
                0 | 5 | 8 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
            self.models.get(base).filter(|_| is_date)
        };
        self.models.get(model).or_else(undated).copied()
    }

    /// What tokens of a model cost; `None` if its price is not known.
    #[must_use]
    pub fn cost(&self, model: &str, tokens: TokenUse) -> Option<Money> {
        let price = self.of(model)?;
        let each = |per_million: f64| Money::dollars(per_million / 1e6);
        let cached = tokens.cached.min(tokens.prompt);
        Some(
            each(price.input).times(tokens.prompt - cached)
                + each(price.cached.unwrap_or(price.input)).times(cached)
                + each(price.output).times(tokens.completion),
        )
    }

    /// The names of all models with a price.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn the_shipped_table_is_one_and_says_from_when_it_is() {
        let prices = Prices::shipped().unwrap();
        let date: jiff::civil::Date = prices.date.parse().unwrap();
        assert!(date.year() >= 2026 && prices.source.contains("pricing"));
        for model in prices.models() {
            let price = prices.of(model).unwrap();
            let cached = price.cached.unwrap_or(price.input);
            assert!(
                price.input >= 0.0 && cached <= price.input && (price.output == 0.0 || price.output > price.input),
                "{model}"
            );
        }
    }

    #[rstest]
    #[case("gpt-4o", 1_000_000, 0, 0, 2.50)]
    #[case("gpt-4o", 1_000_000, 1_000_000, 0, 1.25)]
    #[case("gpt-4o-2024-08-06", 2_000, 0, 500, 0.010)]
    #[case("gpt-4o-mini", 12_345, 1_280, 678, 0.15 * 0.011_065 + 0.075 * 0.001_28 + 0.6 * 0.000_678)]
    #[case("gpt-5-nano", 1, 1, 0, 0.000_000_005)]
    #[case("o3-pro", 1_000, 1_000, 0, 0.02)]
    #[case("text-embedding-3-small", 1_000_000, 0, 0, 0.02)]
    fn tokens_cost_what_the_table_says(
        #[case] model: &str,
        #[case] prompt: u64,
        #[case] cached: u64,
        #[case] completion: u64,
        #[case] dollars: f64,
    ) {
        let cost = Prices::shipped().unwrap().cost(model, TokenUse { prompt, cached, completion });
        assert_eq!(cost, Some(Money::dollars(dollars)));
    }

    #[test]
    fn what_has_no_price_has_no_cost() {
        let prices = Prices::shipped().unwrap();
        for model in ["gpt-77", "", "-2024-08-06", "gpt-4o-2024-08-0x", "gpt-4oé2024-08-06"] {
            assert_eq!(prices.cost(model, TokenUse::default()), None, "{model}");
        }
    }

    #[test]
    fn a_table_with_a_mistake_is_refused_with_its_place() {
        let error =
            Prices::parse("date = \"2026-01-01\"\nsource = \"x\"\ncurrency = \"USD\"\n[models]\na = { inputt = 1 }\n");
        assert!(error.unwrap_err().to_string().contains("line 5"));
    }
}
