//! Clients of our own, and pages of the documentation for whoever writes another.

use std::time::Duration;

use foreshift_tests::{Page, Reader, eventually, workspace};

/// Far longer than a message takes, and long enough to build an example.
const PATIENCE: Duration = Duration::from_secs(300);

fn is_up(reader: &Reader) {
    eventually("Foreshift is up", PATIENCE, || {
        reader.output("foreshift status").status.success().then_some(())
    });
}

fn says(reader: &Reader, what: &str) {
    eventually(what, PATIENCE, || reader.said().contains(what).then_some(()));
}

#[test]
fn a_page_is_read_as_its_reader_would() {
    let page = Page::read("docs/gateways/envoy.md");
    let fallback = page.file("fallback.yaml");
    assert!(
        fallback.starts_with("routes:") && fallback.contains("checkout-west"),
        "{fallback}"
    );
    let receive = format!("receive: {{address: 127.0.0.1:{}}}", page.port("7403"));
    assert!(page.file("foreshift.yaml").contains(&receive));
    let beside = page.file("envoy.yaml");
    assert!(
        beside.contains(&format!("port_value: {}}}", page.port("7400"))),
        "{beside}"
    );
    let commands = page.commands();
    assert_eq!(commands[0], "envoy -c plain-envoy.yaml");
    assert!(
        commands
            .iter()
            .any(|command| command.starts_with("curl -sS -X POST"))
    );
}

#[test]
fn a_reader_runs_commands_in_their_order_in_a_directory_with_the_files() {
    let page = Page::read("docs/gateways/envoy.md");
    let mut reader = page.follow("reader", &["foreshift.yaml", "fallback.yaml"]);
    reader.start("envoy");
    let listed = reader.output("ls foreshift.yaml fallback.yaml && foreshift --version");
    assert!(listed.status.success(), "{listed:?}");
    reader.kill("envoy");
}

#[test]
fn the_page_of_the_rust_client_does_what_it_says() {
    let page = Page::read("docs/gateways/rust.md");
    let mut reader = page.follow("rust", &["foreshift.yaml", "fallback.yaml"]);
    reader.set("FORESHIFT", &workspace().display().to_string());
    reader.start("foreshift run");
    is_up(&reader);
    reader.start("cargo run");
    says(&reader, "by your own shares");
    reader.run("foreshift pin");
    says(&reader, "by Foreshift's weights");
    eventually("what was applied is known", PATIENCE, || {
        let status = reader.output("foreshift status");
        String::from_utf8_lossy(&status.stdout)
            .contains("pick-example")
            .then_some(())
    });
    reader.run("foreshift status");
    reader.run("foreshift unpin");
    reader.finish();
}
