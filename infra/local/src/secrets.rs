//! The secrets a stack generates, made once and kept with the data.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::functions::Environment;

/// What AWS Secrets Manager and IAM hold in the cloud.
#[derive(Serialize, Deserialize)]
pub(crate) struct Secrets {
    signing: String,
    cursor: String,
    /// Seals the local credentials.
    pub(crate) issuer_key: [u8; 32],
}

const FILE: &str = "secrets.json";

/// Makes the data folder, if it is absent, for its owner alone: password hashes and sessions are in it.
pub(crate) fn private_folder(folder: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

impl Secrets {
    /// The secrets of a data folder, made now if it has none; without a folder, new ones.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self, String> {
        let Some(folder) = folder else {
            return Self::generate();
        };
        let path = folder.join(FILE);
        let fault = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| fault(&error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let made = Self::generate()?;
                private_folder(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
                let text = serde_json::to_vec(&made).map_err(|error| fault(&error))?;
                // Written beside and then renamed: killed at any moment, the folder has all or nothing.
                let beside = folder.join(format!("{FILE}.new"));
                let mut file = fs::OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&beside)
                    .map_err(|error| fault(&error))?;
                file.write_all(&text).and_then(|()| file.sync_all()).map_err(|error| fault(&error))?;
                fs::rename(&beside, &path).map_err(|error| fault(&error))?;
                Ok(made)
            }
            Err(error) => Err(fault(&error)),
        }
    }

    fn generate() -> Result<Self, String> {
        let random = || -> Result<[u8; 32], String> {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
            Ok(bytes)
        };
        Ok(Self {
            signing: URL_SAFE_NO_PAD.encode(random()?),
            cursor: URL_SAFE_NO_PAD.encode(random()?),
            issuer_key: random()?,
        })
    }

    /// Puts the secrets where the template's environment refers to them.
    pub(crate) fn fill(&self, environment: &mut Environment) {
        for (name, secret) in [("NEXO_SIGNING_SECRET", &self.signing), ("NEXO_CURSOR_SECRET", &self.cursor)] {
            if let Some(value) = environment.get_mut(name) {
                value.clone_from(secret);
            }
        }
    }
}
