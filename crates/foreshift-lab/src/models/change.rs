//! `models promote | challenge | withdraw | rollback`: who serves.

use anyhow::{Context, bail, ensure};
use clap::Args as ClapArgs;
use foreshift_domain::prediction::Comparison;
use foreshift_registry::{Aliases, By, ModelName, Registry};

use super::evidence::{self, EvidenceArgs};
use super::show::told;
use super::words;

/// Who asks, and why.
#[derive(ClapArgs)]
pub(super) struct ByArgs {
    /// Why; kept in the history.
    #[arg(long)]
    reason: Option<String>,
    /// Who; kept in the history.
    #[arg(long, env = "USER", default_value = "unknown")]
    actor: String,
}

impl ByArgs {
    fn by<'a>(&'a self, reason: &'a str) -> By<'a> {
        By {
            who: &self.actor,
            reason: self.reason.as_deref().unwrap_or(reason),
            at: words::now(),
        }
    }
}

/// Arguments of `models promote`.
#[derive(ClapArgs)]
pub(super) struct PromoteArgs {
    /// The version; without one, the challenger of `--scale`.
    name: Option<ModelName>,
    /// The scale whose challenger is promoted, or judged.
    #[arg(long, default_value = "live")]
    scale: String,
    #[command(flatten)]
    evidence: EvidenceArgs,
    /// Promote although the gate did not pass, or without asking it; needs --reason.
    #[arg(long, requires = "reason")]
    force: bool,
    /// Only say what the gate says.
    #[arg(long, conflicts_with = "force")]
    dry_run: bool,
    #[command(flatten)]
    by: ByArgs,
}

pub(super) fn promote(registry: &Registry, args: &PromoteArgs, as_json: bool) -> anyhow::Result<()> {
    let aliases = registry.aliases()?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => aliases.challenger.get(&args.scale).cloned().with_context(|| {
            format!(
                "scale {:?} has no challenger: name a version, or set one with `models challenge`",
                args.scale
            )
        })?,
    };
    let champion = aliases.champion.get(name.scale());
    let comparison = match champion {
        Some(champion) => evidence::gather(&args.evidence, registry, champion, &name)?,
        None => None,
    };
    if let Some(comparison) = &comparison {
        tell(comparison, as_json)?;
    }
    if args.dry_run {
        return Ok(());
    }
    let passed = comparison.as_ref().is_some_and(|comparison| comparison.passed);
    match champion {
        Some(champion) if !passed && !args.force => bail!(refusal(&name, champion, comparison.as_ref())),
        None => ensure!(
            args.by.reason.is_some(),
            "scale {:?} has no champion to compare {name} with: say why it serves with --reason",
            name.scale()
        ),
        _ => {}
    }
    let forced = champion.is_some() && !passed;
    let by = args.by.by("the gate passed");
    let kept = comparison.map(serde_json::to_value).transpose()?;
    let aliases = registry.promote(&name, champion, &by, forced, kept)?;
    done(&aliases)
}

fn refusal(name: &ModelName, champion: &ModelName, comparison: Option<&Comparison>) -> String {
    match comparison {
        Some(_) => format!(
            "{name} does not replace {champion}: the gate has not passed. Let it be scored for longer, or insist with \
             `--force --reason WHY`, which the history keeps"
        ),
        None => format!(
            "{name} does not replace {champion} without evidence. Give `--shadow FILE` (models.json in the storage of a \
             `foreshift run` that scored it), `--scores FILE.csv`, or `--replay JOURNAL-OR-CSV`; or insist with \
             `--force --reason WHY`, which the history keeps"
        ),
    }
}

fn tell(comparison: &Comparison, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        println!("{}", serde_json::to_string_pretty(comparison)?);
    } else {
        println!("the gate has {comparison}");
    }
    Ok(())
}

/// Arguments of `models challenge`.
#[derive(ClapArgs)]
pub(super) struct ChallengeArgs {
    /// The version to be scored in the champion's shadow.
    name: ModelName,
    #[command(flatten)]
    by: ByArgs,
}

pub(super) fn challenge(registry: &Registry, args: &ChallengeArgs) -> anyhow::Result<()> {
    done(&registry.challenge(&args.name, &args.by.by("to be scored in the shadow"))?)
}

/// Arguments of `models withdraw` and `models rollback`.
#[derive(ClapArgs)]
pub(super) struct ScaleArgs {
    /// The scale.
    #[arg(default_value = "live")]
    scale: String,
    #[command(flatten)]
    by: ByArgs,
}

