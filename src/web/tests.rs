use super::*;

#[test]
fn tokens_are_compared_whole() {
    assert!(is_same(b"abc", b"abc"));
    assert!(!is_same(b"abc", b"abd") && !is_same(b"ab", b"abc") && !is_same(b"", b"a"));
}
