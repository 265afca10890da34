//! Tells a refusal of what is wanted from one because of what somebody has just removed.

use super::{DockerHost, HostError, observe};
use crate::apply::step::Action;
use crate::docker::{containers, networks};

impl DockerHost {
    /// Whether something that an action works with is not there: the container, a network that it is on or comes onto, or
    /// the image of a new one.
    pub(super) async fn is_gone(&self, action: &Action) -> Result<bool, HostError> {
        let mut needed: Vec<String> = match action {
            Action::Create(creation) if self.image_id(&creation.image).await?.is_none() => return Ok(true),
            Action::Create(creation) => vec![creation.network.clone()],
            Action::Connect { network, .. } | Action::Reconnect { network, .. } => vec![network.clone()],
            _ => Vec::new(),
        };
        if let Some(name) = action.subject().filter(|_| !matches!(action, Action::Create(_))) {
            let Some(found) = containers::inspect(&self.docker, name).await? else { return Ok(true) };
            if !observe::is_elsewhere(&found) {
                let networks = found.network_settings.and_then(|settings| settings.networks);
                needed.extend(networks.into_iter().flatten().map(|(name, _)| name));
            }
        }
        if needed.is_empty() {
            return Ok(false);
        }
        let names: Vec<&str> = needed.iter().map(String::as_str).collect();
        let there = networks::networks(&self.docker, &names).await?;
        Ok(names.iter().any(|name| !there.contains_key(*name)))
    }
}
