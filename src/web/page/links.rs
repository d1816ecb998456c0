//! Links within the page.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but what never has a meaning of its own (RFC 3986, section 2.3).
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// `/check?name=billing%20api`; what is empty is left out.
pub fn link(path: &str, values: &[(&str, &str)]) -> String {
    let mut link = path.to_owned();
    for (key, value) in values.iter().filter(|(_, value)| !value.is_empty()) {
        link.push(if link.contains('?') { '&' } else { '?' });
        link.push_str(key);
        link.push('=');
        link.push_str(&quoted(value));
    }
    link
}

pub fn check(name: &str) -> String {
    link("/check", &[("name", name)])
}

pub fn failing(name: &str) -> String {
    link("/check", &[("name", name), ("state", "failing")])
}

/// The target of a check that is its own target has no name.
pub fn target(check: &str, target: &str) -> String {
    format!("{}&target={}", link("/target", &[("check", check)]), quoted(target))
}

pub fn incident(number: u64) -> String {
    format!("/incident?number={number}")
}

/// A part of a path or a query, whatever stands in it.
pub fn quoted(text: &str) -> String {
    utf8_percent_encode(text, QUOTED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_hold_any_name() {
        assert_eq!(check("billing \"api\"/ж&x=1"), "/check?name=billing%20%22api%22%2F%D0%B6%26x%3D1");
        assert_eq!(target("this machine", ""), "/target?check=this%20machine&target=");
        assert_eq!(quoted("a-b_c.d~e+f*g\0"), "a-b_c.d~e%2Bf%2Ag%00");
        assert_eq!(link("/incidents", &[("check", ""), ("state", "open")]), "/incidents?state=open");
    }
}
