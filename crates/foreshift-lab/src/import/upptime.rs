//! `foreshift-lab import upptime`: real outages for anyone. Upptime, a status monitor, makes a commit when a site's state
//! changes and about once a day while it does not, such as `🟥 Wiki is down (0 in 0 ms) [skip ci] [upptime]`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use clap::Args as ClapArgs;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::replay::progress::Progress;

/// A longer subject is no line of a monitor's.
const MAX_SUBJECT_BYTES: u64 = 4_096;

/// Arguments of `foreshift-lab import upptime`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// A clone of the monitor's repository, with its history.
    #[arg(long, value_name = "CLONE")]
    git: PathBuf,
    /// Where to write `time,route,target,endpoint,health,status,latency_ms`; packed when it ends in `.gz`.
    #[arg(short, long, value_name = "CSV")]
    out: PathBuf,
    /// The name of the route; without it the repository's `owner/name` as its origin says, or the folder's name.
    #[arg(long)]
    route: Option<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let route = match &args.route {
        Some(route) => route.clone(),
        None => repository(&args.git)?,
    };
    let file = File::create(&args.out).with_context(|| format!("cannot write {}", args.out.display()))?;
    let mut file = BufWriter::new(file);
    let packed = args.out.extension().is_some_and(|extension| extension == "gz");
    let found = if packed {
        let mut packer = GzEncoder::new(&mut file, Compression::default());
        let found = history(&args.git, &route, &mut packer)?;
        packer.finish()?;
        found
    } else {
        history(&args.git, &route, &mut file)?
    };
    file.flush()?;
    let Found {
        rows,
        downs,
        sites,
        commits,
    } = found;
    ensure!(
        rows > 0,
        "none of {commits} commits tells the state of a site: is {} of Upptime?",
        args.git.display()
    );
    println!("{rows} rows of {sites} sites, {downs} of them down, from {commits} commits");
    Ok(())
}

/// What was found.
#[derive(Debug, Default, PartialEq)]
struct Found {
    rows: u64,
    downs: u64,
    sites: usize,
    commits: u64,
}

/// What one subject says.
#[derive(Debug, PartialEq)]
struct Said<'a> {
    site: &'a str,
    health: &'static str,
    status: u32,
    latency_ms: u32,
}

/// Reads the history, the oldest commit first, and writes its rows in order of time.
fn history(clone: &Path, route: &str, out: &mut dyn Write) -> anyhow::Result<Found> {
    let endpoints = Endpoints::read(clone)?;
    let progress = Progress::spinner();
    let mut found = Found::default();
    let mut rows: Vec<(i64, String, &'static str, u32, u32)> = Vec::new();
    commits(clone, &mut |time, subject| {
        found.commits += 1;
        if found.commits % 1_000 == 0 {
            progress.show();
        }
        if let Some(said) = read(subject) {
            rows.push((
                time,
                said.site.to_owned(),
                said.health,
                said.status,
                said.latency_ms,
            ));
        }
    })?;
    progress.finish();
    // Histories were merged and clocks set back: commits need not be in order of time.
    rows.sort_by_key(|row| row.0);
    let mut sites = std::collections::BTreeSet::new();
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record([
        "time",
        "route",
        "target",
        "endpoint",
        "health",
        "status",
        "latency_ms",
    ])?;
    for (time, site, health, status, latency_ms) in rows {
        found.rows += 1;
        found.downs += u64::from(health == "down");
        // Nothing was measured where nothing answered.
        let latency = if status == 0 {
            String::new()
        } else {
            latency_ms.to_string()
        };
        let target = format!("{route}/{site}");
        let endpoint = endpoints.of(&site).unwrap_or_default();
        csv.write_record([
            &time.to_string(),
            route,
            &target,
            endpoint,
            health,
            &status.to_string(),
            &latency,
        ])?;
        sites.insert(site);
    }
    csv.flush()?;
    found.sites = sites.len();
    Ok(found)
}

/// What a subject says; `None` when it is of something else. `🟩 NAME is up (200 in 340 ms) ...`, with any mark in front.
fn read(subject: &str) -> Option<Said<'_>> {
    let (mark, rest) = subject.split_once(' ')?;
    if mark.is_ascii() {
        return None; // a word, no mark: somebody wrote this
    }
    // The name may hold " is " itself: the state is the last.
    let (head, tail) = rest.rsplit_once(" (")?;
    let (measured, _) = tail.split_once(" ms)")?;
    let (status, latency_ms) = measured.split_once(" in ")?;
    let (site, state) = head.rsplit_once(" is ")?;
    let health = match state.trim().trim_start_matches("back ") {
        "up" => "up",
        "down" => "down",
        "degraded" | "experiencing degraded performance" => "degraded",
        _ => return None,
    };
    let site = site.trim();
    (!site.is_empty()).then_some(Said {
        site,
        health,
        status: status.trim().parse().ok()?,
        latency_ms: latency_ms.trim().parse().ok()?,
    })
}

