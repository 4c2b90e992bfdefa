//! Forms: names and values, urlencoded or in parts.

use memchr::memmem;

use super::message::plain;

/// The fields of an urlencoded form or a query.
pub(super) fn urlencoded(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).map(|(name, value)| (plain(&name), plain(&value))).collect()
}

/// The fields of a `multipart/form-data` body; `None`: it is none.
pub(super) fn multipart(content_type: &str, body: &[u8]) -> Option<Vec<(String, String)>> {
    let boundary = parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty())?;
    let delimiter = format!("--{boundary}");
    // One stands at the beginning of a line; what looks like it elsewhere is text.
    let begins_line = |at: &usize| *at == 0 || body[..*at].ends_with(b"\r\n");
    let mut delimiters = memmem::find_iter(body, &delimiter).filter(begins_line);
    let mut begin = delimiters.next()? + delimiter.len();
    let mut fields = Vec::new();
    while !body[begin..].starts_with(b"--") {
        let end = delimiters.next()?;
        let part = body.get(begin..end - 2)?.strip_prefix(b"\r\n")?;
        let head_end = memmem::find(part, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&part[..head_end]);
        let disposition = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
        });
        let name = parameter(disposition?, "name")?;
        fields.push((plain(&name), plain(&String::from_utf8_lossy(&part[head_end + 4..]))));
        begin = end + delimiter.len();
    }
    Some(fields)
}

/// A parameter of a header's value, without its quotes.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let same = name.trim().eq_ignore_ascii_case(wanted);
        same.then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_form_are_its_fields() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nmy --x title\r\n--x\r\n\
                    content-disposition:form-data;name=message\r\nContent-Type: text/plain\r\n\r\na\r\n\r\nb\r\n--x--\r\n";
        let fields = multipart("multipart/form-data; boundary=\"x\"", body.as_bytes()).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(fields, [pair("title", "my --x title"), pair("message", "a\r\n\r\nb")]);
        assert_eq!(multipart("multipart/form-data; boundary=x", b"--x--").unwrap(), []);
    }

    #[test]
    fn what_is_no_such_form_is_none_wherever_it_ends() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--";
        let read = |body: &[u8]| multipart("multipart/form-data; boundary=x", body);
        assert!(read(body).is_some());
        for end in 0..body.len() {
            assert_eq!(read(&body[..end]), None, "{end}");
        }
        assert_eq!(read(b"--x--x--x\r\n--x"), Some(vec![]));
        assert_eq!(read(b"--x\r\n--x--"), None);
        for content_type in ["multipart/form-data", "multipart/form-data; boundary="] {
            assert_eq!(multipart(content_type, body), None);
        }
    }
}
