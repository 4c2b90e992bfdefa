//! Whoever was told that an incident began is told of its end, whatever becomes of routes and of room.

use serde_json::json;

use super::{channel, route, to, told, wait_for};
use crate::receiver::Receiver;
use crate::server::Server;

#[test]
fn an_end_is_told_also_where_no_route_leads_to_the_channel_any_more() {
    let (receiver, other) = (Receiver::new(), Receiver::new());
    let server = Server::with(&to(&receiver));
    for key in ["a", "b"] {
        server.alert(json!({ "title": key, "dedup_key": key }));
        assert_eq!(told(&receiver).1, format!("[SEV2] {key}"));
    }
    wait_for(&server, "id = 2 AND standing = 1");
    let head = format!("{}{}{}", crate::server::HEAD, crate::server::SERVICES, crate::server::PROD);
    let hook = channel("hook", &receiver);
    server.reload(&format!("{head}{hook}{}{}", channel("other", &other), route("other")));
    server.alert(json!({ "title": "a", "dedup_key": "a", "status": "resolved" }));
    assert_eq!(told(&receiver).1, "[resolved] a");
    server.reload(&format!("{head}{hook}"));
    server.alert(json!({ "title": "b", "dedup_key": "b", "status": "resolved" }));
    assert_eq!(told(&receiver).1, "[resolved] b", "nor is there any other route");
}
