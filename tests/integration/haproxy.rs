//! A real HAProxy follows weights as its page says, and what becomes of it when Foreshift is gone.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use foreshift_tests::{Page, Reader, ask, eventually, free_ports, target, workspace};

/// Far longer than a few questions of the agent take.
const PATIENCE: Duration = Duration::from_secs(60);
const REQUESTS: usize = 40;
const SERVERS: [&str; 3] = ["east", "west", "spare"];

/// The page, and its HAProxy's frontend.
fn follow(name: &str) -> (Reader, u16) {
    let setup = Command::new(workspace().join("tests/haproxy/setup.sh")).output();
    let setup = setup.expect("bash is there");
    assert!(
        setup.status.success(),
        "{}",
        String::from_utf8_lossy(&setup.stderr)
    );
    let [ingress] = free_ports();
    let page = Page::read("docs/gateways/haproxy.md")
        .with_port("10000", ingress)
        .with_port("8081", target("east"))
        .with_port("8082", target("west"))
        .with_port("8083", target("spare"));
    let reader = page.follow(name, &["foreshift.yaml", "fallback.yaml", "haproxy.cfg"]);
    (reader, ingress)
}

/// Runs the page up to its first `foreshift status`, with both up.
fn shadow(name: &str) -> (Reader, u16) {
    let (mut reader, ingress) = follow(name);
    reader.start("foreshift run");
    reader.start("haproxy -f haproxy.cfg");
    eventually("Foreshift is up", PATIENCE, || {
        reader.output("foreshift status").status.success().then_some(())
    });
    reader.run("foreshift status");
    weighs(&reader, "in shadow the configured weights hold", [100, 100, 0]);
    (reader, ingress)
}

fn socket(reader: &Reader, command: &str) -> Option<String> {
    let mut socket = UnixStream::connect(reader.dir().join("haproxy.sock")).ok()?;
    socket.write_all(format!("{command}\n").as_bytes()).ok()?;
    let mut said = String::new();
    socket.read_to_string(&mut said).ok()?;
    Some(said)
}

/// A column of HAProxy's statistics, by server.
fn column(reader: &Reader, name: &str) -> Option<BTreeMap<String, String>> {
    let stats = socket(reader, "show stat checkout 4 -1")?;
    let mut lines = stats.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let at = lines
        .next()?
        .iter()
        .position(|column| column.trim_start_matches("# ") == name)?;
    let servers = lines.filter(|fields| fields.len() > at);
    Some(
        servers
            .map(|fields| (fields[1].to_owned(), fields[at].to_owned()))
            .collect(),
    )
}

fn weights(reader: &Reader) -> Option<[u32; 3]> {
    let column = column(reader, "weight")?;
    let weights = SERVERS.map(|server| column.get(server)?.parse().ok());
    Some([weights[0]?, weights[1]?, weights[2]?])
}

fn weighs(reader: &Reader, what: &str, expected: [u32; 3]) {
    eventually(what, PATIENCE, || {
        (weights(reader) == Some(expected)).then_some(())
    });
}

/// How many of the requests each server answered; all must be answered.
fn answers(ingress: u16) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    for _ in 0..REQUESTS {
        let (status, who) = ask(ingress, "GET", "/").expect("an answer");
        assert_eq!(status, 200, "{who}");
        *answers.entry(who).or_default() += 1;
    }
    answers
}

#[test]
fn the_page_of_haproxy_does_what_it_says() {
    let (mut reader, ingress) = shadow("haproxy");
    assert!(
        reader
            .run("echo \"show servers state checkout\"")
            .contains("checkout")
    );
    let shared = answers(ingress);
    assert_eq!((shared["east"], shared["west"]), (20, 20), "{shared:?}");

    reader.run("foreshift pin");
    weighs(&reader, "HAProxy follows a pin", [20, 160, 20]);
    let moved = answers(ingress);
    assert_eq!(moved.values().sum::<usize>(), REQUESTS);
    assert!(
        moved["west"] > 24 && moved["east"] < 10 && moved["spare"] < 10,
        "{moved:?}"
    );
    reader.run("foreshift unpin");
    weighs(&reader, "without it the configured weights hold", [100, 100, 0]);
    reader.run("foreshift mode checkout auto");

    for server in SERVERS {
        let said = reader.run(&format!("echo \"disable agent checkout/{server}"));
        assert_eq!(said.trim(), "", "HAProxy is silent when all is well");
    }
    assert_eq!(weights(&reader), Some([100, 100, 0]));
    assert_eq!(reader.run("echo \"enable agent").trim(), "");
    reader.finish();
}

#[test]
fn an_haproxy_keeps_its_last_weights_without_foreshift_until_the_glass_is_broken() {
    let (mut reader, ingress) = shadow("haproxy-alone");
    let pinned = reader
        .output("foreshift pin checkout east=0% west=100% spare=0% --for 1h --reason test")
        .status;
    assert!(pinned.success());
    weighs(&reader, "HAProxy drains a target", [0, 200, 0]);
    assert_eq!(answers(ingress)["west"], REQUESTS);

    reader.signal("foreshift run", "STOP");
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(
        weights(&reader),
        Some([0, 200, 0]),
        "a hung agent changes nothing"
    );
    reader.signal("foreshift run", "CONT");
    reader.kill("foreshift run");
    // Several questions go unanswered meanwhile.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(weights(&reader), Some([0, 200, 0]));
    assert_eq!(answers(ingress)["west"], REQUESTS, "it keeps serving");

    for (server, percent) in [("east", 100), ("west", 100), ("spare", 0)] {
        let command = format!("disable agent checkout/{server}; set weight checkout/{server} {percent}%");
        assert_eq!(socket(&reader, &command).expect("an answer").trim(), "");
    }
    assert_eq!(weights(&reader), Some([100, 100, 0]));
    let shared = answers(ingress);
    assert_eq!((shared["east"], shared["west"]), (20, 20), "{shared:?}");
}

#[test]
fn a_failed_health_check_stays_failed_and_an_unknown_name_is_shown() {
    let (mut reader, _) = follow("haproxy-health");
    let config = reader.dir().join("haproxy.cfg");
    let mut text = std::fs::read_to_string(&config).expect("the configuration");
    let [closed] = free_ports();
    text += &format!("    server gone 127.0.0.1:{closed} weight 100 agent-send \"checkout/gone\\n\"\n");
    std::fs::write(&config, text).expect("the configuration");
    reader.start("foreshift run");
    reader.start("haproxy -f haproxy.cfg");
    eventually("what is not known is said in HAProxy", PATIENCE, || {
        let shown = column(&reader, "last_agt")?;
        shown.get("gone")?.contains("unknown-to-foreshift").then_some(())
    });
    eventually("the health check failed", PATIENCE, || {
        column(&reader, "status")?
            .get("gone")?
            .starts_with("DOWN")
            .then_some(())
    });
    std::thread::sleep(Duration::from_secs(3));
    assert!(column(&reader, "status").expect("statistics")["gone"].starts_with("DOWN"));
    assert_eq!(column(&reader, "weight").expect("statistics")["gone"], "100");
}
