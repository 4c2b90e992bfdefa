//! The list of incidents from one time to another, as a browser without a script asks for it.

use serde_json::json;

use crate::pages::{done, look, numbers};
use crate::server::{HOUR, MINUTE, Server};

/// What a field of the form is made with.
fn field<'a>(page: &'a str, name: &str) -> &'a str {
    let from = page.find(&format!("<input type=\"datetime-local\" name=\"{name}\"")).unwrap();
    page[from..].split('>').next().unwrap()
}

#[test]
fn a_range_is_asked_for_as_the_api_takes_it() {
    let server = Server::new();
    for _ in 0..4 {
        server.alert(json!({}));
        server.advance(HOUR);
    }
    // As a form sends it: what is empty is there too.
    let sent = "/?service_id=&since=&created_after=2026-11-23T09%3A00&created_before=2026-11-23T10%3A30%3A01.5&sort=severity";
    let asked =
        "/?created_after=2026-11-23T09%3A00%3A00Z&created_before=2026-11-23T10%3A30%3A01.500Z&sort=severity";
    done(&look(&server, sent), asked);
    let page = look(&server, asked);
    assert_eq!(numbers(&page), [3, 2]);
    assert_eq!(server.list(&format!("{}&status=new", &asked[2..])), [3, 2]);
    for part in [
        "<span>Created after<i data-utc> (UTC)</i></span>",
        "created after: <time datetime=\"2026-11-23T09:00:00.000Z\" data-exact>2026-11-23 09:00:00 UTC</time>",
        "created before: <time datetime=\"2026-11-23T10:30:01.500Z\"",
        "href=\"&#x2f;?created_before=2026-11-23T10%3A30%3A01.500Z&amp;sort=severity\"><bdi>created after",
        "<details class=\"more\" open>",
    ] {
        assert!(page.text.contains(part), "{part} in {}", page.text);
    }
    let from = field(&page.text, "created_after");
    assert!(from.contains("value=\"2026-11-23T09:00\" step=\"60\""), "{from}");
    let to = field(&page.text, "created_before");
    assert!(to.contains("value=\"2026-11-23T10:30:01.500\" step=\"0.001\""), "{to}");
    // With an offset it is the API's already.
    let page = look(&server, "/?created_after=2026-11-23T11:00:00%2B01:00");
    assert_eq!((page.status, numbers(&page)), (200, vec![4, 3]));
    assert!(field(&page.text, "created_after").contains("value=\"2026-11-23T10:00\""), "{}", page.text);
}

#[test]
fn a_range_and_a_preset_hold_both() {
    let server = Server::new();
    for _ in 0..4 {
        server.alert(json!({}));
        server.advance(20 * MINUTE);
    }
    for (query, expected) in [
        ("since=1h", &[4, 3, 2][..]),
        ("since=1h&created_after=2026-11-23T08:30:00Z", &[4, 3]),
        ("since=1h&created_after=2026-11-23T08:00:00Z", &[4, 3, 2]),
        ("since=1h&created_before=2026-11-23T08:30:00Z", &[2]),
        ("since=24h&created_after=2026-11-23T08:10:00Z&created_before=2026-11-23T08:30:00Z", &[2]),
    ] {
        assert_eq!(numbers(&look(&server, &format!("/?{query}"))), expected, "{query}");
    }
}

#[test]
fn a_range_that_is_none_is_told_and_stays_to_be_put_right() {
    let server = Server::new();
    server.alert(json!({}));
    let after = "created_after=2026-11-23T09:00:00Z&created_before=2026-11-23T08:00:00Z";
    for (query, problem, wrong) in [
        ("created_after=yesterday", "created_after must be a time", "created_after"),
        ("created_before=2026-02-30T08:00", "created_before must be a time", "created_before"),
        (after, "created_before must not be earlier than created_after", ""),
    ] {
        let page = look(&server, &format!("/?{query}"));
        assert_eq!((page.status, numbers(&page)), (200, vec![1]), "{query}");
        assert!(page.text.contains(problem), "{query}: {}", page.text);
        for name in ["created_after", "created_before"] {
            assert_eq!(field(&page.text, name).contains("aria-invalid"), name == wrong, "{query}: {name}");
        }
    }
    let page = look(&server, "/?created_after=yesterday");
    assert!(page.text.contains("<bdi>created after: yesterday</bdi>"), "{}", page.text);
}

#[test]
fn the_last_hour_is_paged_while_it_moves_on() {
    let server = Server::new();
    for _ in 0..60 {
        server.alert(json!({}));
    }
    let page = look(&server, "/?since=1h");
    assert_eq!(numbers(&page), (11..=60).rev().collect::<Vec<_>>());
    let next = page.text.split("href=\"").find(|link| link.contains("rel=\"next\"")).unwrap();
    let next = next.split('"').next().unwrap().replace("&#x2f;", "/").replace("&amp;", "&");
    server.advance(MINUTE);
    let page = look(&server, &next);
    assert!(!page.text.contains("role=\"alert\""), "{}", page.text);
    assert_eq!(numbers(&page), (1..=10).rev().collect::<Vec<_>>());
}