pub(super) fn withdraw(registry: &Registry, args: &ScaleArgs) -> anyhow::Result<()> {
    done(&registry.withdraw(&args.scale, &args.by.by("no longer of interest"))?)
}

pub(super) fn roll_back(registry: &Registry, args: &ScaleArgs) -> anyhow::Result<()> {
    let reason = args
        .by
        .reason
        .as_deref()
        .context("say why with --reason: the history keeps it")?;
    done(&registry.roll_back(&args.scale, None, &args.by.by(reason))?)
}

/// What was changed, which is the newest of the history.
fn done(aliases: &Aliases) -> anyhow::Result<()> {
    aliases
        .history
        .last()
        .into_iter()
        .for_each(|change| println!("{}", told(change)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use foreshift_domain::{Digest, Duration};
    use foreshift_predict::Model;
    use foreshift_registry::{Manifest, RegistryError, Release};

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        promote: PromoteArgs,
    }

    /// A registry with two versions of `live`, the first one champion.
    fn two() -> (tempfile::TempDir, Registry) {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::create(dir.path()).unwrap();
        for _ in 0..2 {
            let add = |name: ModelName| -> Result<Release, RegistryError> {
                let model = Model::fresh(&name.to_string(), Digest::of(b""), Vec::new(), &[Duration::HOUR]);
                Ok(Release {
                    manifest: Manifest::of(name, &model, "a test", "nothing"),
                    model: model.to_json().unwrap().into_bytes(),
                    metrics: "null".to_owned(),
                    card: String::new(),
                })
            };
            registry.add("live", add).unwrap();
        }
        asked(&registry, &["live@1", "--reason", "the first"]).unwrap();
        (dir, registry)
    }

    fn asked(registry: &Registry, args: &[&str]) -> anyhow::Result<()> {
        let cli = Cli::try_parse_from([&["promote", "--actor", "ana"], args].concat())?;
        promote(registry, &cli.promote, true)
    }

    fn champion(registry: &Registry) -> String {
        registry.aliases().unwrap().champion["live"].to_string()
    }

    #[test]
    fn a_promotion_without_evidence_is_refused_and_a_forced_one_needs_a_reason_and_is_audited() {
        let (_dir, registry) = two();
        let refused = asked(&registry, &["live@2"]).unwrap_err().to_string();
        assert!(
            refused.contains("--shadow") && refused.contains("--force"),
            "{refused}"
        );
        assert!(asked(&registry, &["live@2", "--force"]).is_err());
        assert_eq!(champion(&registry), "live@1");
        asked(&registry, &["live@2", "--force", "--reason", "an emergency"]).unwrap();
        assert_eq!(champion(&registry), "live@2");
        let history = registry.aliases().unwrap().history;
        let last = history.last().unwrap();
        assert!(last.forced && last.who == "ana" && last.reason == "an emergency");
    }

    #[test]
    fn what_a_shadow_gathered_promotes_the_pair_it_compared_and_only_once_the_gate_passed() {
        let (dir, registry) = two();
        let path = dir.path().join("shadow.json");
        let write = |challenger: &str, passed: bool| {
            let served = |name: &str| serde_json::json!({"version": {"name": name, "rows_learned": 1}, "digest": Digest::default(), "simulated": false});
            let comparison = Comparison {
                passed,
                ..Comparison::default()
            };
            let models = serde_json::json!({
                "champion": served("live@1"),
                "challenger": {"model": served(challenger), "since": 0, "comparison": comparison},
            });
            std::fs::write(&path, models.to_string()).unwrap();
        };
        let file = path.to_str().unwrap();
        write("live@2", false);
        let refused = asked(&registry, &["live@2", "--shadow", file])
            .unwrap_err()
            .to_string();
        assert!(refused.contains("has not passed"), "{refused}");
        write("live@3", true);
        let refused = asked(&registry, &["live@2", "--shadow", file])
            .unwrap_err()
            .to_string();
        assert!(refused.contains("compares live@3"), "{refused}");
        write("live@2", true);
        asked(&registry, &["live@2", "--shadow", file]).unwrap();
        assert_eq!(champion(&registry), "live@2");
        let history = registry.aliases().unwrap().history;
        let last = history.last().unwrap();
        assert!(
            !last.forced
                && last
                    .evidence
                    .as_ref()
                    .is_some_and(|evidence| evidence["passed"] == true)
        );
    }
}
