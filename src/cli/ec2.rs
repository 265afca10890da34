//! The user-data of the EC2 instance that windlass runs on.

use super::{Refusal, Settings, block_on, until_interrupted};
use crate::manifest::{self, UserData};
use crate::model::HttpUrl;
use crate::registry::{self, RetryPolicy};

/// Where the metadata service is, in the name that AWS's own tools heed.
const ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const DEFAULT_ENDPOINT: &str = "http://169.254.169.254";

/// Reads the user-data, and what it is.
pub(super) fn user_data(settings: &Settings) -> anyhow::Result<UserData> {
    let endpoint = settings.environment.get(ENDPOINT).filter(|text| !text.is_empty()).unwrap_or(DEFAULT_ENDPOINT);
    let endpoint: HttpUrl =
        endpoint.parse().map_err(|error| Refusal::usage(format!("`{ENDPOINT}`: this is {error}")))?;
    // The next look comes soon where there is one, and at boot the network may be a moment late.
    let retry = RetryPolicy { attempts: 3, ..RetryPolicy::default() };
    let read = async { Ok(registry::user_data(&endpoint, retry).await?) };
    match block_on(until_interrupted(settings, read))? {
        Some(bytes) => Ok(manifest::user_data(&bytes)?),
        None => {
            let hint = "give it some, or leave `--ec2` away (`aws=true` in dockerup.conf)";
            Err(Refusal::usage_with_hint("the instance has no user-data", hint).into())
        }
    }
}
