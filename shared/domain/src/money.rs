//! Amounts of money.

use std::fmt;
use std::num::NonZeroU16;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Currency, Invalid};

/// Within ±(2⁵³ − 1), so that JSON clients which know only doubles keep an amount exact
/// ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259) § 6).
const MAX_MINOR: i64 = 9_007_199_254_740_991;

/// An amount in minor units (cents) of a currency. Integers only, never a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Money {
    amount_minor: i64,
    currency: Currency,
}

impl Money {
    /// An amount in minor units: 125000 is 1250.00 EUR.
    ///
    /// Refused: `out_of_range`, beyond ±9 007 199 254 740 991.
    pub fn new(amount_minor: i64, currency: Currency) -> Result<Self, Invalid> {
        if (-MAX_MINOR..=MAX_MINOR).contains(&amount_minor) {
            Ok(Self { amount_minor, currency })
        } else {
            Err(out_of_range())
        }
    }

    /// Nothing, in that currency.
    pub const fn zero(currency: Currency) -> Self {
        Self { amount_minor: 0, currency }
    }

    /// The amount in minor units.
    pub const fn amount_minor(self) -> i64 {
        self.amount_minor
    }

    /// The currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The sum. Refused: `currency_mismatch`, `out_of_range`.
    pub fn checked_add(self, other: Self) -> Result<Self, Invalid> {
        self.combined(other, i64::checked_add)
    }

    /// The difference. Refused: `currency_mismatch`, `out_of_range`.
    pub fn checked_sub(self, other: Self) -> Result<Self, Invalid> {
        self.combined(other, i64::checked_sub)
    }

    /// The amount taken `factor` times. Refused: `out_of_range`.
    pub fn checked_mul(self, factor: i64) -> Result<Self, Invalid> {
        let amount = self.amount_minor.checked_mul(factor).ok_or_else(out_of_range)?;
        Self::new(amount, self.currency)
    }

    /// The amount in `parts` parts that are equal to the minor unit and sum up to it exactly. What
    /// does not divide goes to the first ones, a minor unit each.
    pub fn allocate(self, parts: NonZeroU16) -> Vec<Self> {
        let count = i64::from(parts.get());
        let share = self.amount_minor / count;
        // Of the amount's sign, and less than `count` away from zero.
        let rest = self.amount_minor % count;
        (0..count)
            .map(|part| Self {
                amount_minor: share + if part < rest.abs() { rest.signum() } else { 0 },
                currency: self.currency,
            })
            .collect()
    }

    fn combined(self, other: Self, operation: fn(i64, i64) -> Option<i64>) -> Result<Self, Invalid> {
        if self.currency != other.currency {
            return Err(Invalid::new(
                "currency_mismatch",
                format!("must be in {}, like the other amount", self.currency),
            ));
        }
        let amount = operation(self.amount_minor, other.amount_minor).ok_or_else(out_of_range)?;
        Self::new(amount, self.currency)
    }
}

/// `-1250.00 EUR`
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.amount_minor < 0 { "-" } else { "" };
        let digits = self.currency.minor_digits();
        let minor = format!("{:0width$}", self.amount_minor.unsigned_abs(), width = digits + 1);
        let (whole, fraction) = minor.split_at(minor.len() - digits);
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction} {}", self.currency)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an amount of money")]
        struct Fields {
            amount_minor: i64,
            currency: Currency,
        }
        let fields = Fields::deserialize(deserializer)?;
        Self::new(fields.amount_minor, fields.currency).map_err(Invalid::into_de_error)
    }
}

#[cfg(feature = "openapi")]
impl schemars::JsonSchema for Money {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Money".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "description": "An amount in minor units (cents) of a currency",
            "properties": {
                "amountMinor": {
                    "type": "integer",
                    "format": "int64",
                    "minimum": -MAX_MINOR,
                    "maximum": MAX_MINOR,
                },
                "currency": generator.subschema_for::<Currency>(),
            },
            "required": ["amountMinor", "currency"],
            "additionalProperties": false,
            "examples": [{ "amountMinor": 125_000, "currency": "EUR" }],
        })
    }
}

fn out_of_range() -> Invalid {
    Invalid::new("out_of_range", "must be between -9007199254740991 and 9007199254740991 minor units")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount_minor: i64, currency: &str) -> Money {
        Money::new(amount_minor, currency.parse().unwrap()).unwrap()
    }

    #[test]
    fn json_has_minor_units_and_currency() {
        let amount = money(125_000, "EUR");
        let json = r#"{"amountMinor":125000,"currency":"EUR"}"#;
        assert_eq!(serde_json::to_string(&amount).unwrap(), json);
        assert_eq!(serde_json::from_str::<Money>(json).unwrap(), amount);
    }

    #[test]
    fn floats_unknown_fields_and_huge_amounts_are_refused() {
        for json in [
            r#"{"amountMinor":1.0,"currency":"EUR"}"#,
            r#"{"amountMinor":"1","currency":"EUR"}"#,
            r#"{"amountMinor":1,"currency":"EUR","scale":2}"#,
            r#"{"amountMinor":1}"#,
            r#"{"amountMinor":1,"currency":"XXX"}"#,
            r#"{"amountMinor":9007199254740992,"currency":"EUR"}"#,
            r#"{"amountMinor":-9007199254740992,"currency":"EUR"}"#,
        ] {
            assert!(serde_json::from_str::<Money>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn it_is_printed_with_the_digits_of_its_currency() {
        for (amount, text) in [
            (money(125_000, "EUR"), "1250.00 EUR"),
            (money(-5, "EUR"), "-0.05 EUR"),
            (money(0, "EUR"), "0.00 EUR"),
            (money(1_250, "JPY"), "1250 JPY"),
            (money(1_250, "KWD"), "1.250 KWD"),
        ] {
            assert_eq!(amount.to_string(), text);
        }
    }

    #[test]
    fn currencies_do_not_mix() {
        let refusal = money(1, "EUR").checked_add(money(1, "USD"));
        assert_eq!(refusal.map_err(|invalid| invalid.code()), Err("currency_mismatch"));
    }

    #[test]
    fn what_does_not_divide_goes_to_the_first_parts() {
        let three = NonZeroU16::new(3).unwrap();
        let amounts = |amount| {
            let parts = money(amount, "EUR").allocate(three);
            parts.into_iter().map(Money::amount_minor).collect::<Vec<_>>()
        };
        assert_eq!(amounts(100), [34, 33, 33]);
        assert_eq!(amounts(-101), [-34, -34, -33]);
        assert_eq!(amounts(2), [1, 1, 0]);
    }
}
