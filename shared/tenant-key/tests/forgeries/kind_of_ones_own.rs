use nexo_domain::{IdKind, Kind};

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Any;

impl IdKind for Any {
    const KIND: Kind = Kind::Account;
    const NAME: &'static str = "Any";
}

fn main() {}
