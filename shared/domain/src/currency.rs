//! Currencies.

use std::fmt;

use iso_currency::Currency as Iso;

use crate::Invalid;
use crate::string_form::{display_as_str, string_form};

/// A currency in use, by its code of [ISO 4217](https://www.six-group.com/en/products-services/financial-information/data-standards.html).
///
/// Precious metals, units of account, test codes and withdrawn currencies are not among them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency(Iso);

impl Currency {
    /// Reads a code of a currency in use, in either case.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let unknown = || {
            Invalid::new(
                "invalid_currency",
                "must be a currency code of three letters (ISO 4217), such as EUR",
            )
        };
        let code: [u8; 3] = text.trim().as_bytes().try_into().map_err(|_| unknown())?;
        let code = code.map(|byte| byte.to_ascii_uppercase());
        str::from_utf8(&code)
            .ok()
            .and_then(Iso::from_code)
            .filter(|currency| is_in_use(*currency))
            .map(Self)
            .ok_or_else(unknown)
    }

    /// The code, such as `EUR`.
    pub fn as_str(self) -> &'static str {
        self.0.code()
    }

    /// How many decimal digits the minor unit stands for: 2 for EUR, 0 for JPY, 3 for KWD.
    pub fn minor_digits(self) -> usize {
        // Only units of account have none, and those are refused.
        self.0.exponent().map_or(0, usize::from)
    }

    /// Every currency in use, in the order of codes.
    #[cfg(any(test, feature = "openapi"))]
    fn all() -> Vec<Self> {
        let mut all: Vec<_> = (0..1000)
            .filter_map(Iso::from_numeric)
            .filter(|currency| is_in_use(*currency))
            .map(Self)
            .collect();
        all.sort_by_key(|currency| currency.as_str());
        all
    }
}

fn is_in_use(currency: Iso) -> bool {
    // The crate has VES replaced by VED; ISO 4217 lists both, and VES is the one that people use.
    !currency.is_special() && (currency.is_superseded().is_none() || currency == Iso::VES)
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

display_as_str!(impl [] for Currency);
string_form! {
    impl [] for Currency;
    expecting = "a currency code";
    name = "Currency";
    inline = false;
    schema = {
        "type": "string",
        "description": "ISO 4217",
        "enum": Self::all().into_iter().map(Self::as_str).collect::<Vec<_>>(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_currency_in_use_is_read() {
        let all = Currency::all();
        for currency in &all {
            assert_eq!(Currency::parse(currency.as_str()), Ok(*currency));
        }
        // A new version of the table must not make stored amounts unreadable: look at what changed
        // before changing this number.
        assert_eq!(all.len(), 164);
    }

    #[test]
    fn digits_are_those_of_the_currency() {
        for (code, digits) in [("EUR", 2), ("jpy", 0), ("KWD", 3), ("CLF", 4), (" ves ", 2)] {
            assert_eq!(Currency::parse(code).unwrap().minor_digits(), digits);
        }
    }

    #[test]
    fn codes_that_are_not_money_in_use_are_refused() {
        for text in ["", "EU", "EURO", "XXX", "XTS", "XAU", "XDR", "HRK", "BGN", "ZZZ", "E\u{e9}"] {
            let refusal = Currency::parse(text).map_err(|invalid| invalid.code());
            assert_eq!(refusal, Err("invalid_currency"), "{text}");
        }
    }
}
