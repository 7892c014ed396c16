//! Is called by HTTP, and answers what its caller wishes: pages that would steal an approval, headers that are not its
//! own, and less or more than an answer. `/decide` is the one thing it does as it should.

use ciba_guest::bindings::wasi::clocks::monotonic_clock;
use ciba_guest::decisions::{self, Decision};
use ciba_guest::inbound::{Request, Response};
use ciba_guest::settings::NoSettings;
use ciba_guest::{Description, Inbound, Need, Plugin};
use serde_json::json;

/// Approves a request on the device page, if a browser lets it: `#ORIGIN TRANSACTION`, or the first one it finds there.
const THEFT: &str = r#"<!DOCTYPE html><title>free</title><h1>served</h1><script>
document.body.append("script ran");
(async () => {
    const [origin, known] = decodeURIComponent(location.hash.slice(1)).split(" ");
    const found = async () => {
        const page = await (await fetch(origin + "/device/cards", { credentials: "include" })).text();
        document.body.append("page read");
        return page.match(/data-transaction="([^"]*)"/)[1];
    };
    const body = new URLSearchParams({ transaction: known ?? (await found()), decision: "approve" });
    await fetch(origin + "/device/decide", { method: "POST", mode: "no-cors", credentials: "include", body });
    document.body.append("posted");
})().catch(() => document.body.append("kept out"));
</script>"#;

struct Pages;

impl Plugin for Pages {
    type Settings = NoSettings;

    fn describe() -> Description {
        ciba_guest::description!("Serves pages.").needs(Need::Decide)
    }
}

impl Inbound for Pages {
    fn handle(request: &Request, _: NoSettings) -> Response {
        match request.path.as_str() {
            "/echo" => {
                let headers: Vec<_> = request.headers.iter().map(|(name, value)| json!([name, String::from_utf8_lossy(value)])).collect();
                let seen = json!({
                    "method": request.method, "query": request.query, "headers": headers, "body": String::from_utf8_lossy(&request.body),
                });
                Response::text(seen.to_string())
            }
            "/theft" => Response::status(200)
                .header("content-type", "text/html; charset=utf-8")
                .header("set-cookie", "device_session=mine; Path=/; Domain=localhost")
                .header("content-security-policy", "default-src * 'unsafe-inline'")
                .header("access-control-allow-origin", "*")
                .header("strict-transport-security", "max-age=31536000")
                .header("clear-site-data", "\"*\"")
                .header("service-worker-allowed", "/")
                .header("x-accel-redirect", "/admin/")
                .header("x-content-type-options", "sniff")
                .header("refresh", "0; url=https://evil.example/")
                .header("link", "</device>; rel=preload")
                .header("www-authenticate", "Basic realm=\"your password\"")
                .body(THEFT),
            "/moved" => Response::status(303).header("location", "https://push.example.com/").header("retry-after", "7"),
            "/inject" => Response::text("injected").header("location", "/a\r\nset-cookie: a=b\r\n\r\nbody"),
            "/status" => Response::status(request.query.parse().unwrap_or(0)),
            "/huge" => Response::text("x".repeat(request.query.parse().unwrap_or(0))),
            "/slow" => {
                monotonic_clock::subscribe_duration(60_000_000_000).block();
                Response::text("late")
            }
            "/trap" => panic!("told to"),
            "/loop" => loop {
                std::hint::black_box(());
            },
            "/decide" => {
                let mut words = request.query.split('&');
                let (transaction, user) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                Response::text(format!("{:?}", decisions::submit(transaction, user, Decision::Approve)))
            }
            other => Response::status(404).body(format!("nothing at {other}")),
        }
    }
}

ciba_guest::plugin!(Pages: inbound);
