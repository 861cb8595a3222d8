//! The cryptography behind jsonwebtoken: Ed25519 (RFC 8037) and nothing else, so that a token that
//! asks for another algorithm finds no code to run.

use std::sync::Once;

use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{Error, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

static ED25519: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match algorithm {
        Algorithm::EdDSA => Ok(Box::new(Ed25519Signer::new(key)?)),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::EdDSA => Ok(Box::new(Ed25519Verifier::new(key)?)),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes this the process's cryptography for tokens; jsonwebtoken panics at first use without one.
pub(crate) fn install() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        // An error means that one is installed already, which can only be this one.
        let _ = ED25519.install_default();
    });
}

struct Ed25519Signer(SigningKey);

impl Ed25519Signer {
    /// The key holds the 32 bytes of the seed.
    fn new(key: &EncodingKey) -> Result<Self> {
        let seed = key.as_bytes().try_into().map_err(|_| ErrorKind::InvalidEddsaKey)?;
        Ok(Self(SigningKey::from_bytes(seed)))
    }
}

impl Signer<Vec<u8>> for Ed25519Signer {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        Ok(ed25519_dalek::Signer::sign(&self.0, message).to_bytes().to_vec())
    }
}

impl JwtSigner for Ed25519Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct Ed25519Verifier(VerifyingKey);

impl Ed25519Verifier {
    /// The key holds the 32 bytes of the public key.
    fn new(key: &DecodingKey) -> Result<Self> {
        let bytes = key.try_get_as_bytes()?.try_into().map_err(|_| ErrorKind::InvalidEddsaKey)?;
        Ok(Self(VerifyingKey::from_bytes(bytes).map_err(|_| ErrorKind::InvalidEddsaKey)?))
    }
}

impl Verifier<Vec<u8>> for Ed25519Verifier {
    /// Strict: one signature has one form, and weak keys have none (RFC 8032, section 5.1.7).
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        let signature = Signature::from_slice(signature).map_err(|_| Error::new())?;
        self.0.verify_strict(message, &signature).map_err(|_| Error::new())
    }
}

impl JwtVerifier for Ed25519Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1, test 2.
    const SEED: [u8; 32] = [
        0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda, 0x9d, 0xb6, 0xc3, 0x46, 0xec, 0x11, 0x4e, 0x0f, 0x5b,
        0x8a, 0x31, 0x9f, 0x35, 0xab, 0xa6, 0x24, 0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8, 0xa6, 0xfb,
    ];
    const SIGNATURE: &str =
        "kqAJqfDUyrhyDoILX2QlQKKye1QWUD-Ps3YiI-vbadoIWsHkPhWZbkWPNhPQ8R2MOHsurrQwKu6wDSkWErsMAA";

    #[test]
    fn a_signature_is_the_rfcs() {
        install();
        let key = EncodingKey::from_ed_der(&SEED);
        let made = jsonwebtoken::crypto::sign(&[0x72], &key, Algorithm::EdDSA).unwrap();
        let public = SigningKey::from_bytes(&SEED).verifying_key().to_bytes();
        let genuine = |message: &[u8], signature: &str| {
            let key = DecodingKey::from_ed_der(&public);
            jsonwebtoken::crypto::verify(signature, message, &key, Algorithm::EdDSA).unwrap()
        };
        assert_eq!(made, SIGNATURE);
        assert_eq!(Ed25519Signer::new(&key).unwrap().algorithm(), Algorithm::EdDSA);
        let verifier = Ed25519Verifier::new(&DecodingKey::from_ed_der(&public)).unwrap();
        assert_eq!(verifier.algorithm(), Algorithm::EdDSA);
        assert!(genuine(&[0x72], SIGNATURE));
        assert!(!genuine(&[0x73], SIGNATURE));
        assert!(!genuine(&[0x72], "kqAJ"));
    }

    #[test]
    fn no_other_algorithm_signs_or_verifies() {
        install();
        for algorithm in [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::PS512] {
            let secret = EncodingKey::from_secret(&SEED);
            assert!(jsonwebtoken::crypto::sign(b"message", &secret, algorithm).is_err());
            let public = DecodingKey::from_secret(&SEED);
            assert!(jsonwebtoken::crypto::verify("", b"message", &public, algorithm).is_err());
        }
    }
}
