use proptest::prelude::*;

use super::*;

use crate::secrets;

fn redactor() -> Redactor {
    Redactor::new().expect("the table compiles")
}

fn clean(text: &str) -> String {
    redactor().scrub(text, Depth::Everything).into_owned()
}

#[test]
fn no_planted_secret_is_left() {
    let (redactor, planted) = (redactor(), secrets::planted());
    let left: Vec<_> = planted
        .iter()
        .map(|planted| (planted, redactor.scrub(&planted.line, Depth::Everything)))
        .filter(|(planted, clean)| clean.contains(&planted.needle))
        .collect();
    assert!(left.is_empty(), "{} of {}: {left:#?}", left.len(), planted.len());
}

#[test]
fn the_planted_secrets_are_many_and_of_many_shapes() {
    let planted = secrets::planted();
    let shapes: std::collections::BTreeSet<_> = planted.iter().map(|planted| planted.shape).collect();
    assert!(planted.len() >= 200, "{}", planted.len());
    assert!(shapes.len() >= 30, "{}", shapes.len());
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        "dial tcp: lookup db on dns: no such host",
        "connection refused (111) after 30ms, retry 3 of 5",
        "This model's maximum context length is 8192 tokens, max_tokens=4096",
        "FATAL: password authentication failed for user",
        "invalid token: signature mismatch",
        "org.springframework.security.oauth2.server.authorization.OAuth2AuthorizationServerConfiguration",
        "java.net.SocketTimeoutException: Read timed out at Http2Connection.java:412",
        "at /usr/lib/node_modules/sk-learn/index.js",
        "std::io::Error at 12:30:45, module a::b::c",
        "{\"error\":{\"type\":\"authentication_error\",\"message\":\"invalid x-api-key\"},\"id\":1}",
        "the input was empty: content is missing, text too",
        "basic authentication failed, bearer token expired",
        "order 1732312345678 took 1200 ms",
        "pod web-7d9c5b6f4d-x2x9z is not ready",
        "trace 550e8400-e29b-41d4-a716-446655440000",
        "\"has_secret\": true, \"password\": null",
    ] {
        assert_eq!(redactor().scrub(text, Depth::Secrets), text);
    }
}

#[test]
fn what_is_taken_out_is_named() {
    assert_eq!(
        clean("user=app password=hunter2 host=db"),
        "user=app password=<redacted> host=db"
    );
    assert_eq!(clean("mail to joe@example.com."), "mail to <email>.");
    assert_eq!(clean("from 203.0.113.7:8080 and ::1"), "from <ip>:8080 and <ip>");
    assert_eq!(clean("card 4111 1111 1111 1111!"), "card <card>!");
    assert_eq!(
        clean("{\"model\":\"m\",\"messages\":[{\"content\":\"hi\"}],\"n\":1}"),
        "{\"model\":\"m\",\"messages\":<omitted>,\"n\":1}"
    );
}

#[test]
fn addresses_are_left_to_the_masks_of_the_miner() {
    let text = "from 203.0.113.7 for joe@example.com";
    assert_eq!(redactor().scrub(text, Depth::Secrets), text);
    assert!(!redactor().is_clean(text));
}

#[test]
fn a_text_without_secrets_is_not_copied() {
    assert!(matches!(
        redactor().scrub("connection refused", Depth::Everything),
        Cow::Borrowed(_)
    ));
}

/// Pieces that texts are put together from, so that chance meets the shapes.
fn text() -> impl Strategy<Value = String> {
    let planted = secrets::planted();
    let marks: Vec<String> = MARKS.iter().map(|(text, _)| (*text).to_owned()).collect();
    let piece = prop_oneof![
        3 => proptest::sample::select(marks),
        1 => proptest::sample::select(planted).prop_map(|planted| planted.line),
        3 => proptest::sample::select(vec!["=", ":", "\"", "'", "\\", "\\\"", " ", "\n", "{", "}", "[", "]", "(", ")", ",", "@", "<", ">", "--", "%3D", "://", "::", ".", "é"]).prop_map(str::to_owned),
        2 => "[a-zA-Z0-9]{1,40}",
        1 => "\\PC{0,12}",
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scrubbing_twice_is_scrubbing_once_and_the_length_is_bounded(text in text()) {
        let redactor = redactor();
        for depth in [Depth::Secrets, Depth::Everything] {
            let once = redactor.scrub(&text, depth).into_owned();
            prop_assert_eq!(&redactor.scrub(&once, depth), &once);
            prop_assert!(once.len() <= 8 * text.len(), "{} from {}", once.len(), text.len());
        }
        let once = redactor.scrub(&text, Depth::Everything);
        prop_assert!(redactor.is_clean(&once));
    }

    #[test]
    fn a_secret_is_found_behind_and_before_anything(planted in proptest::sample::select(secrets::planted()), before in "\\PC{0,20}[ \\n]", after in "[ \\n]\\PC{0,20}") {
        let text = format!("{before}{}{after}", planted.line);
        // What comes before may open a quote: then more is taken out, never less.
        prop_assert!(!redactor().scrub(&text, Depth::Everything).contains(&planted.needle));
    }
}