/// Calls `take` with time (Unix seconds) and subject of each commit.
fn commits(clone: &Path, take: &mut dyn FnMut(i64, &str)) -> anyhow::Result<()> {
    let mut git = Command::new("git")
        .arg("-C")
        .arg(clone)
        .args(["log", "--reverse", "--no-merges", "--format=%at %s"])
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run git: is it installed?")?;
    let mut lines = BufReader::new(git.stdout.take().context("git has no output")?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines
            .by_ref()
            .take(MAX_SUBJECT_BYTES)
            .read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if line.last() != Some(&b'\n') {
            lines.skip_until(b'\n')?;
        }
        let text = String::from_utf8_lossy(&line);
        if let Some((time, subject)) = text.trim_end().split_once(' ')
            && let Ok(time) = time.parse()
        {
            take(time, subject);
        }
    }
    let status = git.wait()?;
    ensure!(
        status.success(),
        "git log failed in {}: is it a clone?",
        clone.display()
    );
    Ok(())
}

/// The repository's `owner/name`.
fn repository(clone: &Path) -> anyhow::Result<String> {
    let asked = Command::new("git")
        .arg("-C")
        .arg(clone)
        .args(["remote", "get-url", "origin"])
        .output()
        .context("cannot run git: is it installed?")?;
    let url = String::from_utf8_lossy(&asked.stdout);
    let mut parts = url.trim().trim_end_matches(".git").rsplit(['/', ':']);
    match (parts.next(), parts.next()) {
        (Some(name), Some(owner)) if !name.is_empty() && !owner.is_empty() => Ok(format!("{owner}/{name}")),
        _ => {
            let folder = clone.canonicalize()?;
            let Some(name) = folder.file_name().and_then(|name| name.to_str()) else {
                bail!("name the route with --route");
            };
            Ok(name.to_owned())
        }
    }
}

/// Hosts of sites, as far as they are published.
struct Endpoints {
    by_name: BTreeMap<String, String>,
    by_slug: BTreeMap<String, String>,
}

impl Endpoints {
    /// From `history/summary.json`, and from `history/SLUG.yml` for sites that are no longer watched.
    fn read(clone: &Path) -> anyhow::Result<Self> {
        #[derive(serde::Deserialize)]
        struct Site {
            name: String,
            url: String,
        }
        let folder = clone.join("history");
        let mut by_name = BTreeMap::new();
        if let Ok(text) = std::fs::read_to_string(folder.join("summary.json")) {
            let sites: Vec<Site> =
                serde_json::from_str(&text).context("history/summary.json is not Upptime's")?;
            let named = sites
                .into_iter()
                .filter_map(|site| Some((site.name, host(&site.url)?)));
            by_name.extend(named);
        }
        let mut by_slug = BTreeMap::new();
        let files = std::fs::read_dir(&folder).into_iter().flatten();
        for path in files.filter_map(|file| Some(file.ok()?.path())) {
            let slug = path.file_stem().and_then(|slug| slug.to_str());
            let (Some(slug), true) = (slug, path.extension().is_some_and(|extension| extension == "yml"))
            else {
                continue;
            };
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let url = text.lines().find_map(|line| line.strip_prefix("url:"));
            if let Some(host) = url.and_then(|url| host(url.trim().trim_matches(['"', '\'']))) {
                by_slug.insert(slug.to_owned(), host);
            }
        }
        Ok(Self { by_name, by_slug })
    }

    fn of(&self, site: &str) -> Option<&str> {
        let named = self.by_name.get(site).or_else(|| self.by_slug.get(&slug(site)));
        named.map(String::as_str)
    }
}

/// A name as Upptime writes it for files: letters and digits in lower case, all else one dash.
fn slug(site: &str) -> String {
    let lower = site.to_lowercase();
    let words = lower
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

/// The host of a URL; `None` where it is a secret or no host.
fn host(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next()?.rsplit('@').next()?;
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let plain = host.contains('.')
        && host
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
    plain.then(|| host.to_lowercase())
}

#[cfg(test)]
mod tests;
