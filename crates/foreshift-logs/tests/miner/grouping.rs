use crate::{miner, texts};

fn are_one(lines: &[&str]) -> bool {
    texts(lines).windows(2).all(|pair| pair[0] == pair[1])
}

#[test]
fn names_behind_a_noun_become_values_at_the_third() {
    let opened = |user: &str| format!("session opened for user {user} by (uid=0)");
    let lines = ["cyrus", "news", "test"].map(opened);
    assert!(!are_one(&[&lines[0], &lines[1]]));
    assert!(are_one(&[&lines[0], &lines[1], &lines[2]]));
}

#[test]
fn states_and_switches_are_told_apart() {
    let of = |states: &[&str]| {
        let lines: Vec<String> = states
            .iter()
            .flat_map(|state| std::iter::repeat_n(format!("unit nine went to {state} now"), 4))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut texts = texts(&lines);
        texts.sort();
        texts.dedup();
        texts.len()
    };
    assert_eq!(of(&["NEW", "ASSIGNED", "RUNNING", "FAILED", "DONE", "LOST"]), 6);
    assert_eq!(of(&["true", "false"]), 2);
    assert_eq!(
        of(&["on", "off", "up", "down", "yes", "no", "true", "false", "enabled"]),
        9
    );
}

#[test]
fn different_sentences_stay_apart() {
    let lines = [
        "connection refused",
        "connection reset",
        "connection closed",
        "connection lost",
        "connection aborted",
        "out of memory",
        "no space left on device",
        "no route to host",
        "no such host",
    ];
    let mut texts = texts(&lines);
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), lines.len());
}

#[test]
fn lists_of_any_length_are_one_template() {
    assert!(are_one(&["delete 1", "delete 1 2 3", "delete 1, 2, 3, 4"]));
    assert!(are_one(&[
        "pipeline 10.0.0.1:1, 10.0.0.2:1",
        "pipeline 10.0.0.1:1"
    ]));
    assert!(are_one(&[
        "names n1x14 an15 an16 an17 an18",
        "names n1x14 bn15 bn16 bn17"
    ]));
}

#[test]
fn a_value_that_looks_like_words_joins_the_values() {
    assert!(are_one(&[
        "synchronized to 10.0.0.1, stratum 3",
        "synchronized to LOCAL(0), stratum 10"
    ]));
    assert!(are_one(&[
        "took lock=1 ws=null uid=2",
        "took lock=1 ws=Work{17} uid=2"
    ]));
    assert!(are_one(&[
        "connection from 1.2.3.4 ()",
        "connection from 1.2.3.4 (host.example.org)"
    ]));
}

#[test]
fn values_with_their_own_shape_keep_it() {
    let texts = texts(&["peer 10.0.0.1:80 left", "peer db.example.org:80 left"]);
    assert_eq!(texts, ["peer <*>:<num> left", "peer <*>:<num> left"]);
}

#[test]
fn what_only_a_general_template_says_is_new_once() {
    let mut miner = miner();
    let new: Vec<bool> = ["a", "b", "c", "d"]
        .iter()
        .map(|user| {
            miner
                .read(format!("login failed for user {user}x from there").as_bytes())
                .is_new
        })
        .collect();
    assert_eq!(new, [true, true, true, false]);
    assert_eq!(miner.templates().count(), 1);
    assert_eq!(miner.templates().map(|template| template.lines()).sum::<u64>(), 4);
}

#[test]
fn keys_that_say_what_happened_keep_their_values() {
    let of = |key: &str| {
        let values = ["cold", "dark", "wet", "far", "old", "sad", "shy"];
        let lines: Vec<String> = values
            .iter()
            .map(|value| format!("at=9 {key}={value} in the east"))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        are_one(&lines)
    };
    assert!(of("tenant"));
    assert!(!of("error"));
    assert!(!are_one(&[
        "time=1 msg=\"pool is empty\"",
        "time=1 msg=\"peer is gone\""
    ]));
}

#[test]
fn what_varies_in_quotes_alone_is_a_value_after_a_while() {
    let mut miner = miner();
    let browsers = (1..200).map(|number| {
        let words = ["swift", "blink", "gecko", "web", "kit"];
        let name: Vec<&str> = (0..1 + number % 7)
            .map(|at| words[(number / 3 + at * at) % 5])
            .collect();
        format!(
            "10.0.0.{number} - - \"GET /a/{number}\" 200 \"{}\"",
            name.join("; ")
        )
    });
    let ids: Vec<u64> = browsers
        .map(|line| miner.read(line.as_bytes()).template)
        .collect();
    let last = ids
        .last()
        .and_then(|id| miner.template(*id))
        .map(|template| template.text().to_owned());
    assert_eq!(last.as_deref(), Some("<ip> - - \"GET <path>\" <num> \"<*>\""));
    assert!(
        ids.iter()
            .all(|id| Some(miner.current(*id)) == ids.last().copied())
    );
}
