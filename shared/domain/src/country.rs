//! Countries.

use crate::Invalid;
use crate::string_form::{display_as_str, string_form};

/// The officially assigned alpha-2 codes of [ISO 3166-1](https://www.iso.org/iso-3166-country-codes.html),
/// in order, each followed by a space.
const CODES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ \
    BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR \
    CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR \
    GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU \
    ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ \
    LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ \
    MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF \
    PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI \
    SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR \
    TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW ";
const COUNT: usize = 249;
const _: () = assert!(CODES.len() == 3 * COUNT, "each code takes three bytes");

/// A country or territory, by its ISO 3166-1 alpha-2 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CountryCode(&'static str);

impl CountryCode {
    /// Reads an officially assigned code, in either case.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let unknown = || {
            Invalid::new("invalid_country", "must be a country code of two letters (ISO 3166-1), such as DE")
        };
        let code: [u8; 2] = text.trim().as_bytes().try_into().map_err(|_| unknown())?;
        let code = code.map(|byte| byte.to_ascii_uppercase());
        let (rows, _) = CODES.as_bytes().as_chunks::<3>();
        rows.binary_search_by(|row| row[..2].cmp(&code)).map(Self::at).map_err(|_| unknown())
    }

    /// The code, in upper case.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    fn at(index: usize) -> Self {
        Self(&CODES[3 * index..3 * index + 2])
    }
}

display_as_str!(impl [] for CountryCode);
string_form! {
    impl [] for CountryCode;
    expecting = "a country code";
    name = "CountryCode";
    inline = false;
    schema = {
        "type": "string",
        "description": "ISO 3166-1 alpha-2",
        "enum": (0..COUNT).map(|index| Self::at(index).as_str()).collect::<Vec<_>>(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_assigned_code_is_found() {
        for code in CODES.split_terminator(' ') {
            assert_eq!(CountryCode::parse(code).map(CountryCode::as_str), Ok(code));
        }
        assert!(CODES.split_terminator(' ').is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn lower_case_is_accepted_and_raised() {
        assert_eq!(CountryCode::parse(" de "), CountryCode::parse("DE"));
    }

    #[test]
    fn codes_that_are_not_assigned_are_refused() {
        for text in ["", "D", "DEU", "UK", "EU", "XX", "ZZ", "D ", "D1", "\u{e9}", "49"] {
            let refusal = CountryCode::parse(text).map_err(|invalid| invalid.code());
            assert_eq!(refusal, Err("invalid_country"), "{text}");
        }
    }
}
