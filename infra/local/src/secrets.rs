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
    /// Absent in folders of versions that sent no mails.
    #[serde(default)]
    link: String,
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
            Ok(text) => {
                let mut kept: Self = serde_json::from_slice(&text).map_err(|error| fault(&error))?;
                if kept.link.is_empty() {
                    kept.link = random_text()?;
                    kept.keep(&path).map_err(|error| fault(&error))?;
                }
                Ok(kept)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let made = Self::generate()?;
                private_folder(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
                made.keep(&path).map_err(|error| fault(&error))?;
                Ok(made)
            }
            Err(error) => Err(fault(&error)),
        }
    }

    /// Written beside and then renamed: killed at any moment, the folder has all or nothing.
    fn keep(&self, path: &Path) -> std::io::Result<()> {
        let beside = path.with_extension("json.new");
        let mut open = fs::OpenOptions::new();
        let mut file = open.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    }

    fn generate() -> Result<Self, String> {
        let (signing, cursor, link) = (random_text()?, random_text()?, random_text()?);
        Ok(Self { signing, cursor, link, issuer_key: random()? })
    }

    /// Puts the secrets where the template's environment refers to them.
    pub(crate) fn fill(&self, environment: &mut Environment) {
        for (name, secret) in [
            ("NEXO_SIGNING_SECRET", &self.signing),
            ("NEXO_CURSOR_SECRET", &self.cursor),
            ("NEXO_LINK_SECRET", &self.link),
        ] {
            if let Some(value) = environment.get_mut(name) {
                value.clone_from(secret);
            }
        }
    }
}

fn random() -> Result<[u8; 32], String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn random_text() -> Result<String, String> {
    random().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}
