//! What operators ask for, as it is written on the command line.

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use foreshift_domain::command::{Action, Verdict};
use foreshift_domain::prediction::PredictionId;
use foreshift_domain::weights::Version;
use foreshift_domain::{Duration, RouteName, TargetName};
use foreshift_serve::client::Expiry;

use super::connect::ConnectArgs;
use super::output::OutputArgs;
use super::values::{self, Moment, wall_clock};

/// What every order carries.
#[derive(Args, Clone, Debug)]
pub(crate) struct OrderArgs {
    /// Why; recorded with the decision
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: String,
    /// The same id is carried out once: repeat an order whose answer was lost with the id it had
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,
    /// Refuse unless the route is still at this version, such as 7.41
    #[arg(long, value_name = "VERSION", value_parser = values::version)]
    pub(crate) expect_version: Option<Version>,
    /// For whom; who asked is known from the credentials
    #[arg(long, value_name = "NAME")]
    pub(crate) on_behalf_of: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

/// An order, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) action: Action,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) with: OrderArgs,
}

impl OrderArgs {
    fn order(&self, action: Action, lasts: Option<Duration>) -> Order {
        Order {
            action,
            expiry: lasts.map(Expiry::In),
            with: self.clone(),
        }
    }
}

fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say why in a few words".to_owned()),
        text => Ok(text.to_owned()),
    }
}

#[derive(Args)]
#[command(
    after_help = "Example: foreshift pin chat openai=70% anthropic=30% --for 30m --reason 'INC-17 quota'"
)]
pub(crate) struct PinArgs {
    /// The route
    route: String,
    /// Shares, which make 100%; targets that are left out get 0%
    #[arg(required = true, value_name = "TARGET=SHARE", value_parser = values::share)]
    weights: Vec<(TargetName, u32)>,
    /// How long; afterwards the route is planned again
    #[arg(long = "for", value_name = "SPAN", value_parser = values::span)]
    lasts: Duration,
    #[command(flatten)]
    with: OrderArgs,
}

impl PinArgs {
    pub(crate) fn order(&self) -> anyhow::Result<Order> {
        values::whole(&self.weights).map_err(anyhow::Error::msg)?;
        let action = Action::Pin {
            route: self.route.as_str().into(),
            weights: self.weights.clone(),
        };
        Ok(self.with.order(action, Some(self.lasts)))
    }
}

#[derive(Args)]
pub(crate) struct UnpinArgs {
    /// The route
    route: String,
    #[command(flatten)]
    with: OrderArgs,
}

impl UnpinArgs {
    pub(crate) fn order(&self) -> anyhow::Result<Order> {
        Ok(self.with.order(
            Action::Unpin {
                route: self.route.as_str().into(),
            },
            None,
        ))
    }
}

#[derive(Args)]
pub(crate) struct FreezeArgs {
    /// The route; without one, all routes
    route: Option<String>,
    /// How long
    #[arg(long = "for", value_name = "SPAN", value_parser = values::span)]
    lasts: Duration,
    #[command(flatten)]
    with: OrderArgs,
}

impl FreezeArgs {
    pub(crate) fn order(&self) -> anyhow::Result<Order> {
        let route = self.route.as_deref().map(RouteName::from);
        Ok(self.with.order(Action::Freeze { route }, Some(self.lasts)))
    }
}

#[derive(Args)]
pub(crate) struct UnfreezeArgs {
    /// The route; without one, the freeze of all routes is ended
    route: Option<String>,
    #[command(flatten)]
    with: OrderArgs,
}

impl UnfreezeArgs {
    pub(crate) fn order(&self) -> anyhow::Result<Order> {
        let route = self.route.as_deref().map(RouteName::from);
        Ok(self.with.order(Action::Unfreeze { route }, None))
    }
}

#[derive(Args)]
#[command(
    override_usage = "foreshift mode <ROUTE> <off|shadow|recommend|auto> --reason <TEXT>\n       \
                      foreshift mode --all <off|shadow|recommend|auto> --reason <TEXT>",
    after_help = "off: predicts only. shadow: plans and records. recommend: plans and asks people. auto: acts."
)]
pub(crate) struct ModeArgs {
    /// The route, and its mode
    #[arg(required = true, num_args = 1..=2, value_names = ["ROUTE", "MODE"])]
    words: Vec<String>,
    /// All configured routes
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    with: OrderArgs,
}

impl ModeArgs {
    pub(crate) fn order(&self) -> anyhow::Result<Order> {
        let (route, mode) = match (self.all, self.words.as_slice()) {
            (true, [mode]) => (None, mode),
            (false, [route, mode]) => (Some(route.as_str().into()), mode),
            _ => bail!("write `foreshift mode ROUTE MODE`, or `foreshift mode --all MODE`"),
        };
        let mode = values::mode(mode).map_err(anyhow::Error::msg)?;
        Ok(self.with.order(Action::SetMode { route, mode }, None))
    }
}

