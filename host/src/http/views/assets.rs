//! The static files behind `GET /static/{file}`, compiled into the program.

/// One static file.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    pub name: &'static str,
    pub content_type: &'static str,
    pub body: &'static [u8],
}

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

macro_rules! asset {
    ($name:literal, $content_type:expr) => {
        Asset { name: $name, content_type: $content_type, body: include_bytes!(concat!("../../../ui/static/", $name)) }
    };
}

/// All of them.
pub static ALL: [Asset; 22] = [
    asset!("base.css", STYLE),
    asset!("device.css", STYLE),
    asset!("card.css", STYLE),
    asset!("answer.css", STYLE),
    asset!("outcome.css", STYLE),
    asset!("history.css", STYLE),
    asset!("demo.css", STYLE),
    asset!("behind.css", STYLE),
    asset!("console.css", STYLE),
    asset!("registry.css", STYLE),
    asset!("plugin.css", STYLE),
    asset!("device.js", SCRIPT),
    asset!("arming.js", SCRIPT),
    asset!("cards.js", SCRIPT),
    asset!("clock.js", SCRIPT),
    asset!("decide.js", SCRIPT),
    asset!("enrol.js", SCRIPT),
    asset!("demo.js", SCRIPT),
    asset!("strip.js", SCRIPT),
    asset!("console.js", SCRIPT),
    asset!("live.js", SCRIPT),
    asset!("icon.svg", IMAGE),
];

/// The file of this name.
#[must_use]
pub fn find(name: &str) -> Option<Asset> {
    ALL.into_iter().find(|asset| asset.name == name)
}
