//! The `oxbpf` command: `run`, and the nouns of [`tool`].
//!
//! What is for the user's eyes or for another program goes to standard output, everything about the run itself to standard error.

mod failure;
mod log;
mod run;
mod set;
mod show;
mod sign;
mod tool;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Load, run and look at BPF programs.
#[derive(Debug, Parser)]
#[command(name = "oxbpf", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    Run(run::Args),
}

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if tool::is_meant(&words) {
        return tool::main(words);
    }
    let cli = Cli::parse();
    let result = match cli.noun {
        Noun::Run(args) => run::main(args),
    };
    match result {
        Ok(code) => code,
        Err(error) if error.is::<failure::Unread>() => ExitCode::from(failure::UNREAD_STATUS),
        Err(error) => {
            failure::report(&error);
            ExitCode::from(failure::STATUS)
        }
    }
}
