//! Enumerations of the wire and of the domain, pairwise. What is unspecified or newer than this build is refused.

use foreshift_domain::command::Verdict;
use foreshift_domain::decision::Reason;
use foreshift_domain::fallback::{Mode, Role};
use foreshift_domain::signal::{EventKind, Health, OutcomeKind};

use crate::error::WireError;
use crate::v1;

/// Defines both directions for one enumeration; the exhaustive matches make a forgotten variant an error.
macro_rules! pair {
    ($function:ident, $domain:ident, [$($variant:ident),+ $(,)?]) => {
        impl From<$domain> for v1::$domain {
            fn from(value: $domain) -> Self {
                match value {
                    $($domain::$variant => Self::$variant,)+
                }
            }
        }

        /// The domain's value of a number on the wire.
        pub(crate) fn $function(field: &'static str, value: i32) -> Result<$domain, WireError> {
            match v1::$domain::try_from(value) {
                Ok(v1::$domain::Unspecified) => Err(WireError::Missing { field }),
                $(Ok(v1::$domain::$variant) => Ok($domain::$variant),)+
                Err(_) => Err(WireError::Unknown { field, value: value.to_string() }),
            }
        }
    };
}

pair!(
    outcome_kind,
    OutcomeKind,
    [
        Success,
        ClientError,
        ClientAbort,
        RateLimited,
        Overload,
        ServerError,
        Timeout,
        ConnectFailure,
        Reset,
        Truncated,
        Local,
    ]
);
pair!(health, Health, [Up, Degraded, Down]);
pair!(
    event_kind,
    EventKind,
    [Deploy, MaintenanceStart, MaintenanceEnd, ConfigChange, Scale]
);
pair!(mode, Mode, [Off, Shadow, Recommend, Auto]);
pair!(role, Role, [Primary, Secondary]);
pair!(
    reason,
    Reason,
    [
        Baseline,
        PredictedRisk,
        Degraded,
        HardDown,
        Restore,
        Pinned,
        Frozen,
        StaleHold,
        StaleDecay,
        NoTarget,
        HeldOut,
    ]
);
pair!(
    verdict,
    Verdict,
    [Confirmed, FalseAlarm, Expected, Reviewed, Missed]
);

/// Health where nothing may be known.
pub(crate) fn known_health(field: &'static str, value: i32) -> Result<Option<Health>, WireError> {
    if value == i32::from(v1::Health::Unspecified) {
        return Ok(None);
    }
    health(field, value).map(Some)
}

/// The number of a health that may be unknown.
pub(crate) fn health_number(health: Option<Health>) -> i32 {
    health.map_or(v1::Health::Unspecified, v1::Health::from).into()
}
