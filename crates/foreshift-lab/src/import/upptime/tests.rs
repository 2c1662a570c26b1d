use super::*;

fn git(dir: &Path, args: &[&str], time: i64) {
    let ran = Command::new("git")
        .arg("-C")
        .arg(dir)
        .args([
            "-c",
            "user.name=monitor",
            "-c",
            "user.email=monitor@example.org",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(args)
        .env("GIT_AUTHOR_DATE", format!("{time} +0000"))
        .env("GIT_COMMITTER_DATE", format!("{time} +0000"))
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// A monitor's repository with these commits.
fn repository_of(dir: &Path, subjects: &[(i64, &str)]) {
    git(dir, &["init", "-q"], 0);
    for (time, subject) in subjects {
        git(dir, &["commit", "-q", "--allow-empty", "-m", subject], *time);
    }
}

#[test]
fn subjects_say_the_state_of_a_site_whatever_its_name_holds() {
    let said = |site, health, status, latency_ms| {
        Some(Said {
            site,
            health,
            status,
            latency_ms,
        })
    };
    assert_eq!(
        read("🟥 Wiki is down (0 in 0 ms) [skip ci] [upptime]"),
        said("Wiki", "down", 0, 0)
    );
    assert_eq!(
        read("🟩 Wiki is up (200 in 340 ms) [skip ci] [upptime]"),
        said("Wiki", "up", 200, 340)
    );
    assert_eq!(
        read("🟨 Who is it (beta) is degraded (200 in 31000 ms)"),
        said("Who is it (beta)", "degraded", 200, 31_000)
    );
    for other in [
        "🗃️ Save status summary [skip ci] [upptime]",
        "Wiki is down (0 in 0 ms)",
        "🟥 Wiki is away (0 in 0 ms)",
        "🟥  is down (0 in 0 ms)",
        "🟥 Wiki is down (many in 0 ms)",
        "",
    ] {
        assert_eq!(read(other), None, "{other}");
    }
}

#[test]
fn a_monitor_s_history_becomes_a_signal_csv_in_order_of_time() {
    let dir = tempfile::tempdir().unwrap();
    let clone = dir.path().join("status");
    std::fs::create_dir_all(clone.join("history")).unwrap();
    repository_of(
        &clone,
        &[
            (1_700_000_000, "🎉 Begin"),
            (1_700_000_300, "🟩 Wiki is up (200 in 340 ms) [skip ci] [upptime]"),
            (1_700_000_900, "🟥 Wiki is down (0 in 0 ms) [skip ci] [upptime]"),
            (
                1_700_000_600,
                "🟩 Old, shop is up (301 in 12 ms) [skip ci] [upptime]",
            ),
        ],
    );
    git(
        &clone,
        &["remote", "add", "origin", "https://example.org/acme/status.git"],
        0,
    );
    let summary = r#"[{"name":"Wiki","url":"https://wiki.example.org:8443/start?x=1","slug":"wiki"}]"#;
    std::fs::write(clone.join("history/summary.json"), summary).unwrap();
    std::fs::write(
        clone.join("history/old-shop.yml"),
        "url: https://Shop.example.org\nstatus: up\n",
    )
    .unwrap();
    let out = dir.path().join("signals.csv.gz");
    run(&Args {
        git: clone,
        out: out.clone(),
        route: None,
    })
    .unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(File::open(&out).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(
        text,
        "time,route,target,endpoint,health,status,latency_ms\n\
         1700000300,acme/status,acme/status/Wiki,wiki.example.org,up,200,340\n\
         1700000600,acme/status,\"acme/status/Old, shop\",shop.example.org,up,301,12\n\
         1700000900,acme/status,acme/status/Wiki,wiki.example.org,down,0,\n"
    );
    let mut source = foreshift_ingest::source::CsvSource::open(&out).unwrap();
    let batch = foreshift_ingest::source::Source::poll(&mut source, 100, std::time::Duration::ZERO).unwrap();
    assert!(
        batch.runs.iter().all(|run| run.refused.is_empty()) && batch.items() >= 3,
        "{batch:?}"
    );
}

#[test]
fn a_repository_without_states_is_refused_and_so_is_what_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("x.csv");
    repository_of(dir.path(), &[(1_700_000_000, "Fix the build")]);
    let args = |git: PathBuf| Args {
        git,
        out: out.clone(),
        route: Some("r".to_owned()),
    };
    let error = run(&args(dir.path().to_owned())).unwrap_err().to_string();
    assert!(error.contains("none of 1 commits"), "{error}");
    assert!(run(&args(dir.path().join("nowhere"))).is_err());
}

#[test]
fn a_secret_url_gives_no_endpoint() {
    assert_eq!(host("$SECRET_SITE"), None);
    assert_eq!(
        host("https://user:pass@Api.example.org/v1"),
        Some("api.example.org".to_owned())
    );
    assert_eq!(host("localhost:80"), None);
}
