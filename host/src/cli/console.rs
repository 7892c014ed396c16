//! `ciba-host console` and `ciba-host status`

use serde_json::{Value, json};

use super::{Common, ask, print};
use crate::flow::operator::Command;

pub(super) fn link(common: &Common) -> anyhow::Result<()> {
    let link = ask::console_link(common)?;
    if common.json {
        return print::json(&json!({ "link": link }));
    }
    println!("{link}");
    println!("Open it within 15 minutes. It works once.");
    Ok(())
}

pub(super) fn status(common: &Common) -> anyhow::Result<()> {
    let status: Value = ask::ask(common, Command::Status)?;
    if common.json {
        return print::json(&status);
    }
    if status["running"] != true {
        println!("not running.  do: ciba-host serve --data {}", common.data.display());
        return Ok(());
    }
    let plugins = &status["plugins"];
    println!(
        "running   process {}, for {} s, version {}",
        status["pid"],
        status["uptime_seconds"],
        status["version"].as_str().unwrap_or_default()
    );
    println!("issuer    {}", status["issuer"].as_str().unwrap_or_default());
    println!(
        "plugins   {} serving, {} blocked, {} refused, {} waiting",
        plugins["serving"], plugins["blocked"], plugins["refused"], plugins["waiting"]
    );
    Ok(())
}
