//! What holds for every value, not only for the examples beside the code.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::{Debug, Display};
use std::num::NonZeroU16;
use std::str::FromStr;

use nexo_domain::{
    Address, ClientId, CountryCode, Currency, Date, DateRange, Email, Invalid, LanguageTag, Money,
    MultilineText, Permission, Phone, Role, Tags, Text, TimeZoneName, Timestamp, UserId, WebUrl,
};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

const MAX_MINOR: i64 = 9_007_199_254_740_991;

/// Whatever `text` is, parsing it does not panic, and an accepted value reads back as it is
/// written, in text and in JSON.
fn reads_back<T>(text: &str)
where
    T: FromStr<Err = Invalid> + Display + Debug + PartialEq + Serialize + DeserializeOwned,
{
    match text.parse::<T>() {
        Ok(value) => {
            assert_eq!(value.to_string().parse::<T>().as_ref(), Ok(&value));
            let json = serde_json::to_value(&value).unwrap();
            assert_eq!(json, value.to_string());
            assert_eq!(serde_json::from_value::<T>(json).unwrap(), value);
        }
        Err(invalid) => {
            let json = serde_json::to_string(text).unwrap();
            let error = serde_json::from_str::<T>(&json).unwrap_err().to_string();
            let expected = (invalid.code().to_owned(), invalid.message().to_owned());
            assert_eq!(Invalid::from_de_message(&error), Some(expected));
        }
    }
}

fn reads_back_as_any_type(text: &str) {
    reads_back::<ClientId>(text);
    reads_back::<CountryCode>(text);
    reads_back::<Currency>(text);
    reads_back::<Date>(text);
    reads_back::<Email>(text);
    reads_back::<LanguageTag>(text);
    reads_back::<MultilineText<40>>(text);
    reads_back::<Permission>(text);
    reads_back::<Phone>(text);
    reads_back::<Role>(text);
    reads_back::<Text<10>>(text);
    reads_back::<TimeZoneName>(text);
    reads_back::<Timestamp>(text);
    reads_back::<WebUrl>(text);
}

fn currency() -> impl Strategy<Value = Currency> {
    prop::sample::select(vec!["EUR", "USD", "JPY", "KWD"]).prop_map(|code| code.parse().unwrap())
}

fn date() -> impl Strategy<Value = Date> {
    (0..=9999_i16, 1..=12_i8, 1..=28_i8)
        .prop_map(|(y, m, d)| Date::from_civil(jiff::civil::date(y, m, d)).unwrap())
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    prop_oneof![any::<i64>(), -70_000_000_000_000..260_000_000_000_000_i64].prop_map(Timestamp::from_millis)
}

