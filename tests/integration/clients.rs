//! Clients of our own, and pages of the documentation for whoever writes another.

use std::time::Duration;

use foreshift_proto::FILE_DESCRIPTOR_SET;
use foreshift_tests::{Page, Reader, eventually, workspace};
use prost::Message;
use prost_types::FileDescriptorSet;

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

/// What a gateway applied is published a little after it said so.
fn shows(reader: &Reader, gateway: &str) {
    eventually("what was applied is shown", PATIENCE, || {
        let status = reader.output("foreshift status");
        String::from_utf8_lossy(&status.stdout)
            .contains(gateway)
            .then_some(())
    });
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

/// The Python client carries them, without comments. With `FORESHIFT_UPDATE=1` the test writes them.
#[test]
fn the_descriptors_of_the_python_client_are_those_of_the_protos() {
    let path = workspace().join("clients/python/foreshift/route_weights.binpb");
    let mut protos = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("descriptors");
    let needed = ["signal", "prediction", "route_weights"].map(|name| format!("foreshift/v1/{name}.proto"));
    protos
        .file
        .retain(|file| needed.iter().any(|name| file.name() == name));
    for file in &mut protos.file {
        file.source_code_info = None;
    }
    if std::env::var_os("FORESHIFT_UPDATE").is_some() {
        std::fs::write(&path, protos.encode_to_vec()).expect("the file can be written");
    }
    let carried = std::fs::read(&path).expect("the file");
    assert_eq!(
        FileDescriptorSet::decode(carried.as_slice()).expect("descriptors"),
        protos,
        "run this test with FORESHIFT_UPDATE=1"
    );
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
    shows(&reader, "pick-example");
    reader.run("foreshift status");
    reader.run("foreshift unpin");
    reader.finish();
}

#[test]
fn the_page_of_any_grpc_client_does_what_it_says() {
    let page = Page::read("docs/gateways/grpc.md");
    let mut reader = page.follow("grpc", &["foreshift.yaml", "fallback.yaml"]);
    reader.start("foreshift run");
    is_up(&reader);
    for _ in ["at once", "watching"] {
        reader.run("printf");
        let said = reader.run("tr -cd");
        assert!(said.contains("checkout") && said.contains("west"), "{said}");
    }
    reader.run("printf");
    shows(&reader, "mine");
    reader.run("foreshift status");
    reader.finish();
}
