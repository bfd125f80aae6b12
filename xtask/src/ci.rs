//! What must be clean before a change lands. `.ci/run` and a developer run the same list.

use anyhow::Result;

use crate::{cargo, run, tidy};

/// `fast` leaves out the tests and documents, for a hook before each push.
///
/// # Errors
/// At the first step that is not clean.
pub fn main(args: &[String]) -> Result<()> {
    let fast = args.iter().any(|a| a == "fast");
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo().args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))?;
    tidy::main(&[])?;
    if !fast {
        run(cargo().args(["test", "--workspace"]))?;
        run(cargo().args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    Ok(())
}
