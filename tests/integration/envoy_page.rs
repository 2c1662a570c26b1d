//! The page about Envoy, followed word for word against a real one.

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use foreshift_tests::{Page, Reader, envoy_binary, eventually, free_ports, target};

const PATIENCE: Duration = Duration::from_secs(60);
/// So many requests in a row go one way by chance once in 2^40.
const REQUESTS: usize = 40;

/// `envoy` as a program of the reader's, which other Envoys of this machine do not disturb.
fn install_envoy(into: &Path) {
    let envoy = into.join("envoy");
    let real = envoy_binary();
    let script = format!(
        "#!/bin/sh\nexec {} \"$@\" --use-dynamic-base-id --concurrency 1 --log-level warning\n",
        real.display()
    );
    std::fs::write(&envoy, script).expect("a file");
    std::fs::set_permissions(&envoy, PermissionsExt::from_mode(0o755)).expect("it can be run");
}

/// How many of so many requests each target answered.
fn answers(reader: &Reader, ingress: u16) -> [usize; 2] {
    let asked = reader.output(&format!("curl -sS 'http://127.0.0.1:{ingress}/?[1-{REQUESTS}]'"));
    let text = String::from_utf8_lossy(&asked.stdout).into_owned();
    ["east", "west"].map(|target| text.matches(target).count())
}

fn all_go_to_east(reader: &Reader, ingress: u16) -> Option<()> {
    (answers(reader, ingress) == [REQUESTS, 0]).then_some(())
}

fn both_answer(reader: &Reader, ingress: u16) -> Option<()> {
    let [east, west] = answers(reader, ingress);
    (east > 0 && west > 0 && east + west == REQUESTS).then_some(())
}

/// `foreshift check`, until it says all of this.
fn checked(reader: &Reader, all: &[&str]) {
    eventually("the loop is closed", PATIENCE, || {
        let output = reader.output("foreshift check --config foreshift.yaml");
        let text = String::from_utf8_lossy(&output.stdout);
        let missing = all.iter().find(|part| !text.contains(**part));
        if let Some(missing) = missing {
            println!("not yet {missing:?}:\n{text}");
        }
        (output.status.success() && missing.is_none()).then_some(())
    });
}

#[test]
fn a_plain_envoy_comes_into_shadow_and_is_steered_by_the_commands_of_its_page() {
    let [admin, ingress] = free_ports();
    let page = Page::read("docs/gateways/envoy.md")
        .with_port("9901", admin)
        .with_port("10000", ingress)
        .with_port("8081", target("east"))
        .with_port("8082", target("west"));
    let mut reader = page.follow("envoy", &["plain-envoy.yaml", "with-foreshift.diff"]);
    let programs = reader.dir().join("bin");
    std::fs::create_dir(&programs).expect("a directory");
    install_envoy(&programs);
    reader.find_programs_in(&programs);

    reader.start("envoy -c plain-envoy.yaml");
    eventually("the admin endpoint answers", PATIENCE, || {
        TcpStream::connect(("127.0.0.1", admin)).ok()
    });
    let told = reader.run("foreshift init");
    assert!(told.contains("runtime_key_prefix: foreshift.checkout"), "{told}");
    reader.run("foreshift config validate");
    for file in ["foreshift.yaml", "foreshift-envoy-bootstrap.yaml"] {
        // The page's ports are those that init writes; this test has others.
        let path = reader.dir().join(file);
        let mut text = std::fs::read_to_string(&path).expect("init wrote it");
        for port in ["7400", "7403"] {
            text = text.replace(port, &page.port(port).to_string());
        }
        std::fs::write(&path, text).expect("a file");
    }
    reader.run("patch -o envoy.yaml");
    reader.run("envoy -c envoy.yaml --mode validate");
    reader.kill("envoy -c plain-envoy.yaml");

    reader.start("foreshift run");
    reader.start("envoy -c envoy.yaml");
    reader.run("curl");
    reader.run("foreshift check");
    checked(
        &reader,
        &[
            "loop, heard: target checkout-east:",
            "loop, heard: target checkout-west:",
            "loop, told: Envoys ask for weights",
            "mode shadow: gateways keep their own weights",
        ],
    );
    assert!(reader.run("foreshift status").contains("checkout"));
    both_answer(&reader, ingress).expect("in shadow Envoy's own weights hold");

    reader.run("foreshift pin");
    checked(&reader, &["loop, told: route checkout: edge-1 applied version"]);
    assert!(reader.run("foreshift status").contains("edge-1"));
    reader.run("foreshift unpin");
    reader.run("foreshift mode checkout auto");
    reader.run("foreshift check");
    checked(&reader, &["loop, told: route checkout: edge-1 applied version"]);

    let pinned =
        reader.output("foreshift pin checkout checkout-east=100% checkout-west=0% --for 10m --reason test");
    assert!(pinned.status.success(), "{pinned:?}");
    eventually("Envoy follows", PATIENCE, || all_go_to_east(&reader, ingress));
    reader.run("curl -sS -X POST");
    both_answer(&reader, ingress).expect("what a person sets at Envoy wins at once");
    reader.run("curl -sS -X POST");
    eventually("given back, Envoy follows again", PATIENCE, || {
        all_go_to_east(&reader, ingress)
    });
    let unpinned = reader.output("foreshift unpin checkout --reason test");
    assert!(unpinned.status.success(), "{unpinned:?}");
    reader.run("foreshift mode checkout shadow");
    eventually("Envoy is back at its own weights", PATIENCE, || {
        both_answer(&reader, ingress)
    });
    reader.finish();
}
