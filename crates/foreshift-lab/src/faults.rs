//! `foreshift-lab faults`: what truly went wrong in simulated fleets, for `evaluate --faults`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args as ClapArgs;
use foreshift_sim::FleetSpec;

/// Arguments of `foreshift-lab faults`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The seed of the first fleet, as given to extract; further ones count up.
    #[arg(long, value_name = "SEED")]
    fleet_seed: u64,
    /// How many fleets.
    #[arg(long, default_value_t = 1)]
    fleets: u64,
    /// Hours of each fleet.
    #[arg(long, default_value_t = 6)]
    hours: u32,
    /// Targets of each fleet.
    #[arg(long, default_value_t = 24)]
    targets: usize,
    /// Where to write them: `target,kind,onset,end,abrupt`, targets named as extract names them.
    #[arg(short, long, value_name = "CSV")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut writer =
        csv::Writer::from_path(&args.out).with_context(|| format!("cannot write {}", args.out.display()))?;
    writer.write_record(["target", "kind", "onset", "end", "abrupt"])?;
    for seed in args.fleet_seed..args.fleet_seed.saturating_add(args.fleets) {
        let spec = FleetSpec {
            seed,
            hours: args.hours,
            targets: args.targets,
        };
        for fault in spec.recording().faults {
            writer.write_record([
                format!("fleet-{seed}/{}", fault.target),
                fault.kind.as_str().to_owned(),
                fault.onset.as_secs_f64().to_string(),
                fault.end.as_secs_f64().to_string(),
                fault.precursor_start.is_none().to_string(),
            ])?;
        }
    }
    writer.flush()?;
    Ok(())
}
