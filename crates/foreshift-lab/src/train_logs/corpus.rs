//! The corpus of log lines: tab-separated files with the columns `system`, `class`, `message` and `status`.

use std::path::Path;

use anyhow::{Context, bail};
use foreshift_domain::log::ErrorClass;
use foreshift_logs::LogLine;

use crate::classify::http_status;
use crate::tsv::Table;

/// One labelled line.
#[derive(Clone, Debug)]
pub(super) struct Labelled {
    pub(super) system: String,
    pub(super) class: ErrorClass,
    pub(super) message: String,
    pub(super) http_status: Option<u16>,
}

impl Labelled {
    /// The line as the classifier gets it.
    pub(super) fn line(&self) -> LogLine<'_> {
        LogLine {
            message: &self.message,
            http_status: self.http_status,
            ..LogLine::default()
        }
    }
}

/// The lines of all files of a folder, in order of the files' names.
pub(super) fn load_folder(folder: &Path) -> anyhow::Result<Vec<Labelled>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "tsv"));
    paths.sort();
    let mut lines = Vec::new();
    for path in &paths {
        lines.append(&mut load(path)?);
    }
    anyhow::ensure!(!lines.is_empty(), "there are no lines in {}", folder.display());
    Ok(lines)
}

/// The lines of one file.
pub(super) fn load(path: &Path) -> anyhow::Result<Vec<Labelled>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&bytes).with_context(|| path.display().to_string())
}

fn parse(bytes: &[u8]) -> anyhow::Result<Vec<Labelled>> {
    let table = Table::parse(bytes)?;
    let (system, class, message) = (
        table.required("system")?,
        table.required("class")?,
        table.required("message")?,
    );
    let status = table.column("status");
    let labelled = |record: &crate::tsv::Record| {
        let Some(class) = ErrorClass::parse(record.field(class)) else {
            bail!("line {}: {:?} is no class", record.line, record.field(class));
        };
        let status = status.map_or("", |status| record.field(status));
        Ok(Labelled {
            system: record.field(system).to_owned(),
            class,
            message: record.field(message).to_owned(),
            http_status: http_status(status).with_context(|| format!("line {}", record.line))?,
        })
    };
    table.records.iter().map(labelled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use foreshift_logs::classify::masked_text;
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::PathBuf;

    fn datasets() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/log-lines")
    }

    #[test]
    fn a_class_that_is_none_is_refused_with_its_line() {
        let error =
            parse(b"system\tclass\tmessage\nx\tconn_fail\ta\nx\tbroken\tb\n").expect_err("it is refused");
        assert_eq!(error.to_string(), "line 3: \"broken\" is no class");
    }

    #[test]
    fn the_corpus_is_as_large_and_as_varied_as_its_readme_says() {
        let lines = load_folder(&datasets().join("corpus")).expect("the corpus is read");
        assert!(lines.len() >= 1_500, "{} lines", lines.len());
        let harmless = lines.iter().filter(|line| line.class == ErrorClass::None).count();
        assert!(
            harmless * 3 >= lines.len(),
            "{harmless} of {} say nothing",
            lines.len()
        );
        let mut systems: BTreeMap<ErrorClass, BTreeSet<&str>> = BTreeMap::new();
        for line in &lines {
            systems.entry(line.class).or_default().insert(&line.system);
        }
        for class in ErrorClass::ALL {
            let systems = systems.get(&class).map_or(0, BTreeSet::len);
            assert!(systems >= 5, "{} is in {systems} systems", class.as_str());
        }
    }

    #[test]
    fn no_line_of_a_system_is_another_one_with_other_numbers() {
        let lines = load_folder(&datasets().join("corpus")).expect("the corpus is read");
        let mut seen = BTreeSet::new();
        for line in &lines {
            let text = masked_text(&line.message).to_lowercase();
            let key = (line.system.as_str(), line.class, text, line.http_status);
            // Access logs differ in status alone, which is masked.
            let access = line.message.contains(" HTTP/") || line.message.contains("[GIN]");
            assert!(access || seen.insert(key), "{}: {}", line.system, line.message);
        }
    }
}
