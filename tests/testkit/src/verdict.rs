//! The end of a program that reports failed assertions: the simulations and the fault runs.

use std::process::ExitCode;

/// Prints each failed assertion, or the error that ended the run. Returns the exit code.
pub fn exit_code(run: Result<Vec<String>, String>) -> ExitCode {
    let failures = run.unwrap_or_else(|error| vec![error]);
    for failure in &failures {
        eprintln!("FAILED {failure}");
    }
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