#[derive(Args)]
pub(crate) struct BaselineArgs {
    #[command(subcommand)]
    what: BaselineWhat,
}

#[derive(Subcommand)]
enum BaselineWhat {
    /// Confirm the baseline of a discovered route: from then on it may leave shadow
    Confirm {
        /// The route
        route: String,
        /// Shares at rest, which make 100%
        #[arg(required = true, value_name = "TARGET=SHARE", value_parser = values::share)]
        baseline: Vec<(TargetName, u32)>,
        #[command(flatten)]
        with: OrderArgs,
    },
}

impl BaselineArgs {
    pub(crate) fn order(&self) -> anyhow::Result<Order> {
        let BaselineWhat::Confirm {
            route,
            baseline,
            with,
        } = &self.what;
        values::whole(baseline).map_err(anyhow::Error::msg)?;
        let action = Action::ConfirmBaseline {
            route: route.as_str().into(),
            baseline: baseline.clone(),
        };
        Ok(with.order(action, None))
    }
}

#[derive(Args)]
#[command(
    after_help = "Example: foreshift incident openai --start 20m --end 5m --reason 'INC-17: provider outage'"
)]
pub(crate) struct IncidentArgs {
    /// The target
    target: String,
    /// Its beginning: a time, or how long ago
    #[arg(long, value_name = "TIME")]
    start: Moment,
    /// Its end: a time, or how long ago; without one it lasts
    #[arg(long, value_name = "TIME")]
    end: Option<Moment>,
    #[command(flatten)]
    with: OrderArgs,
}

impl IncidentArgs {
    pub(crate) fn order(&self) -> anyhow::Result<Order> {
        let now = wall_clock();
        let start = self.start.before(now);
        let end = self.end.map(|end| end.before(now));
        if end.is_some_and(|end| end <= start) {
            bail!("the incident ends before it begins");
        }
        let action = Action::MarkIncident {
            target: self.target.as_str().into(),
            start,
            end,
        };
        Ok(self.with.order(action, None))
    }
}

#[derive(Args)]
pub(crate) struct VerdictArgs {
    /// The prediction, as `foreshift explain` names it: target@unix_ms
    prediction: PredictionId,
    /// What it was
    verdict: Judgement,
    #[command(flatten)]
    with: OrderArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Judgement {
    /// The incident came
    Confirmed,
    /// It did not
    FalseAlarm,
    /// It came and was planned
    Expected,
    /// Somebody looked
    Reviewed,
    /// An incident came that it did not announce
    Missed,
}

impl VerdictArgs {
    pub(crate) fn order(&self) -> anyhow::Result<Order> {
        let verdict = match self.verdict {
            Judgement::Confirmed => Verdict::Confirmed,
            Judgement::FalseAlarm => Verdict::FalseAlarm,
            Judgement::Expected => Verdict::Expected,
            Judgement::Reviewed => Verdict::Reviewed,
            Judgement::Missed => Verdict::Missed,
        };
        let action = Action::Verdict {
            prediction: self.prediction.clone(),
            verdict,
        };
        Ok(self.with.order(action, None))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use foreshift_domain::fallback::Mode;

    use super::*;

    #[derive(Parser)]
    struct ModeLine {
        #[command(flatten)]
        args: ModeArgs,
    }

    fn mode(line: &str) -> anyhow::Result<Action> {
        let line = ModeLine::parse_from(format!("x {line} --reason why").split(' '));
        line.args.order().map(|order| order.action)
    }

    #[test]
    fn a_mode_is_for_one_route_or_for_all_and_never_for_all_by_accident() {
        let one = Action::SetMode {
            route: Some("chat".into()),
            mode: Mode::Auto,
        };
        assert_eq!(mode("chat auto").unwrap(), one);
        assert_eq!(
            mode("--all shadow").unwrap(),
            Action::SetMode {
                route: None,
                mode: Mode::Shadow
            }
        );
        assert!(mode("auto").is_err() && mode("--all chat auto").is_err() && mode("chat fast").is_err());
    }

    #[derive(Parser)]
    struct PinLine {
        #[command(flatten)]
        args: PinArgs,
    }

    #[test]
    fn a_pin_whose_shares_make_no_whole_is_refused_here() {
        let pin = |line: &str| PinLine::parse_from(line.split(' ')).args.order();
        let order = pin("x chat a=70% b=30% --for 30m --reason why").unwrap();
        assert_eq!(order.expiry, Some(Expiry::In(Duration::from_secs(1_800))));
        assert!(pin("x chat a=70% b=20% --for 30m --reason why").is_err());
    }
}
