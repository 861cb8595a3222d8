//! What every type that is a string in JSON shares: parsing from it, printing to it, its schema.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserializer;
use serde::de::{self, Visitor};

use crate::Invalid;

/// Reads a `T` from a string without copying it first.
pub(crate) fn deserialize<'de, D, T>(deserializer: D, expecting: &'static str) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = Invalid>,
{
    deserializer.deserialize_str(StringForm { expecting, parsed: PhantomData })
}

struct StringForm<T> {
    expecting: &'static str,
    parsed: PhantomData<T>,
}

impl<T: FromStr<Err = Invalid>> Visitor<'_> for StringForm<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(Invalid::into_de_error)
    }
}

/// `FromStr`, `Serialize`, `Deserialize` and, with `openapi`, `JsonSchema`, for a type with an
/// inherent `parse` and a `Display` that `parse` reads back.
macro_rules! string_form {
    (
        impl [$($generics:tt)*] for $type:ty;
        expecting = $expecting:expr;
        name = $name:expr;
        inline = $inline:literal;
        schema = $schema:tt;
    ) => {
        impl<$($generics)*> ::std::str::FromStr for $type {
            type Err = $crate::Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl<$($generics)*> ::serde::Serialize for $type {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de, $($generics)*> ::serde::Deserialize<'de> for $type {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                $crate::string_form::deserialize(deserializer, $expecting)
            }
        }

        #[cfg(feature = "openapi")]
        impl<$($generics)*> ::schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                $inline
            }

            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                ($name).into()
            }

            fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                ::schemars::json_schema!($schema)
            }
        }
    };
}

/// `Display` and `AsRef<str>` for a type with an inherent `as_str`.
macro_rules! display_as_str {
    (impl [$($generics:tt)*] for $type:ty) => {
        impl<$($generics)*> ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl<$($generics)*> AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }
    };
}

/// An enum of fixed words from one list, so that a word cannot be missing from `ALL`, `as_str` or
/// `parse`.
macro_rules! word_enum {
    (
        $(#[$attribute:meta])*
        pub enum $type:ident ($code:literal, $expecting:literal) {
            $($(#[$variant_attribute:meta])* $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $type {
            $($(#[$variant_attribute])* $variant,)+
        }

        impl $type {
            /// Every one, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that stands for it in JSON and in the table.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// Reads the exact word, as [`Self::as_str`] gives it.
            pub fn parse(text: &str) -> Result<Self, $crate::Invalid> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::Invalid::new(
                        $code,
                        concat!("must be ", $expecting),
                    )),
                }
            }
        }

        $crate::string_form::display_as_str!(impl [] for $type);
        $crate::string_form::string_form! {
            impl [] for $type;
            expecting = $expecting;
            name = stringify!($type);
            inline = false;
            schema = { "type": "string", "enum": [$($word),+] };
        }
    };
}

pub(crate) use {display_as_str, string_form, word_enum};
