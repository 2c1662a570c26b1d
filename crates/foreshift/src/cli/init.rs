//! `foreshift init --envoy`: from what an Envoy is configured to do to the files that Foreshift needs, and what Envoy
//! needs in turn. Envoy is only asked, never changed.

mod admin;
mod dump;
mod findings;
mod found;
mod patch;
#[cfg(test)]
mod tests;
mod written;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde::Serialize;

use self::found::Found;
use super::output::OutputArgs;
use super::render::{self, Finding};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The admin endpoint of an Envoy, such as http://127.0.0.1:9901
    #[arg(long, value_name = "URL")]
    envoy: String,
    /// Where to write the files
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// The address of this machine, as Envoy reaches it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    address: std::net::IpAddr,
    /// Overwrite files that are there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// What is told.
#[derive(Serialize)]
struct Answer {
    found: Found,
    findings: Vec<Finding>,
    files: Vec<File>,
}

/// A file that was written.
#[derive(Serialize)]
struct File {
    path: PathBuf,
    text: String,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let dump = runtime.block_on(admin::config_dump(&args.envoy))?;
    let found = Found::of(dump);
    if found.routes.is_empty() {
        bail!(
            "the Envoy at {} has no route to a cluster that can be known{}",
            args.envoy,
            left_out(&found)
        );
    }
    let files = [
        ("foreshift.yaml", written::process(args.address)),
        ("fallback.yaml", written::fallback(&found)),
        (patch::BOOTSTRAP_FILE, patch::bootstrap(&found, args.address)),
        (patch::ROUTES_FILE, patch::routes(&found)),
    ];
    let files = files.map(|(name, text)| File {
        path: args.dir.join(name),
        text,
    });
    write(&args.dir, &files, args.force)?;
    let answer = Answer {
        findings: findings::findings(&found),
        files: files.into(),
        found,
    };
    args.output.print(&answer, |paint| {
        let mut text = render::findings(&answer.findings, paint);
        for file in &answer.files {
            text.push_str(&format!("\nwrote {}\n", file.path.display()));
            if file.path.ends_with(patch::BOOTSTRAP_FILE) || file.path.ends_with(patch::ROUTES_FILE) {
                text.push_str(&file.text);
            }
        }
        text
    })?;
    Ok(ExitCode::SUCCESS)
}

fn left_out(found: &Found) -> String {
    let why = found.left_out.iter().map(|left| {
        let place = &left.place;
        format!("\n  {}, {}: {}", place.virtual_host, place.matches, left.why)
    });
    why.collect()
}

/// Writes all files, or none of them when one is there that may not be overwritten.
fn write(dir: &Path, files: &[File], force: bool) -> anyhow::Result<()> {
    let there: Vec<_> = files.iter().filter(|file| file.path.exists()).collect();
    if !force && !there.is_empty() {
        let names = there.iter().map(|file| file.path.display().to_string());
        let names = names.collect::<Vec<_>>().join(", ");
        bail!("{names}: there already; nothing was written. Use another --dir, or --force to overwrite");
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    for file in files {
        let mut options = OpenOptions::new();
        options.write(true).truncate(true);
        // What came to be since then is not overwritten either.
        let opened = match force {
            true => options.create(true).open(&file.path),
            false => options.create_new(true).open(&file.path),
        };
        let written = opened.and_then(|mut to| to.write_all(file.text.as_bytes()));
        written.with_context(|| format!("cannot write {}", file.path.display()))?;
    }
    Ok(())
}
