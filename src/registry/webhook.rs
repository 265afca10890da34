//! Tells a web server something, for those who want to know.

use reqwest::Url;
use reqwest::header::CONTENT_TYPE;

use super::{DownloadError, Registry};
use crate::model::HttpUrl;

impl Registry {
    /// Posts JSON to an address. Once: who is told twice has to be told what is new.
    ///
    /// # Errors
    /// When the server does not answer in time, or not with a status from 200 to 299.
    pub async fn tell(&self, url: &HttpUrl, json: String) -> Result<(), DownloadError> {
        let shown = || url.without_query().to_owned();
        let refused = |why: String| DownloadError::Refused { url: shown(), why };
        let transport = self.session().transport();
        let to = Url::parse(url.as_str()).map_err(|error| refused(error.to_string()))?;
        let request = transport.client_for(&to).map_err(refused)?.post(to).header(CONTENT_TYPE, "application/json");
        let answer = transport.in_time(request.body(json).send()).await;
        let answer = answer.map_err(|why| DownloadError::Unreachable { url: shown(), why })?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(refused(format!("the server answers {}", answer.status())))
        }
    }
}
