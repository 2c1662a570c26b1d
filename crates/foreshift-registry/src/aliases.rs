//! Which version is champion and which challenger on each scale, and who changed that.

use std::collections::BTreeMap;

use foreshift_domain::{Timestamp, rfc3339};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::RegistryError;
use crate::name::ModelName;

/// The format that this code writes and reads.
pub(crate) const FORMAT: u32 = 1;
/// Changes that are kept, the newest ones: promotions come by the month, and a rollback looks at the last few.
pub const MAX_HISTORY: usize = 1_000;
/// The longest name of a person and the longest reason, in bytes.
const MAX_SAID_BYTES: usize = 4_096;

/// `registry.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aliases {
    /// Version of this format.
    #[serde(default = "format")]
    pub format: u32,
    /// By scale: the version that serves.
    pub champion: BTreeMap<String, ModelName>,
    /// By scale: the version that is scored in its shadow.
    #[serde(default)]
    pub challenger: BTreeMap<String, ModelName>,
    /// What was changed, oldest first; the newest [`MAX_HISTORY`] are kept.
    #[serde(default)]
    pub history: Vec<Change>,
}

fn format() -> u32 {
    FORMAT
}

/// One change of an alias.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// When, RFC 3339.
    pub at: String,
    /// Who.
    pub who: String,
    /// Why.
    pub reason: String,
    /// What.
    pub kind: ChangeKind,
    /// The scale.
    pub scale: String,
    /// The version that held the alias before. Absence: none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ModelName>,
    /// The version that holds it now. Absence: none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ModelName>,
    /// Whether the gate had not passed, and a person insisted.
    #[serde(default)]
    pub forced: bool,
    /// What the gate said. Absence: it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Value>,
}

/// What a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Another version is scored in the champion's shadow, or none.
    Challenge,
    /// A version became champion.
    Promotion,
    /// The champion before serves again.
    Rollback,
}

/// Who makes a change, when and why.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// Who: a person, or `foreshift` itself on a drift alarm.
    pub who: &'a str,
    /// Why; never empty.
    pub reason: &'a str,
    /// When.
    pub at: Timestamp,
}

impl By<'_> {
    pub(crate) fn check(&self) -> Result<(), RegistryError> {
        let said = |text: &str| !text.trim().is_empty() && text.len() <= MAX_SAID_BYTES;
        if said(self.who) && said(self.reason) {
            return Ok(());
        }
        Err(RegistryError::Unsaid {
            limit: MAX_SAID_BYTES,
        })
    }
}

impl Aliases {
    /// The champion that a rollback of this scale leads to: what served before the promotion that is still in force.
    #[must_use]
    pub fn before(&self, scale: &str) -> Option<&ModelName> {
        let mut served = Vec::new();
        for change in self.history.iter().filter(|change| change.scale == scale) {
            match change.kind {
                ChangeKind::Promotion => served.push(change.from.as_ref()),
                ChangeKind::Rollback => {
                    served.pop();
                }
                ChangeKind::Challenge => {}
            }
        }
        served.pop().flatten()
    }

    /// The aliases that a version holds, such as `champion`.
    #[must_use]
    pub fn of(&self, name: &ModelName) -> Vec<&'static str> {
        let held = |by_scale: &BTreeMap<String, ModelName>| by_scale.get(name.scale()) == Some(name);
        let mut aliases = Vec::new();
        aliases.extend(held(&self.champion).then_some("champion"));
        aliases.extend(held(&self.challenger).then_some("challenger"));
        aliases
    }

    /// A version becomes the challenger of its scale.
    pub(crate) fn challenge(&mut self, name: ModelName, by: &By<'_>) -> Result<(), RegistryError> {
        let scale = name.scale().to_owned();
        for (by_scale, alias) in [(&self.champion, "champion"), (&self.challenger, "challenger")] {
            if by_scale.get(&scale) == Some(&name) {
                return Err(RegistryError::Already { name, alias });
            }
        }
        let from = self.challenger.insert(scale, name.clone());
        self.note(name.scale(), ChangeKind::Challenge, from, Some(name.clone()), by);
        Ok(())
    }

    /// The scale has no challenger any more.
    pub(crate) fn withdraw(&mut self, scale: &str, by: &By<'_>) -> Result<ModelName, RegistryError> {
        let from = self.challenger.remove(scale).ok_or(RegistryError::NoAlias {
            scale: scale.to_owned(),
            alias: "challenger",
            command: "challenge",
        })?;
        self.note(scale, ChangeKind::Challenge, Some(from.clone()), None, by);
        Ok(from)
    }

    /// A version becomes the champion of its scale; as challenger it is done.
    pub(crate) fn promote(
        &mut self,
        name: ModelName,
        by: &By<'_>,
        forced: bool,
        evidence: Option<Value>,
    ) -> Result<Option<ModelName>, RegistryError> {
        let scale = name.scale().to_owned();
        if self.champion.get(&scale) == Some(&name) {
            return Err(RegistryError::Already {
                name,
                alias: "champion",
            });
        }
        if self.challenger.get(&scale) == Some(&name) {
            self.challenger.remove(&scale);
        }
        let from = self.champion.insert(scale.clone(), name.clone());
        self.note(&scale, ChangeKind::Promotion, from.clone(), Some(name), by);
        if let Some(change) = self.history.last_mut() {
            (change.forced, change.evidence) = (forced, evidence);
        }
        Ok(from)
    }

    /// The champion before serves again.
    pub(crate) fn roll_back(&mut self, scale: &str, by: &By<'_>) -> Result<ModelName, RegistryError> {
        let before = self.before(scale).cloned().ok_or(RegistryError::NothingBefore {
            scale: scale.to_owned(),
        })?;
        if self.challenger.get(scale) == Some(&before) {
            self.challenger.remove(scale);
        }
        let from = self.champion.insert(scale.to_owned(), before.clone());
        self.note(scale, ChangeKind::Rollback, from, Some(before.clone()), by);
        Ok(before)
    }

    fn note(
        &mut self,
        scale: &str,
        kind: ChangeKind,
        from: Option<ModelName>,
        to: Option<ModelName>,
        by: &By<'_>,
    ) {
        self.history.push(Change {
            at: rfc3339::format(by.at),
            who: by.who.to_owned(),
            reason: by.reason.to_owned(),
            kind,
            scale: scale.to_owned(),
            from,
            to,
            forced: false,
            evidence: None,
        });
        let over = self.history.len().saturating_sub(MAX_HISTORY);
        self.history.drain(..over);
    }
}
