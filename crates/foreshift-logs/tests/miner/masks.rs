use foreshift_logs::miner::{MAX_LINE_BYTES, Miner, Settings};

use crate::{miner, text};

#[test]
fn values_are_typed_and_masked() {
    let cases = [
        (
            "took 12 tries, 3.5 left, -7 below",
            "took <num> tries, <float> left, <num> below",
        ),
        ("connect 10.0.0.1:8080 refused", "connect <ip>:<num> refused"),
        ("peer fe80::1ff:fe23:4567:890a gone", "peer <ip> gone"),
        ("lease 00:11:43:e3:ba:c3 ended", "lease <mac> ended"),
        ("id 0673dd71-34c5-4fbb-86c4-40623fbe45b4 ok", "id <uuid> ok"),
        (
            "hash a489c868f0c37da93b76227c91bb and 0x1f",
            "hash <hex> and <hex>",
        ),
        ("mail from jo@example.org bounced", "mail from <email> bounced"),
        ("open /var/log/app/x.log failed", "open <path> failed"),
        ("open C:\\Temp\\x.log failed", "open <path> failed"),
        ("GET https://example.org/a?b=c done", "GET https://<url> done"),
        ("slept 12ms then 3 s", "slept <duration> then <num> s"),
        ("freed 4.2 KB of 10MB", "freed <size> of <size>"),
        ("since 2026-01-02T03:04:05.123Z up", "since <timestamp> up"),
        ("since 2026-01-02 03:04:05 up", "since <date> <time> up"),
        ("at Sat Jun 18 02:08:10 2005 closed", "at <timestamp> closed"),
        ("block blk_-1608999687919862906 lost", "block blk_<num> lost"),
        ("host web-eu-12 left", "host <host> left"),
        ("db.example.org:5432 unreachable", "<host>:<num> unreachable"),
        (
            "lock=1, tag=\"View Lock\", uid=10",
            "lock=<num>, tag=\"<quoted>\", uid=<num>",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(text(line), expected);
    }
}

#[test]
fn words_stay_words() {
    for line in [
        "Link Up on en0",
        "jk2_init() can't find child",
        "and/or N/A",
        "May be late. Sat down.",
        "[a-z] feedback: deadbeat",
        "state.count:now",
    ] {
        assert_eq!(text(line), line);
    }
}

#[test]
fn a_size_told_twice_is_one_value() {
    assert_eq!(text("1234 bytes (1.20 KB) sent"), text("99 bytes sent"));
}

#[test]
fn a_template_is_also_written_without_types() {
    let mut miner = miner();
    let id = miner.read(b"10.0.0.1:80 took 1.5 at 10:11:12 <ok>").template;
    let starred = miner.template(id).map(|template| template.starred());
    assert_eq!(
        starred.as_deref(),
        Some("<*>:<*> took <*>.<*> at <*>:<*>:<*> <ok>")
    );
}

#[test]
fn words_that_the_user_masks_are_masked() {
    let settings = Settings {
        masks: vec!["tenant-".into(), "@".into(), String::new()],
        ..Settings::default()
    };
    let mut miner = Miner::new(settings);
    let id = miner.read(b"load of tenant-acme by @jo").template;
    assert_eq!(id, miner.read(b"load of tenant-globex by @al").template);
    let text = miner.template(id).map(|template| template.text().to_owned());
    assert_eq!(text.as_deref(), Some("load of tenant-<masked> by @<masked>"));
}

#[test]
fn what_lies_behind_the_bound_is_cut() {
    let mut miner = miner();
    let long = "word ".repeat(MAX_LINE_BYTES);
    let id = miner.read(long.as_bytes()).template;
    assert_eq!(id, miner.read(format!("{long} and more").as_bytes()).template);
}

#[test]
fn a_blank_line_has_no_template() {
    let mut miner = miner();
    for blank in ["", " ", "\t\r\n"] {
        assert_eq!(miner.read(blank.as_bytes()).template, 0);
        assert!(!miner.read(blank.as_bytes()).is_new);
        assert_eq!(miner.find(blank.as_bytes()), None);
    }
    assert_eq!(miner.templates().count(), 0);
}
