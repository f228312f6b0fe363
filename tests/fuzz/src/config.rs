//! Configuration files. The input is a file.

use matrix_rendezvous::config::Sources;
use matrix_rendezvous::startup;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

/// A password in the environment, which no output may contain.
const PASSWORD: &str = "hunter2-hunter2";

/// The longest error: a few times the file, and the names of all keys.
const MAX_ERROR_PER_BYTE: usize = 64;
const MAX_ERROR: usize = 64 * 1024;

/// One file per process, because targets run beside each other.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let name = format!("matrix-rendezvous-fuzz-{}.toml", std::process::id());
    std::env::temp_dir().join(name)
});

/// Checks that a file has one meaning, that no output shows a secret, and that what `config print`
/// writes is a file of the same meaning.
///
/// # Panics
/// If a property is violated, or if the file cannot be written.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let printed = loaded(text, &[]);
    assert_eq!(loaded(text, &[]), printed, "the same file, twice");
    match printed {
        // Masked secrets are no longer a valid value.
        Ok(printed) if !printed.contains("***") => {
            assert_eq!(
                loaded(&printed, &[]),
                Ok(printed.clone()),
                "printed and loaded again"
            );
        }
        Ok(_) => {}
        Err(error) => assert!(error.len() <= MAX_ERROR_PER_BYTE * text.len() + MAX_ERROR),
    }
    if !text.contains(PASSWORD) {
        let url = format!("redis://:{PASSWORD}@redis.example.org");
        let env = [("RENDEZVOUS_STORE__REDIS__URL", &*url)];
        let (Ok(output) | Err(output)) = loaded(text, &env);
        assert!(!output.contains(PASSWORD), "{output}");
    }
}

/// Loads a file as `config check` does. Returns what `config print` prints, or the error.
fn loaded(text: &str, env: &[(&str, &str)]) -> Result<String, String> {
    fs::write(&*FILE, text).expect("the folder for temporary files is writable");
    let sources = Sources {
        file: Some(FILE.clone()),
        env: env
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        flags: Vec::new(),
    };
    match startup::load(&sources) {
        Ok(startup) => {
            let _warnings = startup.config.warnings();
            Ok(startup.raw.to_string())
        }
        Err(error) => Err(error.to_string()),
    }
}
