//! Clients of our own, and pages of the documentation for whoever writes another.

use foreshift_tests::Page;

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
    assert_eq!(commands[0], "foreshift run --config foreshift.yaml");
    assert!(commands.iter().any(|command| command.starts_with("curl -X POST")));
}

#[test]
fn a_reader_runs_commands_in_their_order_in_a_directory_with_the_files() {
    let page = Page::read("docs/gateways/envoy.md");
    let mut reader = page.follow("reader", &["foreshift.yaml", "fallback.yaml"]);
    reader.start("foreshift run");
    let listed = reader.output("ls foreshift.yaml fallback.yaml && foreshift --version");
    assert!(listed.status.success(), "{listed:?}");
    reader.kill("foreshift run");
}
