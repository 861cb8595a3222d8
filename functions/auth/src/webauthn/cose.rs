//! Public keys as authenticators write them: COSE (RFC 9052, RFC 9053, RFC 8230) in CBOR (RFC 8949).

use std::collections::BTreeMap;

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};

/// The algorithms we take, the preferred first: what phones, browsers and security keys have, and RSA for
/// Windows Hello.
pub(crate) const ALGORITHMS: [i64; 3] = [EDDSA, ES256, RS256];

const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

/// A public key, and the bytes it was read from.
pub(crate) struct Cose<'a> {
    pub(crate) key: PublicKey,
    pub(crate) encoded: &'a [u8],
}

/// A public key of one of the [`ALGORITHMS`].
pub(crate) enum PublicKey {
    /// The uncompressed point of P-256.
    Es256([u8; 65]),
    Ed25519([u8; 32]),
    Rs256(RsaPublicKeyComponents<Vec<u8>>),
}

impl PublicKey {
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self {
            Self::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            Self::Ed25519(point) => UnparsedPublicKey::new(&ED25519, point).verify(message, signature),
            Self::Rs256(key) => key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
        };
        verified.is_ok()
    }
}

/// The key that `bytes` begin with; `None` unless it is one that we take.
pub(crate) fn read(bytes: &[u8]) -> Option<Cose<'_>> {
    let mut reader = Reader(bytes);
    let mut members = reader.map()?;
    let encoded = &bytes[..bytes.len() - reader.0.len()];
    let (kind, algorithm) = (members.remove(&1)?.number()?, members.remove(&3)?.number()?);
    let key = match (kind, algorithm) {
        (2, ES256) if members.remove(&-1)?.number()? == 1 => {
            let mut point = [4; 65];
            point[1..33].copy_from_slice(members.remove(&-2)?.bytes(32)?);
            point[33..].copy_from_slice(members.remove(&-3)?.bytes(32)?);
            PublicKey::Es256(point)
        }
        (1, EDDSA) if members.remove(&-1)?.number()? == 6 => {
            PublicKey::Ed25519(members.remove(&-2)?.bytes(32)?.try_into().ok()?)
        }
        (3, RS256) => {
            let (n, e) = (members.remove(&-1)?.any_bytes()?, members.remove(&-2)?.any_bytes()?);
            PublicKey::Rs256(RsaPublicKeyComponents { n: n.to_vec(), e: e.to_vec() })
        }
        _ => return None,
    };
    Some(Cose { key, encoded })
}

/// What a key's members are.
enum Value<'a> {
    Number(i64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    fn number(self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Bytes(_) => None,
        }
    }

    fn any_bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Number(_) => None,
        }
    }

    fn bytes(self, length: usize) -> Option<&'a [u8]> {
        self.any_bytes().filter(|bytes| bytes.len() == length)
    }
}

/// Reads CBOR as authenticators write it: every length is given in front (CTAP 2, section 8).
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next item's major type and argument.
    fn head(&mut self) -> Option<(u8, u64)> {
        let first = self.take(1)?[0];
        let argument = match first & 31 {
            small @ 0..=23 => u64::from(small),
            size @ 24..=27 => {
                let bytes = self.take(1 << (size - 24))?;
                bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
            }
            _ => return None,
        };
        Some((first >> 5, argument))
    }

    fn value(&mut self) -> Option<Value<'a>> {
        let (kind, argument) = self.head()?;
        match kind {
            0 => i64::try_from(argument).ok().map(Value::Number),
            1 => i64::try_from(argument).ok().map(|number| Value::Number(-1 - number)),
            2 => self.take(usize::try_from(argument).ok()?).map(Value::Bytes),
            _ => None,
        }
    }

    /// A map of numbers to numbers and bytes, which is all that a key is made of. None comes twice.
    fn map(&mut self) -> Option<BTreeMap<i64, Value<'a>>> {
        let (5, count @ 0..=8) = self.head()? else { return None };
        let mut members = BTreeMap::new();
        for _ in 0..count {
            let (name, value) = (self.value()?.number()?, self.value()?);
            if members.insert(name, value).is_some() {
                return None;
            }
        }
        Some(members)
    }
}

#[cfg(test)]
mod tests;
