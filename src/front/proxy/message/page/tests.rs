use super::*;

#[test]
fn prefers() {
    use Language::{English, French};
    for (accepted, expected) in [
        (None, English),
        (Some("fr"), French),
        (Some("fr-CA, en;q=0.8"), French),
        (Some("en-GB,en;q=0.9,fr;q=0.8"), English),
        (Some("de, fr;q=0.5, en;q=0.4"), French),
        (Some("de, *;q=0.1"), English),
        (Some("fr;q=0"), English),
        (Some("FR;q=nonsense"), English),
    ] {
        let header = accepted.map(HeaderValue::from_static);
        assert_eq!(Language::of(header.as_ref()), expected, "{accepted:?}");
    }
}

#[test]
fn the_policy_names_the_style() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, STYLE.as_bytes());
    let mut encoded = String::new();
    for group in digest.as_ref().chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            encoded.push(ALPHABET[(bits >> (18 - 6 * place)) as usize & 63] as char);
        }
    }
    assert!(POLICY.contains(&format!("'sha256-{encoded}='")), "the style's digest is {encoded}=");
}

#[test]
fn hosts_are_escaped() {
    let page = Trouble::Unknown.render(Language::French, Some("<script>")).into_string();
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"));
}

#[test]
fn says_when_to_come_back() {
    for (trouble, status, retry) in [
        (Trouble::Off, 503, Some("300")),
        (Trouble::Silent, 503, Some("5")),
        (Trouble::Archived, 410, None),
        (Trouble::Unknown, 404, None),
        (Trouble::Misdirected, 421, None),
        (Trouble::Broken, 502, None),
        (Trouble::Late, 504, None),
    ] {
        let page = trouble.page(Language::French, Some("blog.example"));
        assert_eq!(page.status(), status);
        let said = page.headers().get(RETRY_AFTER).map(|value| value.to_str().expect("text"));
        assert_eq!(said, retry, "{trouble:?}");
    }
}
