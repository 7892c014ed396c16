//! Commands that change or show what a host holds: sent to the host where one runs, done here where none does.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Common;
use super::data::Running;
use crate::clock::{Clock, Random};
use crate::flow::operator::{Command, Operator};
use crate::outbound::{Door, Networks};

/// Does the command and reads its answer.
pub(super) fn ask<T: DeserializeOwned>(common: &Common, command: Command) -> anyhow::Result<T> {
    let directory = common.directory();
    let answer = match directory.host()? {
        Ok(running) => {
            let token = directory.admin_token(Random)?;
            super::block_on(post(&running, &token, "/admin/v1/command", &command))?
        }
        Err(_lock) => {
            let config = directory.config()?;
            let store = Arc::new(directory.open_store(Random)?);
            let device_page = config.device_page(config.listen.public, config.listen.device);
            let algorithms = config.keys.algorithms.clone();
            let folder = directory.path().join(&config.plugins.folder);
            let operator = Operator::offline(store, Clock::System, Random, device_page, algorithms, directory.seal(Random)?, folder);
            super::block_on(async { Ok(operator.execute(command).await?) })?
        }
    };
    serde_json::from_value(answer).context("the host answered something else than expected; is it of another version?")
}

/// Asks a running host for a link to its console.
pub(super) fn console_link(common: &Common) -> anyhow::Result<String> {
    let directory = common.directory();
    let Ok(running) = directory.host()? else {
        bail!("the host does not run.\n  do: ciba-host serve --data {}", directory.path().display())
    };
    let token = directory.admin_token(Random)?;
    let answer = super::block_on(post(&running, &token, "/admin/v1/console-link", &Value::Null))?;
    let token = answer["token"].as_str().context("the host gave no token")?;
    Ok(format!("http://{}/#login={token}", running.admin))
}

async fn post(running: &Running, token: &str, path: &str, body: &impl Serialize) -> anyhow::Result<Value> {
    let client = Door::new(Networks::default()).client::<Full<Bytes>>();
    let request = Request::post(format!("http://{}{path}", running.admin))
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(serde_json::to_vec(body)?)))?;
    let response =
        client.send(request).await.with_context(|| format!("the host (process {}) does not answer on {}", running.pid, running.admin))?;
    let status = response.status();
    let answer: Value =
        serde_json::from_slice(&response.into_body().collect().await?.to_bytes()).context("the host's answer is not JSON")?;
    if !status.is_success() {
        bail!("{}", answer["error"].as_str().unwrap_or("the host refused without a reason"));
    }
    Ok(answer)
}
