//! `cargo xtask env`.

use std::path::{Path, PathBuf};

use clap::Args;
use nexo_local::server::environment_in;
use serde_json::json;

/// Prints the environment of a function's real binary beside `cargo dev --engine-port`.
#[derive(Args)]
pub(crate) struct Env {
    /// The function's logical id in template.yaml, such as `ClientsFunction`
    function: String,
    /// Where `cargo dev` serves the guarded table
    #[arg(long, default_value_t = 4001)]
    engine_port: u16,
    /// The data folder of `cargo dev`
    #[arg(long, default_value = ".nexo")]
    data: PathBuf,
    /// Print it as `sam local invoke --env-vars` reads it, instead of as lines for a shell
    #[arg(long)]
    sam: bool,
}

impl Env {
    /// Prints it.
    pub(crate) fn print(&self) -> Result<(), String> {
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
        if !self.data.is_dir() {
            return Err(format!(
                "{}: no data folder; start `cargo dev --engine-port` first",
                self.data.display()
            ));
        }
        let endpoint = format!("http://127.0.0.1:{}", self.engine_port);
        let environment = environment_in(&template, &self.data, &self.function, &endpoint)?;
        if self.sam {
            println!("{}", json!({ &self.function: environment }));
        } else {
            for (name, value) in environment {
                println!("export {name}='{}'", value.replace('\'', "'\\''"));
            }
        }
        Ok(())
    }
}
