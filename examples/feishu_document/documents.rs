//! The text of a user's document, with the user's token: Feishu's `docx/v1`.

use std::time::Duration;

use identity_client::{AccessToken, Error, agentkit::Trouble};
use identity_examples::{bounded, without_redirects};
use serde::Deserialize;
use url::Url;

use crate::AnyError;

/// Where Feishu serves it.
pub(crate) const FEISHU: &str = "https://open.feishu.cn";

/// A longer text is not worth a summary of two sentences.
const LIMIT: usize = 4 << 20;

pub(crate) struct Documents {
    http: reqwest::Client,
    origin: Url,
}

/// Feishu's envelope: whatever the status, `code` 0 alone is success.
#[derive(Deserialize)]
struct Answer {
    code: i64,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    content: String,
}

impl Documents {
    pub(crate) fn at(origin: &str) -> Result<Self, AnyError> {
        Ok(Self { http: without_redirects()?, origin: origin.parse()? })
    }

    pub(crate) fn url(&self, id: &str) -> Result<Url, AnyError> {
        let mut url = self.origin.clone();
        let path = ["open-apis", "docx", "v1", "documents", id, "raw_content"];
        url.path_segments_mut().map_err(|()| "the API's address has no path")?.clear().extend(path);
        Ok(url)
    }

    pub(crate) async fn raw_content(&self, id: &str, access_token: &AccessToken) -> Result<String, AnyError> {
        let mut request = self.http.get(self.url(id)?).timeout(Duration::from_secs(30)).build()?;
        access_token.apply(&mut request)?;
        let answer = self.http.execute(request).await?;
        let status = answer.status();
        if status == reqwest::StatusCode::UNAUTHORIZED {
            // The next call gets a fresh one, or asks the user again.
            return Err(Error::credential_rejected(access_token).into());
        }
        match serde_json::from_slice(&bounded(answer, LIMIT).await?) {
            Ok(Answer { code: 0, data: Some(data) }) => Ok(data.content),
            _ if status == reqwest::StatusCode::NOT_FOUND => Err("there is no such document".into()),
            Ok(Answer { code, .. }) => Err(refused(status, Some(code)).into()),
            Err(_) => Err(refused(status, None).into()),
        }
    }
}

fn refused(status: reqwest::StatusCode, code: Option<i64>) -> Error {
    let (provider, status) = ("feishu_oauth".to_owned(), status.as_u16());
    Trouble::Downstream { provider, status, code: code.map(|code| code.to_string()) }.into()
}