proptest! {
    #[test]
    fn any_text_is_refused_or_reads_back(text in any::<String>()) {
        reads_back_as_any_type(&text);
    }

    #[test]
    fn likely_text_is_refused_or_reads_back(
        text in prop_oneof![
            "[a-zA-Z0-9.+-]{1,12}@[a-zA-Z0-9.-]{1,20}\\.[a-zA-Z]{2,5}",
            "\\+?[0-9 ().-]{5,22}",
            "(cli|usr)_[0-9A-Z]{26}",
            "[a-zA-Z]{2,3}",
            "[a-zA-Z]{2,3}(-[a-zA-Z0-9]{1,8}){0,5}",
            "[0-9]{4}-[01][0-9]-[0-3][0-9]",
            "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,9})?(Z|[+-][0-2][0-9]:[0-6][0-9])",
            "https?://[a-zA-Z0-9.ü%:@-]{1,20}/[^\\s]{0,20}",
            "[a-z\u{300}-\u{310}\u{958}\u{ac00}\u{1100}\u{1161}\r\n\t\u{200b} ]{0,14}",
        ],
    ) {
        reads_back_as_any_type(&text);
    }

    #[test]
    fn any_json_is_read_or_refused(text in "[\\[{\"a-z:,0-9}\\]]{0,30}") {
        let _ = serde_json::from_str::<Money>(&text);
        let _ = serde_json::from_str::<Address>(&text);
        let _ = serde_json::from_str::<Tags>(&text);
        let _ = serde_json::from_str::<DateRange>(&text);
        let _ = Invalid::from_de_message(&text);
    }

    #[test]
    fn accepted_text_keeps_its_promises(text in any::<String>()) {
        if let Ok(text) = Text::<10>::parse(&text) {
            prop_assert!((1..=10).contains(&text.as_str().chars().count()));
            prop_assert!(!text.as_str().contains(char::is_control));
            prop_assert_eq!(text.as_str().trim(), text.as_str());
        }
    }

    #[test]
    fn ids_keep_their_parts_and_read_back(
        millis in 0..1_u64 << 48,
        random in any::<[u8; 10]>(),
    ) {
        let id = ClientId::from_parts(millis, random);
        prop_assert_eq!(id.timestamp_ms(), millis);
        prop_assert_eq!(ClientId::parse(&id.to_string()), Ok(id));
        prop_assert_eq!(ClientId::from_ulid(id.ulid()), Ok(id));
        prop_assert!(UserId::parse(&id.to_string()).is_err());
        prop_assert!(ClientId::parse(&id.to_string().to_lowercase()).is_err());
    }

    #[test]
    fn ids_and_their_texts_order_by_time(
        a in (0..1_u64 << 48, any::<[u8; 10]>()),
        b in (0..1_u64 << 48, any::<[u8; 10]>()),
    ) {
        let (left, right) = (ClientId::from_parts(a.0, a.1), ClientId::from_parts(b.0, b.1));
        prop_assert_eq!(left.cmp(&right), a.cmp(&b));
        prop_assert_eq!(left.to_string().cmp(&right.to_string()), a.cmp(&b));
    }

    #[test]
    fn timestamps_read_back_and_their_texts_order_by_time(a in timestamp(), b in timestamp()) {
        reads_back::<Timestamp>(&a.to_string());
        prop_assert_eq!(a.to_string().len(), 24);
        prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
        prop_assert_eq!(a.as_millis().cmp(&b.as_millis()), a.cmp(&b));
    }

    #[test]
    fn dates_read_back_and_their_texts_order_by_time(a in date(), b in date()) {
        reads_back::<Date>(&a.to_string());
        prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
    }

    #[test]
    fn ranges_overlap_when_they_share_a_day(mut days in [date(), date(), date(), date()]) {
        days[..2].sort();
        days[2..].sort();
        let a = DateRange::new(days[0], days[1]).unwrap();
        let b = DateRange::new(days[2], days[3]).unwrap();
        let share = a.contains(b.start()) || b.contains(a.start());
        prop_assert_eq!(a.overlaps(b), share);
        prop_assert_eq!(b.overlaps(a), share);
        prop_assert_eq!(DateRange::new(days[1], days[0]).is_ok(), days[0] == days[1]);
        let json = serde_json::to_string(&a).unwrap();
        prop_assert_eq!(serde_json::from_str::<DateRange>(&json).unwrap(), a);
    }

    #[test]
    fn money_reads_back_and_out_of_range_is_refused(amount in any::<i64>(), currency in currency()) {
        let money = Money::new(amount, currency);
        prop_assert_eq!(money.is_ok(), amount.unsigned_abs() <= MAX_MINOR.unsigned_abs());
        if let Ok(money) = money {
            let json = serde_json::to_string(&money).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        }
    }

    #[test]
    fn addition_associates_commutes_and_is_undone(
        [a, b, c] in prop::array::uniform3(-MAX_MINOR / 3..=MAX_MINOR / 3),
        currency in currency(),
    ) {
        let [a, b, c] = [a, b, c].map(|amount| Money::new(amount, currency).unwrap());
        let left = a.checked_add(b).unwrap().checked_add(c).unwrap();
        let right = a.checked_add(b.checked_add(c).unwrap()).unwrap();
        prop_assert_eq!(left, right);
        prop_assert_eq!(a.checked_add(b), b.checked_add(a));
        prop_assert_eq!(a.checked_add(b).unwrap().checked_sub(b), Ok(a));
        prop_assert_eq!(a.checked_add(Money::zero(currency)), Ok(a));
    }

    #[test]
    fn arithmetic_is_exact_or_refused(
        a in -MAX_MINOR..=MAX_MINOR,
        b in -MAX_MINOR..=MAX_MINOR,
        factor in any::<i64>(),
        currency in currency(),
    ) {
        let money = |amount| Money::new(amount, currency).unwrap();
        let exact = |wide: i128| {
            i64::try_from(wide).ok().filter(|amount| amount.abs() <= MAX_MINOR).map(money)
        };
        let (wide_a, wide_b) = (i128::from(a), i128::from(b));
        prop_assert_eq!(money(a).checked_add(money(b)).ok(), exact(wide_a + wide_b));
        prop_assert_eq!(money(a).checked_sub(money(b)).ok(), exact(wide_a - wide_b));
        let product = exact(wide_a * i128::from(factor));
        prop_assert_eq!(money(a).checked_mul(factor).ok(), product);
    }

    #[test]
    fn no_minor_unit_is_lost_in_parts(
        amount in -MAX_MINOR..=MAX_MINOR,
        parts in any::<NonZeroU16>(),
        currency in currency(),
    ) {
        let whole = Money::new(amount, currency).unwrap();
        let shares = whole.allocate(parts);
        prop_assert_eq!(shares.len(), usize::from(parts.get()));
        let sum = shares.iter().try_fold(Money::zero(currency), |sum, it| sum.checked_add(*it));
        prop_assert_eq!(sum, Ok(whole));
        let amounts = || shares.iter().map(|share| share.amount_minor());
        prop_assert!(amounts().max().unwrap() - amounts().min().unwrap() <= 1);
    }

    #[test]
    fn tags_are_a_set_that_reads_back(words in prop::collection::vec("[a-cA-Cß ]{1,3}", 0..60)) {
        let json = serde_json::to_string(&words).unwrap();
        if let Ok(tags) = serde_json::from_str::<Tags>(&json) {
            prop_assert!(tags.as_slice().len() <= 50);
            let json = serde_json::to_string(&tags).unwrap();
            prop_assert_eq!(serde_json::from_str::<Tags>(&json).unwrap(), tags);
        }
    }
}
